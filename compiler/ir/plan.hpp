// The physical program: a linear list of steps over buffers.
//
//     plan b0 arena=4816896 {
//       b1 = buffer f32 4816896 arena+0
//       convolution stem src=... wei=... dst=... ; stem_conv/Conv2D
//     }
//
// An operand `b1+64^256` begins 64 bytes into b1, and 256 further with every iteration of the repeat around its step.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "compiler/ir/expr.hpp"
#include "compiler/ir/tensor.hpp"
#include "runtime/specs.hpp"

namespace igata {

using BufferId = std::int32_t;
inline constexpr BufferId no_buffer = -1;

/// A contiguous piece of memory. Constants hold their tensor until pool_weights lays them out.
struct Buffer {
    std::string name;
    DataType dtype = DataType::undefined;
    std::int64_t bytes = 0;
    runtime::Space space = runtime::Space::arena;
    int index = 0;                   ///< input or output number, for those spaces
    std::int64_t offset = -1;        ///< in the arena (plan_memory) or the weight pool (pool_weights)
    std::optional<Tensor> constant;  ///< space == weights: the bytes, already in the order that steps read
};

/// A strided window on a buffer: how a value is laid out. Views (Transpose, Reshape, Slice, Expand) change only this.
struct View {
    BufferId buffer = no_buffer;
    std::int64_t offset = 0;  ///< first element, in elements
    DataType dtype = DataType::undefined;
    Dims dims;                 ///< ONNX order
    Dims strides;              ///< elements, may be 0 (repeated) or negative (reversed)
    std::int64_t advance = 0;  ///< elements further with every iteration of the innermost repeat

    bool valid() const { return buffer != no_buffer; }
    /// Dense in some order of the axes (axes of one element do not count).
    bool is_dense() const;
    bool is_row_major() const;
    /// Dense with the axes in the given order from outermost to innermost (nhwc of an NCHW value: {0,2,3,1}).
    bool has_order(const std::vector<int>& order) const;
};

/// Strides of a dense tensor whose axes lie in `order`, outermost first.
Dims strides_for_order(const Dims& dims, const std::vector<int>& order);
/// {0, 1, ..., rank-1}
std::vector<int> row_major_order(std::size_t rank);
/// Channels innermost: {0, 2, ..., rank-1, 1}
std::vector<int> channels_last_order(std::size_t rank);
/// The spec of a view.
runtime::MemorySpec memory_spec(const View& view);

enum class Reduce : std::uint8_t { sum, product, minimum, maximum };

/// A loop nest over a box, as a step: for every point, `body` of the inputs is stored to the output, or reduced into it
/// over the dims where `reduced` is set and then passed through `finish` (x0 = the reduced value) if given.
struct Loop {
    struct Operand {
        DataType dtype = DataType::undefined;
        Dims strides;  ///< elements, one per dim of the box; 0 where repeated (and, for the output, where reduced)
    };
    Dims extents;  ///< at most runtime::max_rank; with `reduce`, the dims that are kept come first
    std::vector<Operand> inputs;
    Operand output;
    ExprPtr body;  ///< x0, x1, ... = the inputs; its type is the output's (or the accumulator's)
    std::optional<Reduce> reduce;
    std::vector<bool> reduced;                   ///< per dim; used only with `reduce`
    DataType accumulator = DataType::undefined;  ///< with `reduce`: the type of body and of the running value
    ExprPtr finish;  ///< with `reduce`: applied to the reduced value; null = none; result converted to the output type
};

using StepSpecVariant =
    std::variant<runtime::ConvolutionSpec, runtime::DeconvolutionSpec, runtime::MatMulSpec, runtime::PoolingSpec,
                 runtime::SoftmaxSpec, runtime::LrnSpec, runtime::KernelSpec, runtime::ControlSpec, Loop>;

struct StepOperand {
    BufferId buffer = no_buffer;  ///< no_buffer: an absent bias
    std::int64_t offset = 0;      ///< bytes from the buffer's start
    bool written = false;         ///< the step stores to it
    bool read = true;             ///< the step loads from it (a sum post-op's dst is both)
    std::int64_t advance = 0;     ///< bytes further with every iteration of the innermost repeat around the step
};

/// One primitive, loop, kernel call, or step of control. Operand order as documented at the spec; a loop's are its
/// inputs, then its output.
struct Step {
    std::string name;    ///< unique; from the node it stands for
    std::string origin;  ///< the model's node names, for people
    StepSpecVariant spec;
    std::vector<StepOperand> operands;
};

struct Plan {
    struct Port {
        std::string name;
        ValueType type;
        std::vector<SymbolicDim> declared;  ///< as in the model
        BufferId buffer = no_buffer;
        OpenAxis open = {};  ///< of an output
    };
    std::string name;
    std::vector<Port> inputs;
    std::vector<Port> outputs;
    std::vector<Buffer> buffers;
    std::vector<Step> steps;
    std::int64_t arena_bytes = 0;
    std::int64_t weight_bytes = 0;
    /// Axis 0 of every input and output is a batch that the model left open: `run` may take any multiple of it.
    bool batched = false;

    Buffer& buffer(BufferId id) { return buffers.at(static_cast<std::size_t>(id)); }
    const Buffer& buffer(BufferId id) const { return buffers.at(static_cast<std::size_t>(id)); }
};

/// The kernels that the runtime has: the stems of the files in runtime/kernels.
std::span<const char* const> kernel_names();
/// The steps of a control construct: [begin, end] are its branch or repeat and its end.
struct Region {
    std::size_t begin = 0, end = 0;
    bool is_repeat = false;
    std::size_t depth = 0;  ///< how many regions are around it
};
/// By `begin`, so that outer regions come before inner ones. Throws std::logic_error if they do not nest.
std::vector<Region> control_regions(const Plan& plan);

/// The kind's name in the text form: `convolution`, `loop`, ...
std::string_view kind_of(const Step& step);
/// Type, dims and strides of operand i, as the spec has them; a loop's have the loop's extents as dims (1 where the
/// output is reduced). Rank 0 and an undefined type for an absent bias.
runtime::MemorySpec operand_spec(const Step& step, std::size_t i);

}  // namespace igata
