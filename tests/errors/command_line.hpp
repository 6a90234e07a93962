// Runs the tool as a user does.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <sys/wait.h>

#include "tests/onnx_models.hpp"

namespace igata::tests {

struct Outcome {
    int code = -1;
    std::string out;
    std::string err;
    bool operator==(const Outcome&) const = default;
};

inline std::ostream& operator<<(std::ostream& stream, const Outcome& outcome) {
    return stream << "exit " << outcome.code << "\nout: " << outcome.out << "err: " << outcome.err;
}

inline std::string read(const std::filesystem::path& file) {
    std::ostringstream all;
    all << std::ifstream(file, std::ios::binary).rdbuf();
    return all.str();
}

/// Runs `igata <arguments>` in the folder; in what it prints, the folder's path reads DIR.
inline Outcome run_igata(const TemporaryFolder& folder, const std::string& arguments) {
    const std::string command =
        "cd '" + folder.path().string() + "' && '" IGATA_TOOL "' " + arguments + " >.out 2>.err";
    const int status = std::system(command.c_str());
    const auto text = [&](const char* name) {
        std::string result = read(folder / name);
        const std::string path = folder.path().string();
        for (auto at = result.find(path); at != std::string::npos; at = result.find(path))
            result.replace(at, path.size(), "DIR");
        return result;
    };
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, text(".out"), text(".err")};
}

/// A failure: nothing on stdout, one message on stderr.
inline Outcome fails(int code, const std::string& message) { return {code, "", "igata: " + message + "\n"}; }

}  // namespace igata::tests
