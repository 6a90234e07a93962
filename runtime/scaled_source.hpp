// A convolution whose source is multiplied channel by channel: a pass into scratch memory for those implementations
// that do not multiply while they load.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/epilogue.hpp"
#include "runtime/operation.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

class ScaledSource final : public Operation {
public:
    /// `operation` reads a source that is laid out as packed_like(spec.src).
    ScaledSource(const ConvolutionSpec& spec, std::unique_ptr<Operation> operation)
        : operation_(std::move(operation)),
          pass_(multiply_by(spec.scale), 0, spec.src, packed_like(spec.src)),
          bytes_(aligned(packed_bytes(spec.src))) {}

    std::size_t scratch_bytes() const override { return bytes_ + operation_->scratch_bytes(); }
    std::vector<Call> calls() const override { return operation_->calls(); }

    void run(const Frame& frame) const override {
        std::byte* operands[max_operands];
        std::copy(frame.operands, frame.operands + max_operands, operands);
        pass_.run(reinterpret_cast<const float*>(operands[0]), reinterpret_cast<float*>(frame.scratch), operands);
        operands[0] = frame.scratch;
        operation_->run({operands, frame.scratch + bytes_, frame.calls, frame.stream});
    }

    std::string implementation() const override { return "scale + " + operation_->implementation(); }

private:
    static Epilogue multiply_by(const OptionalOperand& scale) {
        Epilogue epilogue;
        epilogue.count = 1;
        epilogue.ops[0].kind = PostOp::Kind::binary;
        epilogue.ops[0].binary = Binary::mul;
        epilogue.ops[0].operand = scale.memory;
        epilogue.ops[0].operand_index = scale.operand_index;
        return epilogue;
    }

    std::unique_ptr<Operation> operation_;
    EpiloguePass pass_;
    std::size_t bytes_;
};

}  // namespace igata::runtime
