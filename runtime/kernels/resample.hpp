// Operands: src, places and weights of the row axis, places and weights of the column axis, dst. All but the places
// (i32) are of dst's type, f32 or f64. ints: {row axis, column axis}. Each result is a weighted sum of elements of src
// along both axes: places and weights are [dst.dims[axis], taps], row-major. Without a row axis (-1) the row operands
// are absent. Fast where src and dst have axes of stride 1 in common inside the column axis, or where that is the
// innermost.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/isa.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

/// For each output o and 0 <= i < count: to[o * to_stride + i] is the sum over the taps of
/// weights[o][tap] * from[places[o][tap] * from_stride + i].
template <class T>
struct WeightedSums {
    T* to;
    const T* from;
    std::int64_t to_stride, from_stride;
    const std::int32_t* places;
    const T* weights;
    std::int64_t taps, outputs, count;
};

struct AddWeighted {
    template <int lanes, class T>
    [[gnu::always_inline]] static inline void run(const WeightedSums<T>& sums) {
        const bool dense = sums.count == 1 && sums.to_stride == 1 && sums.from_stride == 1;
        if (dense && sums.taps == 2) run_dense_points<2>(sums);
        else if (dense && sums.taps == 4) run_dense_points<4>(sums);
        else if (sums.count == 1) run_points(sums);
        else
            for (std::int64_t o = 0; o < sums.outputs; ++o) run_line(sums, o);
    }

private:
    /// Vectorised by gathering.
    template <int taps, class T>
    [[gnu::always_inline]] static inline void run_dense_points(const WeightedSums<T>& s) {
        T* __restrict to = s.to;
        const T* __restrict from = s.from;
        const std::int32_t* __restrict places = s.places;
        const T* __restrict weights = s.weights;
        for (std::int64_t o = 0; o < s.outputs; ++o, places += taps, weights += taps) {
            T sum = weights[0] * from[places[0]];
#pragma GCC unroll 4
            for (int tap = 1; tap < taps; ++tap) sum += weights[tap] * from[places[tap]];
            to[o] = sum;
        }
    }

    template <class T>
    [[gnu::always_inline]] static inline void run_points(const WeightedSums<T>& s) {
        for (std::int64_t o = 0; o < s.outputs; ++o) {
            const std::int32_t* places = s.places + o * s.taps;
            const T* weights = s.weights + o * s.taps;
            T sum = weights[0] * s.from[places[0] * s.from_stride];
            for (std::int64_t tap = 1; tap < s.taps; ++tap) sum += weights[tap] * s.from[places[tap] * s.from_stride];
            s.to[o * s.to_stride] = sum;
        }
    }

    template <class T>
    [[gnu::always_inline]] static inline void run_line(const WeightedSums<T>& s, std::int64_t o) {
        T* __restrict to = s.to + o * s.to_stride;
        const auto line = [&](std::int64_t tap) { return s.from + s.places[o * s.taps + tap] * s.from_stride; };
        const T* weights = s.weights + o * s.taps;
        const T* __restrict a = line(0);
        if (s.taps == 1) {
            for (std::int64_t i = 0; i < s.count; ++i) to[i] = weights[0] * a[i];
            return;
        }
        const T* __restrict b = line(1);
        for (std::int64_t i = 0; i < s.count; ++i) to[i] = weights[0] * a[i] + weights[1] * b[i];
        for (std::int64_t tap = 2; tap < s.taps; ++tap) {
            const T* __restrict next = line(tap);
            for (std::int64_t i = 0; i < s.count; ++i) to[i] += weights[tap] * next[i];
        }
    }
};

/// Row by row of dst: the source's rows are blended into one line, whose columns are then blended.
template <class T>
class Resample final : public Operation {
public:
    explicit Resample(const KernelSpec& spec)
        : spec_(spec), row_(static_cast<int>(spec.ints[0])), column_(static_cast<int>(spec.ints[1])) {
        std::vector<int> others;
        for (int axis = 0; axis < dst().rank; ++axis)
            if (axis != row_ && axis != column_ && dst().dims[axis] != 1) others.push_back(axis);
        std::stable_sort(others.begin(), others.end(),
                         [&](int a, int b) { return dst().strides[a] > dst().strides[b]; });
        while (!others.empty() && dst().strides[others.back()] == inner_ && src().strides[others.back()] == inner_) {
            inner_ *= dst().dims[others.back()];
            others.pop_back();
        }
        outer_axes_ = std::move(others);
        for (const int axis : outer_axes_) outer_ *= dst().dims[axis];
        add_ = Versions<AddWeighted, const WeightedSums<T>&>::get();
    }

