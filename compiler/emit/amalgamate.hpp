// The runtime as one piece of text, so that generated code needs no header of ours.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace igata {

struct Amalgamation {
    std::string includes;  ///< system headers, sorted; then #if blocks that hold some
    std::string body;      ///< the rest: include guards, project includes and leading file comments stripped
};

/// Inlines the embedded files `roots` and all that they include ("runtime/...", each once, dependencies first; for a
/// header also the .cpp beside it). `extra_includes` are system headers that the caller needs too. `replaced`: other
/// texts for some of the files.
Amalgamation amalgamate(const std::vector<std::string>& roots, const std::set<std::string>& extra_includes,
                        const std::map<std::string, std::string>& replaced);

/// The template with each {{slot}} replaced. Throws std::logic_error for a slot without a value.
std::string fill_template(std::string_view path, const std::vector<std::pair<std::string, std::string>>& slots);

}  // namespace igata
