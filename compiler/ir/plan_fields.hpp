// What each step of a plan's text form is made of: every spec is described once, as a list of fields that a printer or
// a parser walks.
#pragma once

#include <array>
#include <iterator>
#include <span>
#include <string_view>

#include "compiler/ir/plan.hpp"

namespace igata::plan_text {

using Names = std::span<const std::string_view>;

// Names in the order of the enumerations.
inline constexpr std::array<std::string_view, 18> eltwise_names{
    "relu",     "linear",    "clip", "sigmoid", "swish",  "tanh", "elu", "hardsigmoid", "hardswish",
    "gelu_erf", "gelu_tanh", "abs",  "sqrt",    "square", "exp",  "log", "softplus",    "mish"};
inline constexpr std::array<std::string_view, 6> binary_names{"add", "sub", "mul", "div", "min", "max"};
inline constexpr std::array<std::string_view, 3> pooling_names{"max", "average_include_padding",
                                                               "average_exclude_padding"};
inline constexpr std::array<std::string_view, 4> reduce_names{"sum", "product", "minimum", "maximum"};

inline constexpr std::array<std::string_view, 4> control_names{"branch", "otherwise", "repeat", "end"};
inline constexpr std::array<std::string_view, 15> implementation_names{"automatic",
                                                                       "onednn_convolution",
                                                                       "onednn_reordered",
                                                                       "onednn_matmul",
                                                                       "onednn_bf16",
                                                                       "pointwise",
                                                                       "pointwise_bf16",
                                                                       "winograd2",
                                                                       "winograd4",
                                                                       "depthwise_3x3",
                                                                       "depthwise_3x3_stride2",
                                                                       "depthwise_5x5",
                                                                       "depthwise_5x5_stride2",
                                                                       "depthwise",
                                                                       "strips"};

inline std::string_view name_of(runtime::Eltwise e) { return eltwise_names[static_cast<std::size_t>(e)]; }
inline std::string_view name_of(runtime::Binary b) { return binary_names[static_cast<std::size_t>(b)]; }
inline std::string_view name_of(runtime::Pooling p) { return pooling_names[static_cast<std::size_t>(p)]; }
inline std::string_view name_of(runtime::Control c) { return control_names[static_cast<std::size_t>(c)]; }
inline std::string_view name_of(runtime::Implementation i) { return implementation_names[static_cast<std::size_t>(i)]; }

inline std::string_view channels_last_tag(std::size_t rank) {
    return rank == 3 ? "nwc" : rank == 4 ? "nhwc" : rank == 5 ? "ndhwc" : "";
}

inline Dims channels_last_strides(const Dims& dims) {
    return strides_for_order(dims, channels_last_order(dims.size()));
}

/// What each step is made of, for printing and parsing alike.
struct Fields {
    template <class Io>
    static void visit(Io& io, runtime::ConvolutionSpec& s) {
        io.operand("src=", s.src);
        io.operand("weights=", s.weights);
        io.optional_operand("bias=", s.bias);
        io.destination("dst=", s.dst);
        s.spatial = s.src.rank - 2;
        io.integer("groups=", s.groups, 1);
        io.integers("strides=", s.strides, s.spatial, 1);
        io.integers("dilations=", s.dilations, s.spatial, 1);
        io.integers("pads_begin=", s.pads_begin, s.spatial, 0);
        io.integers("pads_end=", s.pads_end, s.spatial, 0);
        io.epilogue(s.epilogue);
        io.extra_operand("scale=", s.scale, false);
        io.extra_operand("mean=", s.mean, true);
        io.flag("streamed", s.streamed);
        io.flag("bf16", s.bf16);
        io.option("by=", s.implementation, implementation_names);
    }
    template <class Io>
    static void visit(Io& io, runtime::DeconvolutionSpec& s) {
        io.operand("src=", s.src);
        io.operand("weights=", s.weights);
        io.optional_operand("bias=", s.bias);
        io.destination("dst=", s.dst);
        s.spatial = s.src.rank - 2;
        io.integer("groups=", s.groups, 1);
        io.integers("strides=", s.strides, s.spatial, 1);
        io.integers("dilations=", s.dilations, s.spatial, 1);
        io.integers("pads_begin=", s.pads_begin, s.spatial, 0);
        io.integers("pads_end=", s.pads_end, s.spatial, 0);
        io.epilogue(s.epilogue);
    }
    template <class Io>
    static void visit(Io& io, runtime::MatMulSpec& s) {
        io.operand("a=", s.a);
        io.operand("b=", s.b);
        io.optional_operand("bias=", s.bias);
        io.destination("dst=", s.dst);
        io.flag("b_is_constant", s.b_is_constant);
        io.flag("bf16", s.bf16);
        io.epilogue(s.epilogue);
        io.option("by=", s.implementation, implementation_names);
    }
    template <class Io>
    static void visit(Io& io, runtime::PoolingSpec& s) {
        io.choice(s.algorithm, pooling_names, "a pooling algorithm");
        io.operand("src=", s.src);
        io.destination("dst=", s.dst);
        s.spatial = s.src.rank - 2;
        io.integers("kernel=", s.kernel, s.spatial, 1);
        io.integers("strides=", s.strides, s.spatial, 1);
        io.integers("dilations=", s.dilations, s.spatial, 1);
        io.integers("pads_begin=", s.pads_begin, s.spatial, 0);
        io.integers("pads_end=", s.pads_end, s.spatial, 0);
    }
    template <class Io>
    static void visit(Io& io, runtime::SoftmaxSpec& s) {
        io.operand("src=", s.src);
        io.destination("dst=", s.dst);
        std::int64_t axis = s.axis;
        io.integer("axis=", axis, -1);
        s.axis = static_cast<int>(axis);
        io.flag("logarithm", s.logarithm);
    }
    template <class Io>
    static void visit(Io& io, runtime::LrnSpec& s) {
        io.operand("src=", s.src);
        io.destination("dst=", s.dst);
        io.integer("size=", s.size, 1);
        io.real("alpha=", s.alpha, 1e-4F);
        io.real("beta=", s.beta, 0.75F);
        io.real("bias=", s.bias, 1.0F);
    }
    template <class Io>
    static void visit(Io& io, runtime::KernelSpec& s) {
        io.kernel_name(s.name);
        io.kernel_operands(s);
        io.integers("ints=", s.ints, static_cast<int>(std::size(s.ints)), 0);
        io.reals("floats=", s.floats, static_cast<int>(std::size(s.floats)));
    }
    template <class Io>
    static void visit(Io& io, runtime::ControlSpec& s) {
        io.choice(s.control, control_names, "a kind of control");
        if (s.control == runtime::Control::branch) io.operand("condition=", s.condition);
        if (s.control != runtime::Control::repeat) return;
        io.optional_operand("condition=", s.condition);
        io.optional_operand("trips=", s.trips);
        io.destination("iteration=", s.iteration);
    }
    template <class Io>
    static void visit(Io& io, Loop& loop) {
        io.loop(loop);
    }
};

}  // namespace igata::plan_text
