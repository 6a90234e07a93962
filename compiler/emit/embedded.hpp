// The files that the tool carries within itself: runtime/ and templates/, as they were when it was built.
#pragma once

#include <span>
#include <string_view>

namespace igata {

struct EmbeddedFile {
    std::string_view path;  ///< relative to the repository: runtime/specs.hpp
    std::string_view text;
};

std::span<const EmbeddedFile> embedded_files();
/// The text of one; throws std::logic_error if it was not embedded.
std::string_view embedded_file(std::string_view path);

}  // namespace igata
