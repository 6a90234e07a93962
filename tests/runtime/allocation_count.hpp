// Counts the allocations that this thread makes, through malloc or operator new, by who makes them.
#pragma once

namespace igata::runtime::test {

struct Allocations {
    int own = 0;      ///< by code of this executable and the C++ library
    int library = 0;  ///< by oneDNN or OpenMP: oneDNN keeps a small map of arguments per execution, out of our reach
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool counts_allocations = false;
#else
inline constexpr bool counts_allocations = true;
#endif

void start_counting();
Allocations stop_counting();

}  // namespace igata::runtime::test
