// Operands: src [n, c * block elements, columns], dst [n, c, image...]. ints: for s image axes, s each of block dims,
// strides, dilations, pads at the begin, numbers of columns. Each element of dst is the sum of the columns' elements
// that were taken from there (bool: whether any is true).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/combine.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

struct Col2Im {
    explicit Col2Im(const KernelSpec& spec) : axes(spec.operands[1].rank - 2) {
        const std::int64_t* next = spec.ints;
        for (const std::int64_t** list : {&block, &strides, &dilations, &pads, &columns}) {
            *list = next;
            next += axes;
        }
        for (int i = 0; i < axes; ++i) block_size *= block[i];
    }

    /// Which column's element number `place` of the block lies on `pixel`; -1 if none does.
    std::int64_t column_at(const std::int64_t* pixel, std::int64_t place) const {
        std::int64_t column = 0;
        std::int64_t stride = 1;
        for (int i = axes - 1; i >= 0; --i) {
            const std::int64_t start = pixel[i] + pads[i] - place % block[i] * dilations[i];
            if (start < 0 || start % strides[i] != 0 || start / strides[i] >= columns[i]) return -1;
            column += start / strides[i] * stride;
            stride *= columns[i];
            place /= block[i];
        }
        return column;
    }

    int axes;
    std::int64_t block_size = 1;
    const std::int64_t* block = nullptr;
    const std::int64_t* strides = nullptr;
    const std::int64_t* dilations = nullptr;
    const std::int64_t* pads = nullptr;
    const std::int64_t* columns = nullptr;
};

inline void run_col2im(const KernelSpec& spec, std::byte* const* operands) {
    const MemorySpec& src = spec.operands[0];
    const MemorySpec& dst = spec.operands[1];
    const Col2Im shape(spec);
    const Combine kind = dst.dtype == DataType::boolean ? Combine::maximum : Combine::add;
    with_type(dst.dtype, [&](auto type) {
        using T = decltype(type);
        parallel_for(element_count(dst), 1024, [&](std::int64_t begin, std::int64_t end) {
            std::int64_t index[max_rank] = {};
            for (std::int64_t i = begin; i < end; ++i) {
                unflatten(dst, i, index);
                const T* from = reinterpret_cast<const T*>(operands[0]) + index[0] * src.strides[0] +
                                index[1] * shape.block_size * src.strides[1];
                typename Element<T>::Value sum = 0;
                for (std::int64_t place = 0; place < shape.block_size; ++place) {
                    const std::int64_t column = shape.column_at(index + 2, place);
                    if (column < 0) continue;
                    sum = combine(kind, sum, Element<T>::load(from[place * src.strides[1] + column * src.strides[2]]));
                }
                reinterpret_cast<T*>(operands[1])[offset_of(dst, index)] = Element<T>::store(sum);
            }
        });
    });
}

inline std::unique_ptr<Operation> make_col2im(const Builder&, const KernelSpec& spec) {
    return std::make_unique<KernelOperation>(
        spec, [](const KernelSpec& s, std::byte* const* operands, std::byte*) { run_col2im(s, operands); });
}

}  // namespace igata::runtime
