// Threads: OpenMP where the code is compiled with it, else only the calling thread, in oneDNN too.
#pragma once

#include <algorithm>
#include <cstdint>
#if defined(_OPENMP)
#include <omp.h>
#else
extern "C" {  // there if oneDNN, or anything else in the program, brings OpenMP along
[[gnu::weak]] int omp_get_max_threads();
[[gnu::weak]] void omp_set_num_threads(int threads);
}
#endif

namespace igata::runtime {

/// How many threads a parallel region started by this thread would use.
inline int max_threads() {
#if defined(_OPENMP)
    return omp_get_max_threads();
#else
    return 1;
#endif
}

/// While alive, parallel regions that this thread starts, oneDNN's included, use `threads` threads. OpenMP keeps that
/// number per thread, so nothing that another thread sees changes.
class ThreadScope {
public:
    explicit ThreadScope(int threads) : before_(get()) {
        if (threads != before_) set(threads);
    }
    ~ThreadScope() {
        if (get() != before_) set(before_);
    }
    ThreadScope(const ThreadScope&) = delete;
    ThreadScope& operator=(const ThreadScope&) = delete;

private:
#if defined(_OPENMP)
    static int get() { return omp_get_max_threads(); }
    static void set(int threads) { omp_set_num_threads(threads); }
#else
    static int get() { return omp_get_max_threads != nullptr ? omp_get_max_threads() : 1; }
    static void set(int threads) {
        if (omp_set_num_threads != nullptr) omp_set_num_threads(threads);
    }
#endif
    int before_;
};

/// Calls body(part, begin, end) on disjoint parts of [0, count) that cover it, each of at least `grain` except the
/// last; 0 <= part < max_threads(). The body must not throw.
template <class Body>
void parallel_parts(std::int64_t count, std::int64_t grain, const Body& body) {
    if (count <= 0) return;
    const std::int64_t parts =
        std::min<std::int64_t>(max_threads(), std::max<std::int64_t>(1, count / std::max<std::int64_t>(1, grain)));
    if (parts == 1) {
        body(std::int64_t{0}, std::int64_t{0}, count);
        return;
    }
#if defined(_OPENMP)
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
    for (std::int64_t part = 0; part < parts; ++part) body(part, count * part / parts, count * (part + 1) / parts);
#endif
}

/// The same for a body(begin, end) that does not care which part it gets.
template <class Body>
void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
    parallel_parts(count, grain, [&](std::int64_t, std::int64_t begin, std::int64_t end) { body(begin, end); });
}

}  // namespace igata::runtime
