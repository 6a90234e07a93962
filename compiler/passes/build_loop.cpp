#include "compiler/passes/build_loop.hpp"

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include <fmt/format.h>

namespace igata {

namespace {

struct BoxDim {
    std::int64_t extent = 1;
    Dims strides;  ///< one per operand, the output's last
    bool reduced = false;
};

std::vector<BoxDim> box_dims(const Dims& box, const std::vector<View>& inputs, const Dims& output_strides,
                             const std::vector<bool>& reduced) {
    std::vector<BoxDim> dims(box.size());
    for (std::size_t i = 0; i < box.size(); ++i) dims[i] = {box[i], {}, reduced[i]};
    const auto append = [&](const Dims& strides) {
        for (std::size_t i = 0; i < box.size(); ++i) dims[i].strides.push_back(strides[i]);
    };
    for (const View& input : inputs) append(broadcast_strides(input.dims, input.strides, box));
    append(output_strides);
    std::erase_if(dims, [](const BoxDim& dim) { return dim.extent == 1; });
    return dims;
}

/// Outermost first: the longest strides of operand `leader` outside.
void sort_dims(std::vector<BoxDim>& dims, std::size_t leader) {
    std::stable_sort(dims.begin(), dims.end(), [&](const BoxDim& a, const BoxDim& b) {
        if (a.reduced != b.reduced) return b.reduced;
        return std::abs(a.strides[leader]) > std::abs(b.strides[leader]);
    });
}

bool continues(const BoxDim& outer, const BoxDim& inner) {
    if (outer.reduced != inner.reduced) return false;
    for (std::size_t i = 0; i < outer.strides.size(); ++i)
        if (outer.strides[i] != inner.strides[i] * inner.extent) return false;
    return true;
}

void merge_dims(std::vector<BoxDim>& dims) {
    std::vector<BoxDim> merged;
    for (BoxDim& dim : dims) {
        if (!merged.empty() && continues(merged.back(), dim)) {
            dim.extent *= merged.back().extent;
            merged.back() = std::move(dim);
        } else {
            merged.push_back(std::move(dim));
        }
    }
    dims = std::move(merged);
}

Loop make_loop(const ExprPtr& body, const std::vector<View>& inputs, const View& out, const std::vector<BoxDim>& dims) {
    if (dims.size() > runtime::max_rank)
        throw std::invalid_argument(
            fmt::format("a loop of {} dims is beyond the limit of {}", dims.size(), runtime::max_rank));
    Loop loop;
    loop.body = body;
    for (const View& input : inputs) loop.inputs.push_back({input.dtype, {}});
    loop.output.dtype = out.dtype;
    for (const BoxDim& dim : dims) {
        loop.extents.push_back(dim.extent);
        for (std::size_t i = 0; i < inputs.size(); ++i) loop.inputs[i].strides.push_back(dim.strides[i]);
        loop.output.strides.push_back(dim.strides.back());
    }
    return loop;
}

}  // namespace

Loop build_map(const ExprPtr& body, const std::vector<View>& inputs, const View& out) {
    auto dims = box_dims(out.dims, inputs, out.strides, std::vector<bool>(out.dims.size(), false));
    sort_dims(dims, inputs.size());
    merge_dims(dims);
    return make_loop(body, inputs, out, dims);
}

std::optional<TransposedDims> transposed_dims(const Loop& loop) {
    constexpr std::int64_t worthwhile = 8;
    if (loop.reduce || loop.inputs.size() != 1 || loop.inputs[0].dtype != loop.output.dtype ||
        !expr::equal(loop.body, expr::operand(0)))
        return std::nullopt;
    const auto dense = [&](const Dims& strides) {
        return std::find(strides.begin(), strides.end(), 1) - strides.begin();
    };
    const TransposedDims dims{dense(loop.inputs[0].strides), dense(loop.output.strides)};
    const auto fits = [&](std::int64_t dim) {
        return dim < static_cast<std::int64_t>(loop.extents.size()) &&
               loop.extents[static_cast<std::size_t>(dim)] >= worthwhile;
    };
    if (dims.input == dims.output || !fits(dims.input) || !fits(dims.output)) return std::nullopt;
    return dims;
}

Loop build_reduction(const ExprPtr& body, const std::vector<View>& inputs, const Dims& box, const Reduction& reduction,
                     const View& out) {
    std::vector<bool> reduced(box.size(), false);
    for (const std::int64_t axis : reduction.axes) reduced.at(static_cast<std::size_t>(axis)) = true;
    Dims output_strides = out.strides;
    for (std::size_t i = 0; i < box.size(); ++i)
        if (reduced[i]) output_strides.at(i) = 0;
    auto dims = box_dims(box, inputs, output_strides, reduced);
    sort_dims(dims, 0);
    merge_dims(dims);
    Loop loop = make_loop(body, inputs, out, dims);
    loop.reduce = reduction.kind;
    for (const BoxDim& dim : dims) loop.reduced.push_back(dim.reduced);
    loop.accumulator = reduction.accumulator;
    loop.finish = reduction.finish;
    return loop;
}

}  // namespace igata
