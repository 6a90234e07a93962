// Loops: generated or interpreted code over one iteration box.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

class LoopOperation final : public Operation {
public:
    explicit LoopOperation(const LoopSpec& spec) : spec_(spec) {}

    void run(const Frame& frame) const override {
        constexpr std::int64_t worthwhile =
            16384;  // elements a thread: below it, starting one costs more than it gains
        const std::int64_t work_per_iteration = spec_.work / (spec_.outer > 0 ? spec_.outer : 1) + 1;
        parallel_for(spec_.outer, worthwhile / work_per_iteration + 1, [&](std::int64_t begin, std::int64_t end) {
            spec_.function(spec_.state, frame.operands, begin, end);
        });
    }

    std::string implementation() const override { return "igata:loop"; }

private:
    LoopSpec spec_;
};

inline std::unique_ptr<Operation> make_operation(const Builder&, const LoopSpec& spec) {
    return std::make_unique<LoopOperation>(spec);
}

}  // namespace igata::runtime
