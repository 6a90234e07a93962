// What a Plan is made of, in plain data: the one header that the compiler and the runtime share.
//
// The compiler fills these structs, the emitter prints them as constexpr rows, and the runtime turns each row into a
// ready oneDNN primitive, a loop or a kernel call. Literal types only: no pointers to owned memory, no constructors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace igata::runtime {

/// Element types, named as in Rust and MLIR. `boolean` is one byte, 0 or 1; so are the small types that follow it,
/// packed only in files (see small_types.hpp).
// clang-format off
enum class DataType : std::uint8_t {
    undefined, f32, f64, f16, bf16, i8, i16, i32, i64, u8, u16, u32, u64, boolean,
    f8e4m3fn, f8e4m3fnuz, f8e5m2, f8e5m2fnuz, f8e8m0, f4e2m1, i4, u4, i2, u2,
};
// clang-format on

inline constexpr int max_rank = 8;
inline constexpr int max_spatial = 3;
inline constexpr int max_operands = 12;
inline constexpr int max_post_ops = 4;

/// A strided tensor: logical dims in ONNX order, strides in elements.
struct MemorySpec {
    DataType dtype = DataType::undefined;
    int rank = 0;
    std::int64_t dims[max_rank] = {};
    std::int64_t strides[max_rank] = {};
};

/// Where an operand lives. `weights` is the packed constant pool, `arena` the context's scratch memory.
enum class Space : std::uint8_t { none, arena, weights, input, output };

/// The first element of an operand: a byte offset into the arena or the weight pool, or into input/output number
/// `index`.
struct OperandSpec {
    Space space = Space::none;
    std::int32_t index = 0;
    std::int64_t offset = 0;
    std::int64_t advance = 0;  ///< bytes further with every iteration of the innermost repeat around the step
};

/// Elementwise algorithms that a post-op or a vectorised epilogue can apply; alpha and beta as in oneDNN's eltwise.
enum class Eltwise : std::uint8_t {
    relu,     ///< x > 0 ? x : alpha * x
    linear,   ///< alpha * x + beta
    clip,     ///< min(max(x, alpha), beta)
    sigmoid,  ///< 1 / (1 + exp(-x))
    swish,    ///< x * sigmoid(alpha * x)
    tanh,
    elu,          ///< x > 0 ? x : alpha * (exp(x) - 1)
    hardsigmoid,  ///< max(0, min(1, alpha * x + beta))
    hardswish,    ///< x * max(0, min(1, alpha * x + beta))
    gelu_erf,
    gelu_tanh,
    abs,
    sqrt,
    square,
    exp,
    log,
    softplus,  ///< log(1 + exp(x))
    mish,      ///< x * tanh(log(1 + exp(x)))
};

enum class Binary : std::uint8_t { add, sub, mul, div, min, max };

/// One post-op of a primitive, applied to the result `x` in order.
struct PostOp {
    enum class Kind : std::uint8_t { eltwise, sum, binary };
    Kind kind = Kind::eltwise;
    Eltwise eltwise = Eltwise::relu;
    Binary binary = Binary::add;
    float alpha = 0.0F;
    float beta = 0.0F;
    MemorySpec operand = {};          ///< binary only: the second source, broadcastable to the result
    std::int32_t operand_index = -1;  ///< binary only: its place in Step::operands
};

struct Epilogue {
    int count = 0;
    PostOp ops[max_post_ops] = {};
};

/// An operand that a step may lack.
struct OptionalOperand {
    MemorySpec memory = {};
    std::int32_t operand_index = -1;  ///< its place in Step::operands; -1: absent

    constexpr bool is_present() const { return operand_index >= 0; }
};

/// What may run a convolution or a matrix product: oneDNN or a kernel of our own.
enum class Implementation : std::uint8_t {
    automatic,  ///< the runtime's choice
    onednn_convolution,
    onednn_reordered,  ///< oneDNN's in the layout that it likes best, with reorders before and after
    onednn_matmul,
    onednn_bf16,     ///< of either, where the spec allows bf16; the others multiply f32
    pointwise,       ///< of either
    pointwise_bf16,  ///< as onednn_bf16
    winograd2,
    winograd4,
    depthwise_3x3,          ///< or lower
    depthwise_3x3_stride2,  ///< of the columns; rows have one of 1 or 2
    depthwise_5x5,
    depthwise_5x5_stride2,
    depthwise,  ///< of any size
    strips,     ///< two steps in one
};

