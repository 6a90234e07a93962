#include "compiler/ir/plan.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <stdexcept>

#include <fmt/format.h>

namespace igata {

bool View::is_dense() const {
    std::vector<int> order = row_major_order(dims.size());
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        return strides[static_cast<std::size_t>(a)] > strides[static_cast<std::size_t>(b)];
    });
    return has_order(order);
}

bool View::is_row_major() const { return has_order(row_major_order(dims.size())); }

bool View::has_order(const std::vector<int>& order) const {
    if (element_count(dims) == 0) return true;
    std::int64_t expected = 1;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
        const auto i = static_cast<std::size_t>(*axis);
        if (dims[i] == 1) continue;
        if (strides[i] != expected) return false;
        expected *= dims[i];
    }
    return true;
}

Dims strides_for_order(const Dims& dims, const std::vector<int>& order) {
    Dims strides(dims.size());
    std::int64_t stride = 1;
    for (auto axis = order.rbegin(); axis != order.rend(); ++axis) {
        const auto i = static_cast<std::size_t>(*axis);
        strides[i] = stride;
        stride *= std::max<std::int64_t>(dims[i], 1);
    }
    return strides;
}

std::vector<int> row_major_order(std::size_t rank) {
    std::vector<int> order(rank);
    std::iota(order.begin(), order.end(), 0);
    return order;
}

std::vector<int> channels_last_order(std::size_t rank) {
    std::vector<int> order = row_major_order(rank);
    if (rank > 2) std::rotate(order.begin() + 1, order.begin() + 2, order.end());
    return order;
}

runtime::MemorySpec memory_spec(const View& view) {
    if (view.dims.size() > runtime::max_rank)
        throw std::invalid_argument(fmt::format("rank {} is beyond the limit of {}", view.dims.size(), runtime::max_rank));
    runtime::MemorySpec spec;
    spec.dtype = view.dtype;
    spec.rank = static_cast<int>(view.dims.size());
    std::copy(view.dims.begin(), view.dims.end(), spec.dims);
    std::copy(view.strides.begin(), view.strides.end(), spec.strides);
    return spec;
}

std::string_view kind_of(const Step& step) {
    static constexpr std::array<std::string_view, 7> names{"convolution", "matmul", "pooling", "softmax",
                                                           "lrn",         "kernel", "loop"};
    static_assert(names.size() == std::variant_size_v<StepSpecVariant>);
    return names.at(step.spec.index());
}

}  // namespace igata
