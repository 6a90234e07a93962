// One step run through a Program, and the naive helpers that its result is compared with.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "runtime/kernel.hpp"
#include "runtime/operation.hpp"

namespace igata::runtime {
class Program;
class Context;
}  // namespace igata::runtime

namespace igata::runtime::test {

/// Dims laid out with the axes in `order` (outermost first), innermost rows `gap` elements longer than they need to be.
inline MemorySpec layout(DataType dtype, const std::vector<std::int64_t>& dims, std::vector<int> order = {},
                         std::int64_t gap = 0) {
    MemorySpec spec;
    spec.dtype = dtype;
    spec.rank = static_cast<int>(dims.size());
    std::copy(dims.begin(), dims.end(), spec.dims);
    if (order.empty()) {
        for (int i = 0; i < spec.rank; ++i) order.push_back(i);
    }
    std::int64_t stride = 1;
    for (std::size_t i = order.size(); i-- > 0;) {
        spec.strides[order[i]] = stride;
        stride *= dims[static_cast<std::size_t>(order[i])];
        if (i + 1 == order.size()) stride += gap;
    }
    return spec;
}

inline std::vector<int> channels_last(int rank) {
    std::vector<int> order{0};
    for (int i = 2; i < rank; ++i) order.push_back(i);
    order.push_back(1);
    return order;
}

/// Elements from the first to the last that the spec reaches.
inline std::size_t span_of(const MemorySpec& spec) {
    std::int64_t last = 0;
    for (int i = 0; i < spec.rank; ++i) last += (spec.dims[i] - 1) * spec.strides[i];
    return static_cast<std::size_t>(last) + 1;
}

/// Calls visit(index) for every element, row-major.
template <class Visit>
void for_each_index(const MemorySpec& spec, const Visit& visit) {
    const std::int64_t count = element_count(spec);
    std::int64_t index[max_rank + 1] = {};
    for (std::int64_t i = 0; i < count; ++i) {
        unflatten(spec, i, index);
        visit(index);
    }
}

/// An operand with its memory.
struct Operand {
    MemorySpec spec;
    std::vector<std::byte> bytes;
    bool constant = false;
    bool written = false;

    template <class T = float>
    T* data() {
        return reinterpret_cast<T*>(bytes.data());
    }
    float& at(const std::int64_t* index) { return data()[offset_of(spec, index)]; }
};

using Random = std::mt19937;

inline std::int64_t pick(Random& random, std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

inline Operand make_operand(const MemorySpec& spec) {
    return {spec, std::vector<std::byte>(span_of(spec) * size_of(spec.dtype)), false, false};
}

inline Operand random_operand(Random& random, const MemorySpec& spec, float low = -1.0F, float high = 1.0F) {
    Operand operand = make_operand(spec);
    std::uniform_real_distribution<float> values(low, high);
    for (std::size_t i = 0; i < operand.bytes.size() / sizeof(float); ++i) operand.data()[i] = values(random);
    return operand;
}

/// A program of one step over operands; null operands are absent. Weights and bytes must outlive it. Its methods are
/// compiled once, as they bring all of the runtime along.
class SingleStep {
public:
    SingleStep(StepKind kind, const void* spec, const std::vector<Operand*>& operands, int threads = 1);
    ~SingleStep();

    void run();
    const std::string& implementation() const;
    const std::vector<const void*>& inputs() const { return inputs_; }

private:
    OperandSpec place(Operand* operand);

    std::vector<std::byte> pool_;
    AlignedMemory weights_{1};
    std::vector<const void*> inputs_;
    std::vector<void*> outputs_;
    std::unique_ptr<Program> program_;
    std::unique_ptr<Context> context_;
};

/// What a post-op's algorithm means, in double.
double reference_eltwise(Eltwise kind, double x, double alpha, double beta);

/// Applies the epilogue to one result; `before` is what dst held.
double reference_epilogue(const Epilogue& epilogue, const std::vector<Operand*>& operands, const std::int64_t* index,
                          int rank, double x, double before);

constexpr double default_tolerance = 1e-4;

inline bool close(double expected, float actual, double tolerance = default_tolerance) {
    return std::fabs(expected - static_cast<double>(actual)) <= tolerance * (1 + std::fabs(expected));
}

/// Up to three random post-ops over a result of dims `dst`; binary operands are appended to `storage` and must be
/// placed after `first_operand` others.
Epilogue random_epilogue(Random& random, const MemorySpec& dst, int first_operand, std::vector<Operand>& storage);

}  // namespace igata::runtime::test
