// Exits with 1 if run allocates.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "a.hpp"
#include "b.hpp"

namespace {
std::atomic<long> allocations{0};
}

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size) noexcept {
    ++allocations;
    return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
    ++allocations;
    return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) noexcept {
    ++allocations;
    return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) noexcept {
    ++allocations;
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    ++allocations;
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** result, std::size_t alignment, std::size_t size) noexcept {
    ++allocations;
    *result = __libc_memalign(alignment, size);
    return *result == nullptr ? 12 : 0;
}
}

int main() {
    std::vector<float> image(a::count::image), scores(a::count::scores);
    std::vector<float> values(b::count::a), variance(b::count::variance);
    std::vector<std::int64_t> limits(b::count::b), best(b::count::best);
    bool above[b::count::above];
    if (allocations == 0) return std::puts("nothing is counted"), 1;
    a::Predictor first(a::Options{1, ""});
    b::Predictor second(b::Options{1, ""});
    const long before = allocations;
    for (int i = 0; i < 3; ++i) {
        first.run(image.data(), scores.data());
        second.run(values.data(), limits.data(), variance.data(), best.data(), above);
    }
    const long made = allocations - before;
    if (made != 0) std::printf("%ld allocations in 3 runs\n", made);
    return made == 0 ? 0 : 1;
}
