// Which plans serve inputs of given dims: the one that is made for them, or several along a batch:
//
//     plans for x [1,4], [8,4]         x [19,4] is two runs of the second and three of the first
//
// From the largest batch down; where that leaves a rest, without the largest.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "runtime/predictor_abi.h"

namespace igata::runtime {

/// The dims of the inputs of one call: as given, or those of the first plan with another batch.
struct InputDims {
    const std::int64_t* const* given = nullptr;
    const igata_predictor_info* plan = nullptr;
    std::int64_t batch = 0;

    std::int64_t at(int input, int axis) const {
        if (given != nullptr) return given[input][axis];
        return axis == 0 && plan->batched != 0 ? batch : plan->inputs[input].dims[axis];
    }
};

/// The plan's own batch.
inline std::int64_t unit_of(const igata_predictor_info& plan) { return plan.inputs[0].dims[0]; }

/// With `any_batch`, axis 0 may be anything that is the same for all inputs.
inline bool fits(const igata_predictor_info& plan, const InputDims& dims, bool any_batch) {
    for (int i = 0; i < plan.input_count; ++i) {
        for (int axis = 0; axis < plan.inputs[i].rank; ++axis) {
            const bool free = any_batch && axis == 0;
            if (dims.at(i, axis) != (free ? dims.at(0, 0) : plan.inputs[i].dims[axis])) return false;
        }
    }
    return true;
}

/// The plan of the largest batch up to `most`, or null.
inline const igata_predictor_info* largest_plan(const igata_predictor_info& info, const InputDims& dims,
                                                std::int64_t most) {
    const igata_predictor_info* best = nullptr;
    for (int p = 0; p < info.plan_count; ++p) {
        const igata_predictor_info& plan = info.plans[p];
        if (plan.batched == 0 || plan.input_count == 0 || !fits(plan, dims, true)) continue;
        const std::int64_t unit = unit_of(plan);
        if (unit > 0 && unit <= most && (best == nullptr || unit > unit_of(*best))) best = &plan;
    }
    return best;
}

/// Calls take(plan, runs) for `first` and smaller plans; what is left of the batch.
template <class Take>
std::int64_t share_out(const igata_predictor_info& info, const InputDims& dims, std::int64_t batch,
                       const igata_predictor_info* first, const Take& take) {
    for (const igata_predictor_info* plan = first; plan != nullptr;) {
        const std::int64_t unit = unit_of(*plan);
        take(*plan, batch / unit);
        batch %= unit;
        plan = largest_plan(info, dims, batch);
    }
    return batch;
}

/// Calls take(plan, runs) for the plans that together serve these inputs, in the order of the batch. False without a
/// call if there are none.
template <class Take>
bool make_up(const igata_predictor_info& info, const InputDims& dims, const Take& take) {
    for (int p = 0; p < info.plan_count; ++p) {
        if (!fits(info.plans[p], dims, false)) continue;
        take(info.plans[p], std::int64_t{1});
        return true;
    }
    const bool has_axis = info.input_count > 0 && info.inputs[0].rank > 0;
    const std::int64_t batch = has_axis ? dims.at(0, 0) : 0;
    const igata_predictor_info* first = largest_plan(info, dims, batch);
    while (first != nullptr) {
        const std::int64_t rest = share_out(info, dims, batch, first, [](const igata_predictor_info&, std::int64_t) {});
        if (rest == 0) {
            share_out(info, dims, batch, first, take);
            return true;
        }
        first = largest_plan(info, dims, unit_of(*first) - 1);
    }
    return false;
}

/// `x [1,4], y [4]` for each input, with the extents that at(input, axis) gives.
template <class At>
std::string dims_text(const igata_predictor_info& info, const At& at) {
    std::string text;
    for (int i = 0; i < info.input_count; ++i) {
        text += std::string(i > 0 ? ", " : "") + info.inputs[i].name + " [";
        for (int axis = 0; axis < info.inputs[i].rank; ++axis)
            text += (axis > 0 ? "," : "") + std::to_string(at(i, axis));
        text += ']';
    }
    return text;
}

/// Says which dims there are.
inline std::string no_plan_message(const igata_predictor_info& info, const InputDims& dims) {
    std::string text =
        "no plan serves " + dims_text(info, [&](int input, int axis) { return dims.at(input, axis); }) + "; there is ";
    bool batched = false;
    for (int p = 0; p < info.plan_count; ++p) {
        const igata_predictor_info& plan = info.plans[p];
        text +=
            (p > 0 ? "; " : "") + dims_text(plan, [&](int input, int axis) { return plan.inputs[input].dims[axis]; });
        batched = batched || plan.batched != 0;
    }
    return text + (batched ? "; and batches made up of these" : "");
}

/// Sets dims[i] to those of output i. False if no plan serves these inputs.
inline bool find_output_dims(const igata_predictor_info& info, const InputDims& inputs, std::int64_t* const* dims) {
    std::int64_t batch = 0;
    return make_up(info, inputs, [&](const igata_predictor_info& plan, std::int64_t runs) {
        const bool grows = plan.batched != 0;
        if (grows) batch += runs * unit_of(plan);
        for (int i = 0; i < plan.output_count; ++i) {
            const igata_tensor_info& output = plan.outputs[i];
            std::copy(output.dims, output.dims + output.rank, dims[i]);
            if (grows) dims[i][0] = batch;
        }
    });
}

}  // namespace igata::runtime
