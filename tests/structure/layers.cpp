// ir <- ops <- passes <- emit <- driver: a folder may include only what stands before it.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace {

namespace fs = std::filesystem;

const fs::path root = IGATA_SOURCE_DIR;

const std::map<std::string, std::set<std::string>> allowed{
    {"compiler/ir", {"compiler/ir", "runtime/specs.hpp", "runtime/small_types.hpp"}},
    {"compiler/ops", {"compiler", "compiler/ir", "compiler/ops", "runtime/specs.hpp"}},
    {"compiler/frontend", {"compiler", "compiler/ir", "compiler/ops", "compiler/frontend", "runtime/specs.hpp"}},
    {"compiler/passes", {"compiler", "compiler/ir", "compiler/ops", "compiler/passes", "runtime/specs.hpp"}},
    {"compiler/emit",
     {"compiler", "compiler/ir", "compiler/ops", "compiler/passes", "compiler/emit", "runtime/specs.hpp",
      "runtime/checksum.hpp"}},
    {"runtime", {"runtime"}},
};

/// The top two folders of a project header: `compiler/ops/rules/x.hpp` is in `compiler/ops`.
std::string layer_of(const fs::path& header) {
    const auto begin = header.begin();
    const fs::path first = *begin;
    const fs::path second = std::next(begin) == header.end() ? fs::path() : *std::next(begin);
    return first == "compiler" && std::distance(begin, header.end()) > 2 ? (first / second).string() : first.string();
}

void check_file(const fs::path& file, const std::string& layer, const std::set<std::string>& may) {
    static const std::regex include(R"re(^\s*#\s*include\s+"((compiler|runtime)/[^"]+)")re");
    std::ifstream stream(file);
    std::smatch match;
    for (std::string line; std::getline(stream, line);) {
        if (!std::regex_search(line, match, include)) continue;
        const std::string header = match[1];
        CHECK_MESSAGE((may.contains(header) || may.contains(layer_of(header))), fs::relative(file, root).string(),
                      ", in ", layer, ", includes ", header);
    }
}

}  // namespace

TEST_CASE("every layer includes only the layers before it") {
    int files = 0;
    for (const auto& [layer, may] : allowed)
        for (const auto& entry : fs::recursive_directory_iterator(root / layer))
            if (const auto extension = entry.path().extension(); extension == ".cpp" || extension == ".hpp") {
                check_file(entry.path(), layer, may);
                ++files;
            }
    CHECK(files > 50);
}

TEST_CASE("only the frontend sees protobuf, and only the runtime sees oneDNN") {
    static const std::regex foreign(R"re(#\s*include\s+[<"](onnx/|google/protobuf|oneapi/dnnl|dnnl))re");
    for (const auto& entry : fs::recursive_directory_iterator(root / "compiler")) {
        if (entry.path().string().find("/frontend/") != std::string::npos || !entry.is_regular_file()) continue;
        std::ifstream stream(entry.path());
        for (std::string line; std::getline(stream, line);)
            CHECK_MESSAGE(!std::regex_search(line, foreign), entry.path().string(), ": ", line);
    }
}
