// Reading files, with protobuf's own messages kept off the terminal.
#pragma once

#include <filesystem>
#include <string>

namespace google::protobuf {
class MessageLite;
}

namespace igata {

/// The whole file. Throws BadInput: `FILE: no such file`, `... is a directory`, `... cannot be read`, `... 2 GB`.
std::string read_file(const std::filesystem::path& file);

/// Parses the file into `message`. Throws BadInput: `FILE: not <what> (...)`.
void parse_protobuf(const std::filesystem::path& file, const char* what, google::protobuf::MessageLite& message);

}  // namespace igata