/// Whether it rounds what it multiplies.
constexpr bool is_bf16(Implementation implementation) {
    return implementation == Implementation::onednn_bf16 || implementation == Implementation::pointwise_bf16;
}

/// Operands: src, weights, bias (or none), dst, then those of post-ops, scale and mean. Weights are [oc, ic/groups,
/// k...] (ONNX order). With PostOp::sum, dst holds the summand on entry. Constant weights may be f16 or bf16 where src
/// is f32: they are widened as they are packed.
struct ConvolutionSpec {
    MemorySpec src, weights, bias, dst;  ///< bias.rank == 0: no bias
    int spatial = 2;                     ///< 1 to 3; src.rank == spatial + 2
    std::int64_t groups = 1;
    std::int64_t strides[max_spatial] = {1, 1, 1};
    std::int64_t dilations[max_spatial] = {1, 1, 1};  ///< 1 = dense (ONNX's convention)
    std::int64_t pads_begin[max_spatial] = {};
    std::int64_t pads_end[max_spatial] = {};
    Epilogue epilogue = {};
    OptionalOperand scale = {};  ///< f32 [n or 1, ic, 1...]: src is multiplied by it first; the padding stays zero
    OptionalOperand mean = {};   ///< f32 [n, oc, 1...], written: the average of dst over its spatial axes
    bool streamed = false;       ///< the next step alone reads dst, which need never be there as a whole
    bool bf16 = false;           ///< src and weights may be rounded to bf16, where the processor multiplies those
    Implementation implementation = Implementation::automatic;  ///< if it fits
};

/// The transposed convolution. Operands: src, weights, bias (or none), dst, then those of post-ops. Weights are [ic,
/// oc/groups, k...] (ONNX order); in 16 bits as of ConvolutionSpec. pads_end may be negative, down to 1 - strides.
struct DeconvolutionSpec {
    MemorySpec src, weights, bias, dst;  ///< bias.rank == 0: no bias
    int spatial = 2;                     ///< 1 to 3; src.rank == spatial + 2
    std::int64_t groups = 1;
    std::int64_t strides[max_spatial] = {1, 1, 1};
    std::int64_t dilations[max_spatial] = {1, 1, 1};
    std::int64_t pads_begin[max_spatial] = {};
    std::int64_t pads_end[max_spatial] = {};
    Epilogue epilogue = {};
};

/// dst = a x b (+ bias). Operands: a, b, bias (or none), dst, then post-op operands. Equal ranks of 2 or more; batch
/// dims broadcast. The bias has their rank, with 1 where it repeats. A transposed operand is one with swapped strides.
/// `b_is_constant`: may be packed at creation, and b in 16 bits as weights of ConvolutionSpec.
struct MatMulSpec {
    MemorySpec a, b, bias, dst;
    bool b_is_constant = false;
    bool bf16 = false;  ///< as of ConvolutionSpec, of a and b
    Epilogue epilogue = {};
    Implementation implementation = Implementation::automatic;  ///< if it fits
};

enum class Pooling : std::uint8_t { max, average_include_padding, average_exclude_padding };

/// Operands: src, dst.
struct PoolingSpec {
    Pooling algorithm = Pooling::max;
    MemorySpec src, dst;
    int spatial = 2;
    std::int64_t kernel[max_spatial] = {1, 1, 1};
    std::int64_t strides[max_spatial] = {1, 1, 1};
    std::int64_t dilations[max_spatial] = {1, 1, 1};
    std::int64_t pads_begin[max_spatial] = {};
    std::int64_t pads_end[max_spatial] = {};
};

/// Operands: src, dst. Softmax or LogSoftmax along one axis.
struct SoftmaxSpec {
    MemorySpec src, dst;
    int axis = 0;
    bool logarithm = false;
};

/// Operands: src, dst. ONNX LRN: across channels (axis 1).
struct LrnSpec {
    MemorySpec src, dst;
    std::int64_t size = 1;
    float alpha = 1e-4F, beta = 0.75F, bias = 1.0F;
};

class Operation;
struct Builder;
struct KernelSpec;

/// Makes a kernel's step ready. Throws std::runtime_error.
using MakeKernel = std::unique_ptr<Operation> (*)(const Builder&, const KernelSpec&);

