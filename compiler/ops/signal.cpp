// Fourier transforms: DFT and STFT. The last dim holds real and imaginary part, or only the real one.
//     y = STFT(x, step, window)
//     f = frames of x, a view that overlaps itself  g = Map(f, window) => x0 * x1  y = DFT(g) {axis=2}
// The reference sums what the definition says; a plan calls the kernel `dft`, which is fast for any length.
#include <cmath>
#include <complex>
#include <numbers>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/interpret.hpp"
#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

/// Some elements of the transform of lines of `length` along an axis.
struct Transform {
    std::size_t axis = 0;
    std::int64_t length = 1;
    bool inverse = false;
    bool half = false;  ///< of a real signal, or to one: only the first length / 2 + 1 elements of the spectrum exist

    Dims result(Dims dims) const {
        dims[axis] = half && !inverse ? length / 2 + 1 : length;
        dims.back() = half && inverse ? 1 : 2;
        return dims;
    }
};

/// An argument that is one integer; nothing if it is absent.
template <class Context>
std::optional<std::int64_t> scalar(const Context& c, std::size_t i, const char* what) {
    const auto values = integers(c, i, what);
    if (!values) return std::nullopt;
    if (values->size() != 1) throw std::invalid_argument(fmt::format("{} must be one number", what));
    return values->front();
}

void check_signal(DataType dtype, const Dims& dims) {
    if (!is_floating(dtype)) throw std::invalid_argument(fmt::format("needs floats, not {}", name_of(dtype)));
    if (dims.size() < 2 || (dims.back() != 1 && dims.back() != 2))
        throw std::invalid_argument(
            fmt::format("the last dim of {} must be 1 or 2: the parts of a number", to_string(dims)));
}

template <class Context>
Transform transform_of(const Context& c) {
    const Dims& dims = input_dims(c, 0);
    check_signal(input_dtype(c, 0), dims);
    const Attrs& attrs = c.node().attrs;
    Transform t;
    t.axis = as_index(normalize_axis(scalar(c, 2, "axis").value_or(-2), dims.size()));
    if (t.axis + 1 == dims.size()) throw std::invalid_argument("the axis must not be the last one");
    t.inverse = attrs.get_int("inverse", 0) != 0;
    t.half = attrs.get_int("onesided", 0) != 0;
    const std::int64_t own = t.half && t.inverse ? 2 * (dims[t.axis] - 1) : dims[t.axis];
    t.length = scalar(c, 1, "dft_length").value_or(own);
    constexpr std::int64_t longest = std::int64_t{1} << 30;
    if (t.length < 1 || t.length > longest)
        throw std::invalid_argument(fmt::format("cannot transform lines of {} elements", t.length));
    return t;
}

using Line = std::vector<std::complex<double>>;

/// sum x[i] exp(-+ 2 pi j i k / n) for the first `count` k.
Line transformed(const Line& x, bool inverse, std::int64_t count) {
    const std::size_t n = x.size();
    Line roots(n);
    for (std::size_t i = 0; i < n; ++i) {
        const double angle = 2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(n);
        roots[i] = {std::cos(angle), inverse ? std::sin(angle) : -std::sin(angle)};
    }
    Line result(as_index(count));
    for (std::size_t k = 0; k < result.size(); ++k) {
        std::size_t at = 0;
        for (std::size_t i = 0; i < n; ++i, at = (at + k) % n) result[k] += x[i] * roots[at];
        if (inverse) result[k] /= static_cast<double>(n);
    }
    return result;
}

/// By the definition.
Tensor dft(const Tensor& signal, const Transform& t) {
    const Tensor wide = signal.cast(DataType::f64);
    Tensor result(DataType::f64, t.result(signal.dims()));
    const bool to_real = t.half && t.inverse;
    View from = view_of(wide);
    View to = view_of(result);
    const std::int64_t given = std::min(signal.dims()[t.axis], to_real ? t.length / 2 + 1 : t.length);
    const bool has_imaginary = signal.dims().back() == 2;
    for (View* lines : {&from, &to}) lines->dims[t.axis] = lines->dims.back() = 1;
    const auto read = wide.values<double>();
    const auto write = result.mutable_values<double>();
    for_each_element(from, to, [&](std::size_t in, std::size_t out) {
        Line line(as_index(t.length));
        for (std::int64_t i = 0; i < given; ++i) {
            const std::size_t at = in + as_index(i * from.strides[t.axis]);
            line[as_index(i)] = {read[at], has_imaginary ? read[at + 1] : 0.0};
        }
        if (to_real) {
            line[0] = line[0].real();
            if (t.length % 2 == 0) line[line.size() / 2] = line[line.size() / 2].real();
            for (std::size_t i = 1; 2 * i < line.size(); ++i) line[line.size() - i] = std::conj(line[i]);
        }
        const Line spectrum = transformed(line, t.inverse, result.dims()[t.axis]);
        for (std::size_t k = 0; k < spectrum.size(); ++k) {
            const std::size_t at = out + k * as_index(to.strides[t.axis]);
            write[at] = spectrum[k].real();
            if (!to_real) write[at + 1] = spectrum[k].imag();
        }
    });
    return result.cast(signal.dtype());
}

