// y = Col2Im(x, image_shape, block_shape) {strides, dilations, pads}: columns of overlapping blocks summed into the
// image that they were taken from; a kernel gathers for each pixel.
#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

constexpr std::int64_t most = std::int64_t{1} << 30;

struct Blocks {
    Dims image, block, strides, dilations, pads;
    Dims columns;  ///< how many blocks there are along each axis
    std::int64_t channels;
};

Dims checked(const Dims& values, std::size_t count, std::int64_t least, const char* what) {
    const bool fine = values.size() == count &&
                      std::ranges::all_of(values, [&](std::int64_t value) { return value >= least && value <= most; });
    if (!fine)
        throw std::invalid_argument(
            fmt::format("{} must be {} numbers of {} or more, got {}", what, count, least, to_string(values)));
    return values;
}

template <class Context>
Blocks blocks_of(const Context& c) {
    const Dims& dims = input_dims(c, 0);
    const Attrs& attrs = c.node().attrs;
    Blocks b;
    b.image = integers(c, 1, "image_shape").value();
    const std::size_t n = b.image.size();
    checked(b.image, n, 1, "image_shape");
    b.block = checked(integers(c, 2, "block_shape").value(), n, 1, "block_shape");
    b.strides = checked(attrs.get_ints("strides", Dims(n, 1)), n, 1, "strides");
    b.dilations = checked(attrs.get_ints("dilations", Dims(n, 1)), n, 1, "dilations");
    b.pads = checked(attrs.get_ints("pads", Dims(2 * n, 0)), 2 * n, 0, "pads");
    std::int64_t count = 1;
    double block_size = 1;
    for (std::size_t i = 0; i < n; ++i) {
        const double span = static_cast<double>(b.dilations[i]) * static_cast<double>(b.block[i] - 1) + 1;
        const std::int64_t room = b.image[i] + b.pads[i] + b.pads[i + n];
        if (span > static_cast<double>(room))
            throw std::invalid_argument(
                fmt::format("blocks {} do not fit an image of {}", to_string(b.block), to_string(b.image)));
        b.columns.push_back((room - static_cast<std::int64_t>(span)) / b.strides[i] + 1);
        block_size *= static_cast<double>(b.block[i]);
        if (count <= most) count *= b.columns.back();
    }
    const bool fits = n > 0 && dims.size() == 3 && block_size <= static_cast<double>(most) && dims[2] == count &&
                      dims[1] % static_cast<std::int64_t>(block_size) == 0;
    if (!fits)
        throw std::invalid_argument(
            fmt::format("{} is no [n, c * elements of {}, {} columns]", to_string(dims), to_string(b.block), count));
    b.channels = dims[1] / static_cast<std::int64_t>(block_size);
    return b;
}

void infer_col2im(InferContext& c) {
    const Blocks b = blocks_of(c);
    if (b.image.size() > 4) c.unsupported(fmt::format("an image of {} axes", b.image.size()));
    Dims dims{c.dims(0)[0], b.channels};
    dims.insert(dims.end(), b.image.begin(), b.image.end());
    c.set_output(0, {c.dtype(0), dims});
}

/// Counts an index up within `dims`; false after the last.
bool advance(Dims& index, const Dims& dims) {
    for (std::size_t i = index.size(); i-- > 0;) {
        if (++index[i] < dims[i]) return true;
        index[i] = 0;
    }
    return false;
}

/// Calls f(offset in one channel of the columns, offset in the image) for every element that is not padding.
template <class F>
void for_each_place(const Blocks& b, const F& f) {
    const std::size_t n = b.image.size();
    std::int64_t from = 0;
    Dims place(n, 0);
    do {
        Dims column(n, 0);
        do {
            std::int64_t to = 0;
            bool inside = true;
            for (std::size_t i = 0; i < n; ++i) {
                const std::int64_t at = column[i] * b.strides[i] + place[i] * b.dilations[i] - b.pads[i];
                inside = inside && at >= 0 && at < b.image[i];
                to = to * b.image[i] + at;
            }
            if (inside) f(as_index(from), as_index(to));
            ++from;
        } while (advance(column, b.columns));
    } while (advance(place, b.block));
}

void eval_col2im(EvalContext& c) {
    const Blocks b = blocks_of(c);
    const Dims& dims = c.input(0).dims();
    const DataType dtype = c.input(0).dtype();
    const bool exact = is_integer(dtype) || dtype == DataType::boolean;
    const std::size_t planes = as_index(dims[0] * b.channels);
    const std::size_t pixels = as_index(element_count(b.image));
    const auto run = [&]<class T>(DataType wide) {
        const Tensor x = c.input(0).cast(wide);
        Tensor sums(wide, c.output_type(0).dims);
        const auto from = x.values<T>();
        const auto to = sums.mutable_values<T>();
        for (std::size_t plane = 0; plane < planes; ++plane)
            for_each_place(b, [&](std::size_t column, std::size_t pixel) {
                T& sum = to[plane * pixels + pixel];
                sum = scalar::add(sum, from[plane * (from.size() / planes) + column]);
            });
        c.set_output(0, sums.cast(dtype));
    };
    if (exact) run.template operator()<std::int64_t>(DataType::i64);
    else run.template operator()<double>(DataType::f64);
}

void lower_col2im(LowerContext& c) {
    const Blocks b = blocks_of(c);
    const std::size_t n = b.image.size();
    std::vector<std::int64_t> ints;
    for (const Dims* list : {&b.block, &b.strides, &b.dilations, &b.pads, &b.columns})
        ints.insert(ints.end(), list->begin(), list->begin() + static_cast<std::ptrdiff_t>(n));
    add_kernel(c, "col2im", ints, {c.input(0), c.output(0)});
}

}  // namespace

void register_col2im(Registry& registry) {
    OpDef op;
    op.name = "Col2Im";
    op.since = op.newest = 18;
    op.min_inputs = op.max_inputs = 3;
    op.attrs = {{"strides", AttrKind::integers}, {"dilations", AttrKind::integers}, {"pads", AttrKind::integers}};
    op.infer = infer_col2im;
    op.eval = eval_col2im;
    op.lower = lower_col2im;
    op.note = "images of up to 4 axes";
    registry.add(std::move(op));
}

}  // namespace igata
