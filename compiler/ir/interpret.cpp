#include "compiler/ir/interpret.hpp"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "compiler/ir/interpret_kernels.hpp"

namespace igata {

namespace {

constexpr std::int64_t block = 256;

/// A typed expression as a straight list of operations over registers of one block each.
class BlockProgram {
public:
    BlockProgram(const ExprPtr& body, const std::vector<DataType>& operands, DataType result) : type_(result) {
        ExprPtr typed = expr::typed(body, operands, result);
        if (typed->dtype != result) typed = expr::typed(expr::cast(result, body), operands);
        result_ = collect(*typed);
    }

    struct Load {
        std::size_t operand;
        std::byte* to;
    };
    const std::vector<Load>& loads() const { return loads_; }
    const std::byte* result() const { return result_; }
    DataType type() const { return type_; }

    void run(std::int64_t n) const {
        for (const Instruction& instruction : instructions_) instruction.kernel(n, instruction.args, instruction.out);
    }

private:
    struct alignas(64) Register {
        std::byte bytes[block * sizeof(std::int64_t)];
    };
    struct Instruction {
        BlockKernel kernel = nullptr;
        const void* args[3] = {};
        void* out = nullptr;
    };

    std::byte* collect(const Expr& e) {
        if (const auto found = places_.find(&e); found != places_.end()) return found->second;
        if (e.op == ExprOp::parameter) throw std::invalid_argument("parameter '" + e.name + "' has no value");
        Instruction instruction;
        for (std::size_t i = 0; i < e.args.size(); ++i) instruction.args[i] = collect(*e.args[i]);
        std::byte* place = registers_.emplace_back().bytes;
        instruction.out = place;
        if (e.op == ExprOp::constant) fill_constant(e, place);
        else if (e.op == ExprOp::operand) loads_.push_back({static_cast<std::size_t>(e.index), place});
        else {
            instruction.kernel = block_kernel(e.op, e.args.back()->dtype, e.dtype);
            instructions_.push_back(instruction);
        }
        return places_[&e] = place;
    }

    static void fill_constant(const Expr& e, std::byte* place) {
        const DataType own = e.is_integer ? DataType::i64 : DataType::f64;
        const auto* value = e.is_integer ? reinterpret_cast<const std::byte*>(&e.integer)
                                         : reinterpret_cast<const std::byte*>(&e.value);
        Register wide;
        load_block(own, value, 0, block, wide.bytes);
        const void* args[3] = {wide.bytes};
        block_kernel(ExprOp::cast, own, carrier_of(e.dtype))(block, args, place);
    }

