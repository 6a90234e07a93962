// A Pad of the image becomes the padding of the window that slides over it.
//     p = Pad(x, [0,0,1,1,0,0,1,1])  y = Conv(p, w) {pads=[0,1,0,1]}   =>  y = Conv(x, w) {pads=[1,2,1,2]}
//     p = Pad(x, pads)               y = AveragePool(p)                =>  y = AveragePool(x) {count_include_pad=1,
//     pads=...} p = Pad(x, pads, -inf)         y = MaxPool(p)                    =>  y = MaxPool(x) {pads=...}
// Not if it pads with another value or mode, pads the batch or the channels, or crops.
#include "compiler/ops/rules/fold_pad.hpp"

#include <algorithm>
#include <cmath>

#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"
#include "compiler/ops/window.hpp"

namespace igata {

namespace {

/// The Pad's begins and ends for the spatial axes, or in `refusal` why they cannot be a window's.
Dims image_pads(RuleMatch& m, double value, std::string& refusal) {
    const Node& pad = m.node("p");
    const std::size_t rank = m.type("x").dims.size();
    const Tensor* pads = m.graph.constant(pad.input(1));
    const Tensor* axes = m.graph.constant(pad.input(3));
    const Tensor* fill = m.graph.constant(pad.input(2));
    const std::string mode = pad.attrs.get_string("mode", "constant");
    if (mode != "constant") refusal = "the padding is of mode '" + mode + "'";
    else if (pads == nullptr || (pad.input(3) != no_value && axes == nullptr) ||
             (pad.input(2) != no_value && fill == nullptr))
        refusal = "the padding is not known at compile time";
    else if ((fill == nullptr ? 0.0 : fill->scalar_f64()) != value)
        refusal = value == 0 ? "the padding is not zero" : "the padding is not minus infinity";
    if (!refusal.empty()) return {};
    const Dims given = pads->to_i64();
    const Dims at = axes == nullptr ? Dims{} : normalize_axes(axes->to_i64(), rank);
    Dims all(2 * rank, 0);
    for (std::size_t i = 0; i < given.size() / 2; ++i) {
        const std::size_t axis = axes == nullptr ? i : as_index(at[i]);
        all[axis] = given[i];
        all[rank + axis] = given[given.size() / 2 + i];
    }
    Dims result;
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (i % rank >= 2) result.push_back(all[i]);
        else if (all[i] != 0) refusal = "it pads the batch or the channels";
        if (all[i] < 0) refusal = "it crops the image";
    }
    return result;
}

/// The window of node y over its present input, and the pads with which it may slide over the Pad's input instead.
struct Slide {
    Window window;
    Dims pads;

    Slide(RuleMatch& m, const Dims& kernel, const Dims& more)
        : window(make_window(m.node("y").attrs, Dims(m.type("p").dims.begin() + 2, m.type("p").dims.end()), kernel)),
          pads(more) {
        const std::size_t rank = window.rank();
        for (std::size_t i = 0; i < rank; ++i) {
            pads[i] += window.pads_begin[i];
            pads[rank + i] += window.pads_end[i];
        }
    }
};

std::optional<std::string> slide_over_input(RuleMatch& m, const Dims& pads) {
    Node& node = m.node("y");
    node.attrs.erase("auto_pad");
    node.attrs["pads"] = pads;
    node.inputs[0] = m["x"];
    return std::nullopt;
}

std::optional<std::string> fold_into_conv(RuleMatch& m) {
    std::string refusal;
    const Dims more = image_pads(m, 0, refusal);
    if (!refusal.empty()) return refusal;
    const Dims& w = m.type("w").dims;
    return slide_over_input(m, Slide(m, Dims(w.begin() + 2, w.end()), more).pads);
}

std::optional<std::string> fold_into_average_pool(RuleMatch& m) {
    std::string refusal;
    const Dims more = image_pads(m, 0, refusal);
    if (!refusal.empty()) return refusal;
    const Attrs& attrs = m.node("y").attrs;
    const Slide slide(m, attrs.get_ints("kernel_shape"), more);
    const auto unpadded = [](const Dims& pads) { return std::ranges::all_of(pads, [](auto pad) { return pad == 0; }); };
    const bool includes = attrs.get_int("count_include_pad", 0) != 0;
    if (!includes && !(unpadded(slide.window.pads_begin) && unpadded(slide.window.pads_end)))
        return "the average counts the Pad's zeros but not the operator's own padding";
    Attrs moved = attrs;
    moved.erase("auto_pad");
    moved["pads"] = slide.pads;
    const Dims& x = m.type("x").dims;
    if (make_window(moved, Dims(x.begin() + 2, x.end()), slide.window.kernel).output != slide.window.output)
        return "a last window that starts in the padding would be dropped";
    m.node("y").attrs["count_include_pad"] = std::int64_t{1};
    return slide_over_input(m, slide.pads);
}

std::optional<std::string> fold_into_max_pool(RuleMatch& m) {
    std::string refusal;
    const Dims more = image_pads(m, -HUGE_VAL, refusal);
    if (!refusal.empty()) return refusal;
    const Attrs& attrs = m.node("y").attrs;
    const Slide slide(m, attrs.get_ints("kernel_shape"), more);
    if (m.node("y").output(1) != no_value) return "the places would count from another origin";
    if (attrs.get_int("ceil_mode", 0) != 0) return "the result's size is rounded up";
    for (std::size_t i = 0; i < slide.pads.size(); ++i)
        if (slide.pads[i] >= slide.window.kernel[i % slide.window.rank()] ||
            slide.window.dilations[i % slide.window.rank()] != 1)
            return "a window may lie in the padding as a whole";
    return slide_over_input(m, slide.pads);
}

}  // namespace

void add_conv_pad_rules(std::vector<Rule>& rules) {
    rules.push_back({"fold-pad-into-conv", "p = Pad(x, ...)  y = Conv(p, w, ...)", fold_into_conv});
}

void add_pooling_pad_rules(std::vector<Rule>& rules) {
    rules.push_back({"fold-pad-into-average-pool", "p = Pad(x, ...)  y = AveragePool(p)", fold_into_average_pool});
    rules.push_back({"fold-pad-into-max-pool", "p = Pad(x, ...)  y = MaxPool(p)", fold_into_max_pool});
}

}  // namespace igata
