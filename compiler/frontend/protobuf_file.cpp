#include "compiler/frontend/protobuf_file.hpp"

#include <cstdint>
#include <fstream>
#include <limits>
#include <system_error>

#include <fmt/format.h>
#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/logging.h>

#include "compiler/diagnostics.hpp"

namespace igata {

std::string read_file(const std::filesystem::path& file) {
    std::error_code error;
    const auto status = std::filesystem::status(file, error);
    if (!std::filesystem::exists(status)) throw BadInput(fmt::format("{}: no such file", file.string()));
    if (std::filesystem::is_directory(status))
        throw BadInput(fmt::format("{}: is a directory, not a file", file.string()));
    const std::uintmax_t size = std::filesystem::file_size(file, error);
    if (error) throw BadInput(fmt::format("{}: cannot be read ({})", file.string(), error.message()));
    if (size > static_cast<std::uintmax_t>(std::numeric_limits<std::int32_t>::max()))
        throw BadInput(fmt::format(
            "{}: larger than 2 GB, the most that protobuf holds; save the model with external data", file.string()));
    std::string bytes(size, '\0');
    std::ifstream stream(file, std::ios::binary);
    if (!stream.read(bytes.data(), static_cast<std::streamsize>(size)))
        throw BadInput(fmt::format("{}: cannot be read", file.string()));
    return bytes;
}

void parse_protobuf(const std::filesystem::path& file, const char* what, google::protobuf::MessageLite& message) {
    const std::string bytes = read_file(file);
    if (bytes.empty()) throw BadInput(fmt::format("{}: not {} (the file is empty)", file.string(), what));
    google::protobuf::SetLogHandler(nullptr);
    if (!message.ParseFromString(bytes))
        throw BadInput(fmt::format("{}: not {} (truncated, damaged, or of another format)", file.string(), what));
}

}  // namespace igata