    DataType type_;
    std::deque<Register> registers_;
    std::unordered_map<const Expr*, std::byte*> places_;
    std::vector<Load> loads_;
    std::vector<Instruction> instructions_;
    const std::byte* result_ = nullptr;
};

/// Strided memory that a box is walked over: `at` is the element at the box's origin.
struct Strided {
    DataType dtype = DataType::undefined;
    std::byte* at = nullptr;
    Dims strides;
};

/// Merges dims that all operands step through as one, and drops those of one element.
void collapse(Dims& extents, std::vector<Strided>& operands) {
    for (std::size_t i = extents.size(); i-- > 0;) {
        const bool last = i + 1 == extents.size();
        const bool mergeable =
            extents[i] == 1 || (!last && std::all_of(operands.begin(), operands.end(), [&](const Strided& o) {
                return o.strides[i] == o.strides[i + 1] * extents[i + 1];
            }));
        if (!mergeable) continue;
        // The merged dim steps like the inner one; a dim of one element leaves no trace.
        if (!last) extents[i + 1] *= extents[i];
        const auto at = static_cast<std::ptrdiff_t>(i);
        extents.erase(extents.begin() + at);
        for (Strided& operand : operands) operand.strides.erase(operand.strides.begin() + at);
    }
}

/// Calls f(n) for every run along the innermost dim, with `operands` moved to its first element.
template <class F>
void for_each_run(const Dims& extents, std::vector<Strided>& operands, F f) {
    if (extents.empty()) return f(std::int64_t{1});
    const std::size_t outer = extents.size() - 1;
    const auto move = [&](std::size_t axis, std::int64_t steps) {
        for (Strided& operand : operands)
            operand.at += operand.strides[axis] * steps * static_cast<std::int64_t>(size_of(operand.dtype));
    };
    Dims index(outer, 0);
    for (;;) {
        f(extents[outer]);
        std::size_t axis = outer;
        while (axis-- > 0) {
            move(axis, 1);
            if (++index[axis] < extents[axis]) break;
            move(axis, -extents[axis]);
            index[axis] = 0;
        }
        if (axis == static_cast<std::size_t>(-1)) return;
    }
}

/// Evaluates the program over a box; `consume(result, n, at, stride)` gets the values in pieces, with the place in the
/// last operand where the first one belongs.
template <class Consume>
void evaluate(const BlockProgram& program, Dims extents, std::vector<Strided> operands, Consume consume) {
    if (std::find(extents.begin(), extents.end(), 0) != extents.end()) return;
    collapse(extents, operands);
    struct Piece {
        std::byte* at;
        std::int64_t n;
    };
    std::vector<Piece> pieces;  // several short runs share one block
    std::int64_t filled = 0;
    const auto stride = [&](const Strided& operand) { return operand.strides.empty() ? 1 : operand.strides.back(); };
    const auto flush = [&] {
        program.run(filled);
        const std::byte* result = program.result();
        const auto width = static_cast<std::int64_t>(size_of(carrier_of(program.type())));
        for (const Piece& piece : pieces) {
            consume(result, piece.n, piece.at, stride(operands.back()));
            result += piece.n * width;
        }
        pieces.clear();
        filled = 0;
    };
    for_each_run(extents, operands, [&](std::int64_t n) {
        for (std::int64_t done = 0; done < n;) {
            const std::int64_t count = std::min(n - done, block - filled);
            const auto place = [&](const Strided& operand) {
                return operand.at + done * stride(operand) * static_cast<std::int64_t>(size_of(operand.dtype));
            };
            for (const auto& [i, to] : program.loads()) {
                const auto width = static_cast<std::int64_t>(size_of(carrier_of(operands[i].dtype)));
                load_block(operands[i].dtype, place(operands[i]), stride(operands[i]), count, to + filled * width);
            }
            pieces.push_back({place(operands.back()), count});
            filled += count;
            done += count;
            if (filled == block) flush();
        }
    });
    if (filled > 0) flush();
}

std::vector<DataType> types_of(const std::vector<Strided>& operands) {
    std::vector<DataType> types;
    for (const Strided& operand : operands) types.push_back(operand.dtype);
    types.pop_back();
    return types;
}

/// last operand = body(the others)
void run_map(const ExprPtr& body, const Dims& extents, const std::vector<Strided>& operands) {
    const DataType type = operands.back().dtype;
    evaluate(BlockProgram(body, types_of(operands), type), extents, operands,
             [&](const std::byte* values, std::int64_t n, std::byte* at, std::int64_t stride) {
                 store_block(type, values, at, stride, n);
             });
}

/// last operand = finish(reduction of body(the others))
void run_reduction(const Loop& loop, const Dims& extents, std::vector<Strided> operands) {
    const Strided output = operands.back();
    Dims kept = extents;
    for (std::size_t i = 0; i < kept.size(); ++i)
        if (loop.reduced[i]) kept[i] = 1;
    const DataType type = carrier_of(loop.accumulator);
    std::vector<std::uint64_t> memory(static_cast<std::size_t>(element_count(kept)));
    auto* accumulators = reinterpret_cast<std::byte*>(memory.data());
    fill_identity(*loop.reduce, type, accumulators, element_count(kept));

    Strided accumulated{type, accumulators, row_major_strides(kept)};
    for (std::size_t i = 0; i < kept.size(); ++i)
        if (loop.reduced[i]) accumulated.strides[i] = 0;
    operands.back() = accumulated;
    evaluate(BlockProgram(loop.body, types_of(operands), loop.accumulator), extents, operands,
             [&](const std::byte* values, std::int64_t n, std::byte* at, std::int64_t stride) {
                 accumulate_block(*loop.reduce, type, values, n, at, stride);
             });
    run_map(loop.finish != nullptr ? loop.finish : expr::operand(0), kept, {accumulated, output});
}

}  // namespace

void run_loop(const Loop& loop, std::byte* const* operands, std::int64_t begin, std::int64_t end) {
    Dims extents = loop.extents;
    std::vector<Strided> strided;
    for (const Loop::Operand& input : loop.inputs)
        strided.push_back({input.dtype, operands[strided.size()], input.strides});
    strided.push_back({loop.output.dtype, operands[strided.size()], loop.output.strides});
    if (!extents.empty()) {
        extents[0] = end - begin;
        for (Strided& operand : strided)
            operand.at += begin * operand.strides[0] * static_cast<std::int64_t>(size_of(operand.dtype));
    }
    if (loop.reduce) run_reduction(loop, extents, std::move(strided));
    else run_map(loop.body, extents, strided);
}

Tensor eval_map(const ExprPtr& body, const std::vector<const Tensor*>& inputs, const ValueType& result) {
    Tensor output(result.dtype, result.dims);
    std::vector<Strided> operands;
    for (std::size_t i = 0; i < inputs.size(); ++i) {
        const Tensor* input = inputs[i];  // one that is not read need not broadcast either
        const bool read = input != nullptr && expr::uses(body, static_cast<int>(i));
        if (!read) operands.push_back({DataType::undefined, nullptr, Dims(result.dims.size(), 0)});
        else
            operands.push_back({input->dtype(), const_cast<std::byte*>(input->bytes().data()),  // only read
                                broadcast_strides(input->dims(), row_major_strides(input->dims()), result.dims)});
    }
    operands.push_back({result.dtype, output.mutable_bytes().data(), row_major_strides(result.dims)});
    run_map(body, result.dims, operands);
    return output;
}

}  // namespace igata