    std::size_t scratch_bytes() const override {
        return row_ < 0 ? 0 : static_cast<std::size_t>(max_threads()) * line_bytes();
    }

    void run(const Frame& frame) const override {
        if (element_count(dst()) == 0) return;
        const std::int64_t rows = row_ < 0 ? 1 : dst().dims[row_];
        const std::int64_t work = dst().dims[column_] * inner_;
        parallel_parts(outer_ * rows, 32768 / work + 1, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
            T* line = reinterpret_cast<T*>(frame.scratch + static_cast<std::size_t>(part) * line_bytes());
            for (std::int64_t i = begin; i < end; ++i) run_row(i / rows, i % rows, frame.operands, line);
        });
    }

    std::string implementation() const override { return std::string("igata:") + spec_.name; }

private:
    const MemorySpec& src() const { return spec_.operands[0]; }
    const MemorySpec& dst() const { return spec_.operands[5]; }
    std::size_t line_bytes() const {
        return row_ < 0 ? 0 : aligned(static_cast<std::size_t>(src().dims[column_] * inner_) * sizeof(T));
    }

    /// Places and weights from row `first` of the tables at operands `table` and `table` + 1.
    WeightedSums<T> sums_of(std::byte* const* operands, int table, std::int64_t first) const {
        WeightedSums<T> sums{};
        sums.taps = spec_.operands[table].dims[1];
        sums.places = reinterpret_cast<const std::int32_t*>(operands[table]) + first * sums.taps;
        sums.weights = reinterpret_cast<const T*>(operands[table + 1]) + first * sums.taps;
        return sums;
    }

    void run_row(std::int64_t outer, std::int64_t row, std::byte* const* operands, T* line) const {
        const T* from = reinterpret_cast<const T*>(operands[0]);
        T* to = reinterpret_cast<T*>(operands[5]);
        for (std::size_t i = outer_axes_.size(); i-- > 0;) {
            const int axis = outer_axes_[i];
            from += outer % dst().dims[axis] * src().strides[axis];
            to += outer % dst().dims[axis] * dst().strides[axis];
            outer /= dst().dims[axis];
        }
        WeightedSums<T> columns = sums_of(operands, 3, 0);
        columns.from = from;
        columns.from_stride = src().strides[column_];
        if (row_ >= 0) {
            to += row * dst().strides[row_];
            blend_rows(sums_of(operands, 1, row), from, line);
            columns.from = line;
            columns.from_stride = inner_;
        }
        columns.to = to;
        columns.to_stride = dst().strides[column_];
        columns.outputs = dst().dims[column_];
        columns.count = inner_;
        add_(columns);
    }

    /// One row of the result, of the source's columns, densely to `line`.
    void blend_rows(WeightedSums<T> rows, const T* from, T* line) const {
        const std::int64_t columns = src().dims[column_];
        const std::int64_t stride = src().strides[column_];
        rows.from_stride = src().strides[row_];
        rows.outputs = 1;
        rows.count = stride == inner_ ? columns * inner_ : inner_;
        for (std::int64_t done = 0; done < columns * inner_; done += rows.count) {
            rows.to = line + done;
            rows.from = from + done / inner_ * stride;
            add_(rows);
        }
    }

    KernelSpec spec_;
    int row_, column_;
    std::vector<int> outer_axes_;
    std::int64_t outer_ = 1;
    std::int64_t inner_ = 1;
    void (*add_)(const WeightedSums<T>&) = nullptr;
};

inline std::unique_ptr<Operation> make_resample(const Builder&, const KernelSpec& spec) {
    if (spec.operands[5].dtype == DataType::f64) return std::make_unique<Resample<double>>(spec);
    return std::make_unique<Resample<float>>(spec);
}

}  // namespace igata::runtime
