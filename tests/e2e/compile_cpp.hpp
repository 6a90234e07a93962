// Generated code, compiled and loaded.
#pragma once

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>

#include "compiler/emit/emitter.hpp"

namespace igata::test {

/// An empty folder of the test's own under the system's temporary folder, removed at the end.
class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "igata-test-XXXXXX").string();
        if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
        path_ = pattern;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

inline void write_file(const std::filesystem::path& path, const std::string& bytes) {
    std::ofstream file(path, std::ios::binary);
    file << bytes;
    if (!file) throw std::runtime_error("cannot write " + path.string());
}

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs a shell command; the exception holds what it printed.
inline void run_command(const std::string& command, const std::filesystem::path& folder) {
    const std::filesystem::path log = folder / "log.txt";
    const int status = std::system(("cd " + folder.string() + " && ( " + command + " ) >log.txt 2>&1").c_str());
    if (status != 0) throw std::runtime_error(command + "\n" + read_file(log));
}

/// Flags under which generated code must compile without a warning.
inline constexpr const char* strict = "c++ -std=c++17 -O2 -Wall -Wextra -Wconversion -Werror ";

/// A shared library, closed at the end.
class Library {
public:
    explicit Library(const std::filesystem::path& path) : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
        if (handle_ == nullptr) throw std::runtime_error(dlerror());
    }
    ~Library() { dlclose(handle_); }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;

    template <class F>
    F* function(const std::string& name) const {
        void* symbol = dlsym(handle_, name.c_str());
        if (symbol == nullptr) throw std::runtime_error("no symbol " + name);
        return reinterpret_cast<F*>(symbol);
    }

private:
    void* handle_;
};

}  // namespace igata::test
