// Where random tests begin: `./run fuzz` moves them on.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace igata::test {

/// IGATA_FUZZ_SEED, else 1.
inline std::uint32_t first_seed() {
    const char* const given = std::getenv("IGATA_FUZZ_SEED");
    return given != nullptr ? static_cast<std::uint32_t>(std::stoul(given)) : 1;
}

}  // namespace igata::test
