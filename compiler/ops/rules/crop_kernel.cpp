// The outer taps of a kernel that see nothing but padding, wherever it stands, go; their padding goes with them.
//     y = Conv(x, w) {dilations=[12,12], pads=[12,12,12,12]}      x: f32[1,64,9,9], w: constant f32[64,64,3,3]
//     y = Conv(x, w1) {dilations=[1,1], pads=[0,0,0,0]}           w1: constant f32[64,64,1,1], the middle of w
// Not if the weights are computed.
#include "compiler/ops/rules/crop_kernel.hpp"

#include <algorithm>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/rewriting.hpp"
#include "compiler/ops/window.hpp"

namespace igata {

namespace {

/// Whether the tap lies inside the image for any output.
bool sees_image(const Window& w, std::size_t axis, std::int64_t tap) {
    const std::int64_t first = tap * w.dilations[axis] - w.pads_begin[axis];
    const std::int64_t stride = w.strides[axis];
    const std::int64_t output = first >= 0 ? 0 : (stride - 1 - first) / stride;
    return output < w.output[axis] && first + output * stride < w.image[axis];
}

/// The window without the taps that see nothing, and `first` where it starts in the kernel.
Window cropped(Window w, Dims& first) {
    for (std::size_t i = 0; i < w.rank(); ++i) {
        const std::int64_t step = w.dilations[i];
        w.pads_end[i] = w.reached_pad_end(i);
        for (; w.kernel[i] > 1 && w.pads_begin[i] >= step && !sees_image(w, i, 0); --w.kernel[i], ++first[i])
            w.pads_begin[i] -= step;
        for (; w.kernel[i] > 1 && w.pads_end[i] >= step && !sees_image(w, i, w.kernel[i] - 1); --w.kernel[i])
            w.pads_end[i] -= step;
        if (w.kernel[i] == 1) w.dilations[i] = 1;
    }
    return w;
}

std::optional<std::string> crop_kernel(RuleMatch& m) {
    const Dims& x = m.type("x").dims;
    const Dims& w = m.type("w").dims;
    Node& node = m.node("y");
    const Window before = make_window(node.attrs, Dims(x.begin() + 2, x.end()), Dims(w.begin() + 2, w.end()));
    Dims first(before.rank(), 0);
    const Window after = cropped(before, first);
    if (after.kernel == before.kernel) return not_worth_it();
    View taps = view_of(*m.constant("w"));
    for (std::size_t i = 0; i < after.rank(); ++i) taps = sliced(std::move(taps), i + 2, first[i], after.kernel[i]);
    Dims pads = after.pads_begin;
    pads.insert(pads.end(), after.pads_end.begin(), after.pads_end.end());
    node.attrs.erase("auto_pad");
    node.attrs.erase("kernel_shape");
    node.attrs["pads"] = pads;
    if (node.attrs.has("dilations")) node.attrs["dilations"] = after.dilations;
    node.inputs[1] = m.graph.add_constant(m.graph.value(m["w"]).name, copy_of(*m.constant("w"), taps));
    return std::nullopt;
}

}  // namespace

void add_crop_kernel_rule(std::vector<Rule>& rules) {
    rules.push_back({"crop-kernel", "w = constant  y = Conv(x, w, ...)", crop_kernel});
}

}  // namespace igata
