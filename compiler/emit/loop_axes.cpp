#include "compiler/emit/loop_axes.hpp"

#include <algorithm>
#include <cstdlib>

namespace igata {

std::vector<Axis> axes_of(const Loop& loop) {
    std::vector<Axis> axes;
    for (std::size_t d = 0; d < loop.extents.size(); ++d) {
        if (loop.extents[d] == 1) continue;
        Axis axis{loop.extents[d], {}, loop.reduce.has_value() && loop.reduced.at(d)};
        for (const Loop::Operand& input : loop.inputs) axis.strides.push_back(input.strides.at(d));
        axis.strides.push_back(axis.reduced ? 0 : loop.output.strides.at(d));
        axes.push_back(std::move(axis));
    }
    return axes;
}

namespace {

/// Neighbours that one loop can run over.
bool mergeable(const Axis& outer, const Axis& inner) {
    for (std::size_t i = 0; i < outer.strides.size(); ++i) {
        if (outer.strides[i] != inner.strides[i] * inner.extent) return false;
    }
    return true;
}

}  // namespace

std::vector<Axis> merged(std::vector<Axis> axes) {
    const auto step = [](const Axis& axis) {
        if (!axis.reduced && axis.strides.back() != 0) return std::abs(axis.strides.back());
        std::int64_t sum = 0;
        for (const std::int64_t stride : axis.strides) sum += std::abs(stride);
        return sum;
    };
    std::stable_sort(axes.begin(), axes.end(), [&](const Axis& a, const Axis& b) { return step(a) > step(b); });
    std::vector<Axis> result;
    for (Axis& axis : axes) {
        if (!result.empty() && mergeable(result.back(), axis)) {
            axis.extent *= result.back().extent;
            result.back() = std::move(axis);
        } else {
            result.push_back(std::move(axis));
        }
    }
    return result;
}

Nest nest_of(const Loop& loop) {
    Nest nest;
    for (Axis& axis : axes_of(loop)) (axis.reduced ? nest.reduced : nest.kept).push_back(std::move(axis));
    return {merged(std::move(nest.kept)), merged(std::move(nest.reduced))};
}

bool rows_are_kept(const Loop& loop, const Nest& nest) {
    if (nest.kept.empty() || nest.reduced.empty()) return false;
    std::int64_t kept = 0, reduced = 0;
    for (std::size_t i = 0; i < loop.inputs.size(); ++i) {
        kept += std::abs(nest.kept.back().strides[i]);
        reduced += std::abs(nest.reduced.back().strides[i]);
    }
    return kept < reduced && nest.kept.back().extent >= 4;
}

bool repeats(const Axis& outer, const Axis& inner, std::size_t operand) {
    return outer.strides[operand] == 0 && inner.strides[operand] != 0;
}

bool rows_join(const Loop& loop, const Axis& outer, const Axis& inner) {
    const std::size_t output = loop.inputs.size();
    for (std::size_t i = 0; i <= output; ++i) {
        if (i < output && !expr::uses(loop.body, static_cast<int>(i))) continue;
        const bool flat = outer.strides[i] == inner.strides[i] * inner.extent;
        if (!flat && (i == output || !repeats(outer, inner, i))) return false;
    }
    return true;
}

std::int64_t product(const std::vector<Axis>& axes) {
    std::int64_t count = 1;
    for (const Axis& axis : axes) count *= axis.extent;
    return count;
}

}  // namespace igata