/// Hand-written runtime code for what is neither a primitive nor a loop: kernel `name` is defined, and its operands,
/// `ints` and `floats` are described, in runtime/kernels/<name>.hpp. Operands may have any strides and element types
/// unless said otherwise there; an absent one has rank 0 and an undefined type.
struct KernelSpec {
    const char* name = "";
    MakeKernel make = nullptr;  ///< make_<name>; null in the compiler
    int operand_count = 0;
    MemorySpec operands[max_operands] = {};
    std::int64_t ints[24] = {};
    float floats[4] = {};
};

/// A loop nest as code: runs iterations [begin, end) of the outermost dim. `state` is whatever the maker of the loop
/// needs (generated code passes nullptr; the in-process engine passes the loop to interpret). `operands` are the
/// resolved addresses, inputs first, then the output.
struct LoopSpec {
    using Function = void (*)(const void* state, std::byte* const* operands, std::int64_t begin, std::int64_t end);
    Function function = nullptr;
    const void* state = nullptr;
    std::int64_t outer = 1;  ///< extent of the outermost dim, safe to split between threads (1: run whole)
    std::int64_t work = 1;   ///< elements visited in all, to decide whether splitting pays
};

/// Steps that decide which steps run next; they nest:
///     branch ... [otherwise ...] end    the steps up to `otherwise` if the condition holds, else those after it
///     repeat ... end                    while the condition holds (if there is one) and fewer than `trips` iterations
///                                       (if given) are done; `iteration` is the number of the current one, from 0
enum class Control : std::uint8_t { branch, otherwise, repeat, end };

/// Operands: of branch the condition; of repeat condition, trips (or none) and iteration, which it writes. A condition
/// is one boolean, trips and iteration are one i64.
struct ControlSpec {
    Control control = Control::end;
    MemorySpec condition = {}, trips = {}, iteration = {};
};

enum class StepKind : std::uint8_t {
    convolution,
    deconvolution,
    matmul,
    pooling,
    softmax,
    lrn,
    kernel,
    control,
    loop,
};

/// One row of the program: `spec` points to the struct of `kind`.
struct StepSpec {
    StepKind kind = StepKind::loop;
    const void* spec = nullptr;
    const char* name = "";
    int operand_count = 0;
    OperandSpec operands[max_operands] = {};
};

/// What the steps of a program need of the runtime, a bit each; the rest can be left out.
struct Needs {
    std::uint32_t kinds = 0;
    std::uint32_t activations = 0;  ///< of epilogues
    std::uint32_t implementations = 0;

    constexpr bool has(StepKind kind) const { return is_set(kinds, static_cast<unsigned>(kind)); }
    constexpr bool has(Eltwise kind) const { return is_set(activations, static_cast<unsigned>(kind)); }
    constexpr bool has(Implementation own) const { return is_set(implementations, static_cast<unsigned>(own)); }
    void add(StepKind kind) { kinds |= 1U << static_cast<unsigned>(kind); }
    void add(Eltwise kind) { activations |= 1U << static_cast<unsigned>(kind); }
    void add(Implementation own) { implementations |= 1U << static_cast<unsigned>(own); }
    void add(const Needs& other) {
        kinds |= other.kinds;
        activations |= other.activations;
        implementations |= other.implementations;
    }

private:
    static constexpr bool is_set(std::uint32_t bits, unsigned i) { return (bits >> i & 1U) != 0; }
};

/// A whole program. `weights` is the constant pool (64-byte aligned), shared by every context.
struct ProgramSpec {
    const StepSpec* steps = nullptr;
    int step_count = 0;
    std::int64_t arena_bytes = 0;
    std::int64_t weight_bytes = 0;
};

/// Bytes per element.
constexpr std::size_t size_of(DataType dtype) {
    switch (dtype) {
        case DataType::f64:
        case DataType::i64:
        case DataType::u64: return 8;
        case DataType::f32:
        case DataType::i32:
        case DataType::u32: return 4;
        case DataType::f16:
        case DataType::bf16:
        case DataType::i16:
        case DataType::u16: return 2;
        case DataType::i8:
        case DataType::u8:
        case DataType::boolean:
        case DataType::f8e4m3fn:
        case DataType::f8e4m3fnuz:
        case DataType::f8e5m2:
        case DataType::f8e5m2fnuz:
        case DataType::f8e8m0:
        case DataType::f4e2m1:
        case DataType::i4:
        case DataType::u4:
        case DataType::i2:
        case DataType::u2: return 1;
        case DataType::undefined: break;
    }
    return 0;
}

}  // namespace igata::runtime
