#include "compiler/emit/amalgamate.hpp"

#include <algorithm>
#include <stdexcept>

#include "compiler/emit/embedded.hpp"

namespace igata {

std::string_view embedded_file(std::string_view path) {
    for (const EmbeddedFile& file : embedded_files()) {
        if (file.path == path) return file.text;
    }
    throw std::logic_error("not embedded: " + std::string(path));
}

namespace {

bool is_embedded(std::string_view path) {
    const auto files = embedded_files();
    return std::any_of(files.begin(), files.end(), [&](const EmbeddedFile& file) { return file.path == path; });
}

std::string_view next_line(std::string_view& text) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return line;
}

/// What stands between the delimiters of `#include "..."` or `#include <...>`, or nothing.
std::string_view included(std::string_view line, char open, char close) {
    if (!line.starts_with("#include ")) return {};
    const std::size_t begin = line.find(open);
    if (begin == std::string_view::npos) return {};
    return line.substr(begin + 1, line.find(close, begin + 1) - begin - 1);
}

class Amalgamator {
public:
    std::map<std::string, std::string> replaced;
    std::set<std::string> headers;
    std::string blocks;
    std::string body;

    void add(const std::string& path) {
        if (!seen_.insert(path).second) return;
        const auto other = replaced.find(path);
        std::string_view text = other != replaced.end() ? other->second : embedded_file(path);
        std::string kept;
        bool at_top = true;
        while (!text.empty()) {
            const std::string_view line = next_line(text);
            if (at_top && line.starts_with("//")) continue;
            at_top = false;
            if (const std::string_view project = included(line, '"', '"'); !project.empty()) {
                if (project != "runtime/predictor_abi.h")
                    add(std::string(project));  // stands in the predictor's header
            } else if (const std::string_view system = included(line, '<', '>'); !system.empty()) {
                headers.emplace(system);
            } else if (line.starts_with("#if")) {
                add_conditional(line, text, kept);
            } else if (line != "#pragma once") {
                append(kept, line);
            }
        }
        body += kept.substr(std::min(kept.find_first_not_of('\n'), kept.size()));
        if (!body.empty() && body.back() == '\n') body += '\n';
        const std::string source = path.substr(0, path.rfind('.')) + ".cpp";
        if (is_embedded(source)) add(source);
    }

private:
    std::set<std::string> seen_;

    static void append(std::string& out, std::string_view line) {
        if (line.empty() && (out.empty() || out.ends_with("\n\n"))) return;
        out.append(line).push_back('\n');
    }

    /// A conditional block goes before the namespace as a whole if it includes something.
    void add_conditional(std::string_view first, std::string_view& text, std::string& kept) {
        std::string block(first);
        bool has_include = false;
        for (int depth = 1; depth > 0 && !text.empty();) {
            const std::string_view line = next_line(text);
            if (line.starts_with("#if")) ++depth;
            if (line.starts_with("#endif")) --depth;
            has_include = has_include || line.starts_with("#include");
            block.append("\n").append(line);
        }
        if (has_include) blocks += block + '\n';
        else kept += block + '\n';
    }
};

}  // namespace

Amalgamation amalgamate(const std::vector<std::string>& roots, const std::set<std::string>& extra_includes,
                        const std::map<std::string, std::string>& replaced) {
    Amalgamator amalgamator;
    amalgamator.replaced = replaced;
    amalgamator.headers = extra_includes;
    for (const std::string& root : roots) amalgamator.add(root);
    Amalgamation result;
    for (const std::string& header : amalgamator.headers) result.includes += "#include <" + header + ">\n";
    result.includes += amalgamator.blocks;
    result.body = amalgamator.body;
    return result;
}

std::string fill_template(std::string_view path, const std::vector<std::pair<std::string, std::string>>& slots) {
    std::string_view text = embedded_file(path);
    std::string out;
    while (true) {
        const std::size_t begin = text.find("{{");
        out.append(text.substr(0, begin));
        if (begin == std::string_view::npos) return out;
        const std::size_t end = text.find("}}", begin);
        const std::string_view name = text.substr(begin + 2, end - begin - 2);
        const auto slot = std::find_if(slots.begin(), slots.end(), [&](const auto& s) { return s.first == name; });
        if (slot == slots.end()) throw std::logic_error("template slot without a value: " + std::string(name));
        out += slot->second;
        text.remove_prefix(end + 2);
    }
}

}  // namespace igata
