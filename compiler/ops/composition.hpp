// Building blocks of operators that are compositions of others (OpDef::expand).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/ops/arguments.hpp"

namespace igata {

inline ValueId reshape(ExpandContext& c, ValueId x, const Dims& dims) {
    return c.add("Reshape", {x, c.constant_value(Tensor::of_dims(dims))}, {{"allowzero", std::int64_t{1}}});
}

inline ValueId transpose(ExpandContext& c, ValueId x, Dims perm) {
    return c.add("Transpose", {x}, {{"perm", std::move(perm)}});
}

inline ValueId concat(ExpandContext& c, std::vector<ValueId> parts, std::int64_t axis) {
    return c.add("Concat", std::move(parts), {{"axis", axis}});
}

/// Elements start, start + step, ... before `end` along one axis.
inline ValueId slice(ExpandContext& c, ValueId x, std::int64_t axis, std::int64_t start, std::int64_t end,
                     std::int64_t step = 1) {
    std::vector<ValueId> inputs{x};
    for (const std::int64_t argument : {start, end, axis, step})
        inputs.push_back(c.constant_value(Tensor::of_dims({argument})));
    return c.add("Slice", std::move(inputs));
}

/// A reduction along one axis, which stays as a dim of one element.
inline ValueId reduce(ExpandContext& c, std::string_view op, ValueId x, std::int64_t axis) {
    return c.add(op, {x, c.constant_value(Tensor::of_dims({axis}))});
}

/// A reduction of everything to a scalar.
inline ValueId reduce_all(ExpandContext& c, std::string_view op, ValueId x) {
    return c.add(op, {x}, {{"keepdims", std::int64_t{0}}});
}

inline ValueId converted(ExpandContext& c, ValueId x, DataType from, DataType to) {
    return from == to ? x : c.map("cast<" + std::string(name_of(to)) + ">(x0)", {x});
}

/// 0, 1, ... along `axis` of `rank` axes.
inline ValueId counting(ExpandContext& c, std::int64_t count, std::size_t rank, std::size_t axis) {
    Dims dims(rank, 1);
    dims[axis] = count;
    Tensor tensor(DataType::i64, dims);
    std::int64_t next = 0;
    for (std::int64_t& value : tensor.mutable_values<std::int64_t>()) value = next++;
    return c.constant_value(std::move(tensor));
}

}  // namespace igata