void add_dft(LowerContext& c, const Transform& t, const View& signal, const View& out) {
    add_kernel(c, "dft", {as_dim(t.axis), t.length, t.inverse ? 1 : 0}, {signal, out});
}

/// Before opset 20, the axis was an attribute.
void raise_dft(Graph& graph, NodeIt node) {
    if (!before(*node, 20)) return;
    const std::int64_t axis = node->attrs.get_int("axis", 1);
    node->attrs.erase("axis");
    node->inputs.resize(3, no_value);
    node->inputs[2] = graph.add_constant("axis", Tensor::scalar(axis));
}

OpDef dft_op() {
    OpDef op;
    op.name = "DFT";
    op.since = 17;
    op.newest = 20;
    op.max_inputs = 3;
    op.attrs = {{"inverse", AttrKind::integer}, {"onesided", AttrKind::integer}};
    op.raise = raise_dft;
    op.infer = [](InferContext& c) { c.set_output(0, {c.dtype(0), transform_of(c).result(c.dims(0))}); };
    op.eval = [](EvalContext& c) { c.set_output(0, dft(c.input(0), transform_of(c))); };
    op.lower = [](LowerContext& c) { add_dft(c, transform_of(c), c.input(0), c.output(0)); };
    return op;
}

// STFT ---------------------------------------------------------------------------------------------------------------

/// Real signals may come without the last dim, as PyTorch writes them.
Dims with_parts(Dims dims) {
    if (dims.size() == 2) dims.push_back(1);
    return dims;
}

struct Frames {
    std::int64_t count, length, step;
    Transform transform;

    Dims dims(const Dims& signal) const { return {signal[0], count, length, signal[2]}; }
    /// All frames side by side.
    View of(const View& signal) const {
        View frames = signal;
        frames.dims = dims(signal.dims);
        frames.strides = {signal.strides[0], step * signal.strides[1], signal.strides[1], signal.strides[2]};
        return frames;
    }
};

template <class Context>
Frames frames_of(const Context& c) {
    const Dims dims = with_parts(input_dims(c, 0));
    check_signal(input_dtype(c, 0), dims);
    if (dims.size() != 3) throw std::invalid_argument(fmt::format("needs a batch of signals, not {}", to_string(dims)));
    const bool has_window = c.node().input(2) != no_value;
    Frames frames{};
    frames.step = scalar(c, 1, "frame_step").value_or(0);
    frames.length = scalar(c, 3, "frame_length").value_or(has_window ? element_count(input_dims(c, 2)) : dims[1]);
    if (frames.step < 1) throw std::invalid_argument(fmt::format("frame_step is {}", frames.step));
    if (frames.length < 1 || frames.length > dims[1])
        throw std::invalid_argument(fmt::format("a signal of {} has no frame of {}", dims[1], frames.length));
    if (has_window && input_dims(c, 2) != Dims{frames.length})
        throw std::invalid_argument(
            fmt::format("a frame of {} needs such a window, not {}", frames.length, to_string(input_dims(c, 2))));
    frames.count = (dims[1] - frames.length) / frames.step + 1;
    frames.transform = {2, frames.length, false, c.node().attrs.get_int("onesided", 1) != 0};
    return frames;
}

OpDef stft_op() {
    OpDef op;
    op.name = "STFT";
    op.since = op.newest = 17;
    op.min_inputs = 2;
    op.max_inputs = 4;
    op.attrs = {{"onesided", AttrKind::integer}};
    op.infer = [](InferContext& c) {
        const Frames frames = frames_of(c);
        if (c.has_input(2) && c.dtype(2) != c.dtype(0)) c.fail("signal and window differ in type");
        c.set_output(0, {c.dtype(0), frames.transform.result(frames.dims(with_parts(c.dims(0))))});
    };
    op.eval = [](EvalContext& c) {
        const Frames frames = frames_of(c);
        const Tensor signal = c.input(0).reshaped(with_parts(c.input(0).dims()));
        Tensor cut = copy_of(signal, frames.of(view_of(signal)));
        if (c.has_input(2)) {
            const Tensor window = c.input(2).reshaped({frames.length, 1});
            cut = eval_map(expr::parse("x0 * x1"), {&cut, &window}, cut.type());
        }
        c.set_output(0, dft(cut, frames.transform));
    };
    op.lower = [](LowerContext& c) {
        const Frames frames = frames_of(c);
        const View signal = c.input(0);
        View cut = frames.of(c.reshaped(signal, with_parts(signal.dims)));
        const View out = c.output(0);
        if (c.node().input(2) != no_value) {
            const View weighted = c.temporary(cut.dtype, cut.dims);
            c.add_map(expr::parse("x0 * x1"), {cut, with_axis(c.input(2), 1)}, weighted);
            cut = weighted;
        }
        add_dft(c, frames.transform, cut, out);
    };
    return op;
}

}  // namespace

void register_signal(Registry& registry) {
    registry.add(dft_op());
    registry.add(stft_op());
}

}  // namespace igata
