#include "tests/runtime/allocation_count.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace igata::runtime::test {
namespace {

thread_local bool counting = false;
thread_local Allocations allocations;

[[maybe_unused]] void count(const void* caller) {
    if (!counting) return;
    counting = false;
    Dl_info info = {};
    const bool known = dladdr(caller, &info) != 0 && info.dli_fname != nullptr;
    const bool library = known && (std::strstr(info.dli_fname, "libdnnl") != nullptr ||
                                   std::strstr(info.dli_fname, "libgomp") != nullptr);
    ++(library ? allocations.library : allocations.own);
    counting = true;
}

}  // namespace

void start_counting() {
    allocations = {};
    counting = true;
}

Allocations stop_counting() {
    counting = false;
    return allocations;
}

}  // namespace igata::runtime::test

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" void* __libc_malloc(std::size_t size);
extern "C" void* __libc_memalign(std::size_t alignment, std::size_t size);

extern "C" void* malloc(std::size_t size) {
    igata::runtime::test::count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void* operator new(std::size_t size) {
    igata::runtime::test::count(__builtin_return_address(0));
    if (void* memory = __libc_malloc(size)) return memory;
    throw std::bad_alloc();
}

void* operator new(std::size_t size, std::align_val_t alignment) {
    igata::runtime::test::count(__builtin_return_address(0));
    if (void* memory = __libc_memalign(static_cast<std::size_t>(alignment), size)) return memory;
    throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
#endif
