// Loop steps as C++: nests whose innermost loop runs over contiguous memory where it can.
#pragma once

#include <cstdint>
#include <string>

#include "compiler/ir/plan.hpp"

namespace igata {

struct LoopCode {
    std::string body;        ///< `struct <identifier>_body { ... };`
    std::int64_t outer = 1;  ///< iterations of the outermost loop, for LoopSpec
    std::int64_t work = 1;   ///< elements visited
};

LoopCode loop_code(const Loop& loop, const std::string& identifier, const std::string& comment);

}  // namespace igata
