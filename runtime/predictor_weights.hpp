// Weights in a file of their own, mapped read-only: pages are shared between processes and can be dropped at any time.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>

#include "runtime/checksum.hpp"
#include "runtime/predictor_calls.hpp"

namespace igata::runtime {

class WeightsFile {
public:
    /// Throws StatusError if the file cannot be mapped or is not the expected one.
    WeightsFile(const char* path, std::size_t size, std::uint64_t expected) : size_(size) {
        if (path == nullptr || *path == '\0') fail("no weights file given: set igata_options.weights", "");
        const int file = ::open(path, O_RDONLY | O_CLOEXEC);
        if (file < 0) fail("cannot open ", path);
        struct stat status = {};
        const bool fits = ::fstat(file, &status) == 0 && static_cast<std::size_t>(status.st_size) == size;
        if (fits && size > 0) data_ = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
        ::close(file);
        if (!fits) fail("not the weights of this predictor: ", path);
        if (data_ == MAP_FAILED) fail("cannot map ", path);
        if (checksum(data_, size) == expected) return;
        unmap();
        fail("not the weights of this predictor: ", path);
    }
    ~WeightsFile() { unmap(); }
    WeightsFile(const WeightsFile&) = delete;
    WeightsFile& operator=(const WeightsFile&) = delete;

    const std::byte* data() const { return static_cast<const std::byte*>(data_); }

private:
    [[noreturn]] static void fail(const char* what, const char* path) {
        throw StatusError(IGATA_BAD_WEIGHTS, std::string(what) + path);
    }
    void unmap() {
        if (data_ != nullptr) ::munmap(data_, size_);
    }

    void* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace igata::runtime
