// Operands: src, dst, of the same dims (at least two) and element size. dst = src, where the axis whose elements lie
// side by side is another one in each: `ints` {that of src, that of dst}. Both are gone through in square blocks, which
// change rows for columns in registers; element by element, one of the two would use an element of each cache line that
// it touches.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "runtime/isa.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

/// A matrix to be transposed; strides in elements.
struct TransposeTask {
    const std::byte* src = nullptr;
    std::byte* dst = nullptr;
    std::int64_t rows = 0, columns = 0;  ///< of src, whose rows are dense; dst's columns are
    std::int64_t src_stride = 0;         ///< from row to row
    std::int64_t dst_stride = 0;         ///< from column to column
};

template <class T>
struct TransposeBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const TransposeTask& task) {
        constexpr int size = std::min<int>(16, lanes * 4 / static_cast<int>(sizeof(T)));
        const std::int64_t row_end = task.rows / size * size;
        const std::int64_t column_end = task.columns / size * size;
        for (std::int64_t column = 0; column < column_end; column += size)
            for (std::int64_t row = 0; row < row_end; row += size) block<size>(task, row, column);
        one_by_one(task, row_end, task.rows, 0, column_end);
        one_by_one(task, 0, task.rows, column_end, task.columns);
    }

private:
    template <int size>
    [[gnu::always_inline]] static void block(const TransposeTask& task, std::int64_t row, std::int64_t column) {
        using Register [[gnu::vector_size(size * sizeof(T))]] = T;
        const T* from = reinterpret_cast<const T*>(task.src) + row * task.src_stride + column;
        T* to = reinterpret_cast<T*>(task.dst) + column * task.dst_stride + row;
        Register rows[size];
#pragma GCC unroll 16
        for (int i = 0; i < size; ++i) std::memcpy(&rows[i], from + i * task.src_stride, sizeof(Register));
#pragma GCC unroll 4
        for (int stage = 1; stage < size; stage *= 2) shuffle(rows, std::make_integer_sequence<int, size>());
#pragma GCC unroll 16
        for (int i = 0; i < size; ++i) std::memcpy(to + i * task.dst_stride, &rows[i], sizeof(Register));
    }

    /// Interleaves row i with row i + size / 2. After log2(size) times, rows are columns.
    template <class Register, int size, int... i>
    [[gnu::always_inline]] static void shuffle(Register (&rows)[size], std::integer_sequence<int, i...>) {
        Register next[size];
#pragma GCC unroll 8
        for (int row = 0; row < size / 2; ++row) {
            const Register& a = rows[row];
            const Register& b = rows[row + size / 2];
            next[2 * row] = __builtin_shufflevector(a, b, (i % 2 * size + i / 2)...);
            next[2 * row + 1] = __builtin_shufflevector(a, b, (i % 2 * size + (i + size) / 2)...);
        }
#pragma GCC unroll 16
        for (int row = 0; row < size; ++row) rows[row] = next[row];
    }

    [[gnu::always_inline]] static void one_by_one(const TransposeTask& task, std::int64_t row_begin,
                                                  std::int64_t row_end, std::int64_t column_begin,
                                                  std::int64_t column_end) {
        const T* from = reinterpret_cast<const T*>(task.src);
        T* to = reinterpret_cast<T*>(task.dst);
        for (std::int64_t column = column_begin; column < column_end; ++column)
            for (std::int64_t row = row_begin; row < row_end; ++row)
                to[column * task.dst_stride + row] = from[row * task.src_stride + column];
    }
};

inline void transpose(const KernelSpec& spec, std::byte* const* operands, std::byte*) {
    const MemorySpec& from = spec.operands[0];
    const MemorySpec& to = spec.operands[1];
    const auto columns = static_cast<int>(spec.ints[0]);
    const auto rows = static_cast<int>(spec.ints[1]);
    const auto width = static_cast<std::int64_t>(size_of(from.dtype));
    // Shared out: the other axes, and stripes of whichever of the two is longer.
    const bool by_rows = from.dims[rows] > from.dims[columns];
    const std::int64_t longer = from.dims[by_rows ? rows : columns];
    const std::int64_t shorter = from.dims[by_rows ? columns : rows];
    const std::int64_t stripe = std::max<std::int64_t>(1, 8192 / shorter / 16) * 16;
    const std::int64_t stripes = (longer + stripe - 1) / stripe;
    MemorySpec outer = from;
    outer.dims[rows] = outer.dims[columns] = 1;
    with_size(from.dtype, [&](auto element) {
        const auto run = Versions<TransposeBody<decltype(element)>, const TransposeTask&>::get();
        parallel_for(element_count(outer) * stripes, 4, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                std::int64_t index[max_rank] = {};
                unflatten(outer, i / stripes, index);
                const std::int64_t first = i % stripes * stripe;
                index[by_rows ? rows : columns] = first;
                TransposeTask task;
                task.src = operands[0] + offset_of(from, index) * width;
                task.dst = operands[1] + offset_of(to, index) * width;
                task.rows = by_rows ? std::min(stripe, longer - first) : shorter;
                task.columns = by_rows ? shorter : std::min(stripe, longer - first);
                task.src_stride = from.strides[rows];
                task.dst_stride = to.strides[columns];
                run(task);
            }
        });
    });
}

inline std::unique_ptr<Operation> make_transpose(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(spec, transpose);
}

}  // namespace igata::runtime
