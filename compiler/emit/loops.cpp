#include "compiler/emit/loops.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "compiler/emit/loop_axes.hpp"
#include "compiler/emit/loop_expr.hpp"
#include "compiler/emit/loop_vectors.hpp"

namespace igata {

namespace {

/// ` + i0 * 32`, nothing for a step of 0.
std::string term(const std::string& index, std::int64_t stride) {
    if (stride == 0) return "";
    if (stride == 1) return " + " + index;
    return fmt::format(" {} {} * {}", stride < 0 ? "-" : "+", index, std::abs(stride));
}

class NestWriter {
public:
    NestWriter(const Loop& loop, const std::string& identifier) : loop_(loop), vectors_(is_vectorised(loop)) {
        Nest nest = nest_of(loop);
        rows_are_kept_ = rows_are_kept(loop, nest);
        kept_ = std::move(nest.kept);
        reduced_ = std::move(nest.reduced);
        for (std::size_t i = 0; i < loop.inputs.size(); ++i) {
            bases_.push_back(fmt::format("x{}", i));
            used_.push_back(expr::uses(loop.body, static_cast<int>(i)));
            types_.push_back(loop.inputs[i].dtype);
        }
        bases_.emplace_back("y");
        used_.push_back(true);
        work_ = product(kept_) * product(reduced_);
        open(fmt::format("struct {}_body {{", identifier));
        line(vectors_ ? "template <int lanes>" : "template <int>");
        open(
            "[[gnu::always_inline]] static void run(std::byte* const* operands, std::int64_t begin, std::int64_t end) "
            "{");
        declare_operands();
        if (!vectors_) return;
        line("using Floats [[maybe_unused]] = typename VectorOf<lanes>::Register;");
        line("using Integers [[maybe_unused]] = typename IntegersOf<lanes>::Register;");
    }

    LoopCode write() {
        if (!loop_.reduce) write_map();
        else if (rows_are_kept_) write_row_reduction();
        else write_reduction();
        while (depth_ > 1) close();
        depth_ = 0;
        line("};");
        return {std::move(text_), outer_, work_};
    }

private:
    static constexpr std::int64_t lanes =
        64;  // partial results of a long sum: enough for the compiler to vectorise over
    static constexpr std::int64_t rows_at_once = 16;  // of short rows

    const Loop& loop_;
    const bool vectors_;
    std::vector<Axis> kept_, reduced_;
    std::vector<std::string> bases_;  ///< the pointer of each operand at the current depth
    std::vector<bool> used_;
    std::vector<DataType> types_;
    std::string text_;
    int depth_ = 0;
    int loops_ = 0;
    std::int64_t outer_ = 1, work_ = 1;
    bool rows_are_kept_ = false;
    bool split_ = false;  ///< the outermost loop, which begin and end delimit, is open

    void line(std::string_view content) {
        text_ += std::string(static_cast<std::size_t>(4 * depth_), ' ').append(content) + '\n';
    }
    void open(std::string_view content) {
        line(content);
        ++depth_;
    }
    void close() {
        --depth_;
        line("}");
    }

    std::size_t output() const { return loop_.inputs.size(); }
    std::string accumulator_type() const { return compute_type(loop_.accumulator); }

    /// Booleans are bytes in memory, as GCC does not vectorise loops that load or store them as what they are.
    static std::string element_type(DataType dtype) {
        return dtype == DataType::boolean ? "std::uint8_t" : storage_type(dtype);
    }

    void declare_operands() {
        for (std::size_t i = 0; i < loop_.inputs.size(); ++i) {
            if (!used_[i]) continue;
            line(fmt::format("const auto* const x{} = reinterpret_cast<const {}*>(operands[{}]);", i,
                             element_type(loop_.inputs[i].dtype), i));
        }
        line(fmt::format("auto* const y = reinterpret_cast<{}*>(operands[{}]);", element_type(loop_.output.dtype),
                         output()));
    }

    /// `for (std::int64_t i = 0; i < extent; ++i) {`; the first loop of all runs from begin to end.
    std::string open_loop(std::int64_t extent) {
        const std::string index = fmt::format("i{}", loops_++);
        if (split_) {
            open(fmt::format("for (std::int64_t {0} = 0; {0} < {1}; ++{0}) {{", index, extent));
        } else {
            open(fmt::format("for (std::int64_t {0} = begin; {0} < end; ++{0}) {{", index));
            outer_ = extent;
            split_ = true;
        }
        return index;
    }

    /// Without any loop to split, begin and end say whether to run at all.
    void open_whole() {
        if (split_) return;
        split_ = true;
        outer_ = 1;
        open("if (begin < end) {");
    }

    /// Points the operands at the place that `index` selects; returns the former pointers.
    std::vector<std::string> advance(const Axis& axis, const std::string& index, bool with_output = true) {
        std::vector<std::string> former = bases_;
        for (std::size_t i = 0; i < bases_.size(); ++i) {
            if (axis.strides[i] == 0 || !used_[i] || (i == output() && !with_output)) continue;
            const std::string name = fmt::format("{}_{}", bases_[i].substr(0, bases_[i].find('_')), loops_);
            line(fmt::format("{}auto* const {} = {}{};", i == output() ? "" : "const ", name, bases_[i],
                             term(index, axis.strides[i])));
            bases_[i] = name;
        }
        return former;
    }

    void open_axes(const std::vector<Axis>& axes) {
        for (const Axis& axis : axes) advance(axis, open_loop(axis.extent));
    }

    /// `x0[index * 2]` for each input of the body, halves converted; those that do not move are loaded before the loop.
    std::vector<std::string> loads(const Axis& axis, const std::string& index) const {
        std::vector<std::string> values;
        for (std::size_t i = 0; i < loop_.inputs.size(); ++i) values.push_back(load(i, axis.strides[i], index));
        return values;
    }

    std::string load(std::size_t i, std::int64_t stride, const std::string& index) const {
        const std::string element =
            stride == 0 ? fmt::format("*{}", bases_[i]) : fmt::format("{}[{}]", bases_[i], subscript(index, stride));
        if (types_[i] == DataType::boolean) return fmt::format("({} != 0)", element);
        const bool half = compute_type(types_[i]) != storage_type(types_[i]);
        return half ? fmt::format("scalar::load({})", element) : element;
    }

    static std::string subscript(const std::string& index, std::int64_t stride) {
        return stride == 1 ? index : stride == -1 ? "-" + index : fmt::format("{} * {}", index, stride);
    }

    /// Values that the innermost loop does not change get names of their own before it.
    std::vector<std::string> hoist(const Axis& axis, std::vector<std::string> values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (!used_[i] || axis.strides[i] != 0) continue;
            line(fmt::format("const {} c{} = {};", compute_type(types_[i]), i, values[i]));
            values[i] = fmt::format("c{}", i);
        }
        return values;
    }

    /// Loads each moving operand once, into v0, v1, ...
    std::vector<std::string> name_loads(const Axis& axis, std::vector<std::string> values) {
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (!used_[i] || axis.strides[i] == 0) continue;
            line(fmt::format("const {} v{} = {};", compute_type(types_[i]), i, values[i]));
            values[i] = fmt::format("v{}", i);
        }
        return values;
    }

    std::string evaluate(const std::vector<std::string>& values, DataType result) {
        ScalarCode code = scalar_code(loop_.body, types_, values, result, "t");
        for (const std::string& statement : code.statements) line(statement);
        return code.value;
    }

    void store(const std::string& element, const std::string& value) {
        const DataType type = loop_.output.dtype;
        const bool half = compute_type(type) != storage_type(type);
        line(half ? fmt::format("{} = scalar::cast<{}>({});", element, storage_type(type), value)
                  : fmt::format("{} = {};", element, value));
    }

    std::string output_element(std::int64_t stride, const std::string& index) const {
        return stride == 0 ? "*" + bases_.back() : fmt::format("{}[{}]", bases_.back(), subscript(index, stride));
    }

    // Maps ------------------------------------------------------------------------------------------------------------

    void write_map() {
        if (kept_.empty()) {
            open_whole();
            Axis none{1, std::vector<std::int64_t>(bases_.size(), 0), false};
            store(output_element(0, ""), evaluate(hoist(none, loads(none, "")), loop_.output.dtype));
            return;
        }
        if (vectors_) return write_vectors();
        if (has_short_rows()) return write_short_rows();
        const Axis inner = kept_.back();
        open_axes({kept_.begin(), kept_.end() - 1});
        const std::string index = fmt::format("i{}", loops_);
        std::vector<std::string> values = hoist(inner, loads(inner, index));
        line("#pragma GCC ivdep");
        open_loop(inner.extent);
        values = name_loads(inner, values);
        store(output_element(inner.strides.back(), index), evaluate(values, loop_.output.dtype));
    }

    /// True for an image with its channels innermost and few, and operands that hold one value a channel: loops over
    /// three elements would not be vectorised.
    bool has_short_rows() const {
        if (kept_.size() < 2) return false;
        const Axis& outer = kept_[kept_.size() - 2];
        return kept_.back().extent < 16 && outer.extent >= 4 * rows_at_once && rows_join(loop_, outer, kept_.back());
    }

    /// Opens a loop over blocks of `rows` rows, each written as one, with what repeats from row to row in tables; the
    /// loads of a block's element j.
    std::vector<std::string> open_joined_rows(std::int64_t rows) {
        const Axis inner = kept_.back();
        const Axis outer = kept_[kept_.size() - 2];
        open_axes({kept_.begin(), kept_.end() - 2});
        const std::int64_t width = inner.extent * rows;
        std::vector<std::string> tables(bases_.size());
        for (std::size_t i = 0; i + 1 < bases_.size(); ++i) {
            if (!used_[i] || !repeats(outer, inner, i)) continue;
            line(fmt::format("{} c{}[{}];", compute_type(types_[i]), i, width));
            line(fmt::format("for (std::int64_t j = 0; j < {}; ++j) c{}[j] = {};", width, i,
                             load(i, inner.strides[i], fmt::format("j % {}", inner.extent))));
            tables[i] = fmt::format("c{}", i);
        }
        open_blocks(outer, rows, inner.extent);
        return tables;
    }

    /// A loop over blocks of `rows` iterations of `axis`, each of them `size` elements; declares their `count`.
    void open_blocks(const Axis& axis, std::int64_t rows, std::int64_t size) {
        Axis block = axis;
        block.extent = (axis.extent + rows - 1) / rows;
        for (std::int64_t& stride : block.strides) stride *= rows;
        const std::string index = open_loop(block.extent);
        advance(block, index);
        declare_count(axis.extent * size, rows * size, index);
    }

    void write_short_rows() {
        const Axis inner = kept_.back();
        const std::vector<std::string> hoisted = hoist(inner, loads(inner, "j"));
        const std::vector<std::string> tables = open_joined_rows(rows_at_once);
        std::vector<std::string> values = loads(inner, "j");
        for (std::size_t i = 0; i < values.size(); ++i) {
            if (inner.strides[i] == 0) values[i] = hoisted[i];
            else if (!tables[i].empty()) values[i] = tables[i] + "[j]";
        }
        line("#pragma GCC ivdep");
        open("for (std::int64_t j = 0; j < count; ++j) {");
        values = name_loads(inner, values);
        store(output_element(inner.strides.back(), "j"), evaluate(values, loop_.output.dtype));
    }

    /// Rows, several rows as one or pieces of one long row, in steps of a register.
    void write_vectors() {
        constexpr std::int64_t piece = 1024;
        const Axis inner = kept_.back();
        std::vector<std::string> tables(bases_.size());
        const std::int64_t rows = vector_rows_at_once(loop_, kept_);
        bool whole = inner.extent % 16 == 0;
        if (rows != 0) {
            whole = kept_[kept_.size() - 2].extent % rows == 0;
            tables = open_joined_rows(rows);
        } else if (kept_.size() == 1) {
            open_blocks(inner, piece, 1);
        } else {
            open_axes({kept_.begin(), kept_.end() - 1});
            line(fmt::format("constexpr std::int64_t count = {};", inner.extent));
        }
        write_registers(inner, tables, whole);
    }

    /// The `count` elements of a row, stored or added to the lanes. `whole`: they fill registers of any width.
    void write_registers(const Axis& inner, const std::vector<std::string>& tables, bool whole) {
        std::vector<std::string> names(loop_.inputs.size());
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (!used_[i] || inner.strides[i] != 0) continue;
            names[i] = fmt::format("c{}", i);
            line(fmt::format("{} {};", register_type(types_[i]), names[i]));
            line(fmt::format("vectors::fill(*{}, {});", bases_[i], names[i]));
        }
        open("for (std::int64_t j = 0; j < count; j += lanes) {");
        if (!whole) line("const std::int64_t n = count - j < lanes ? count - j : lanes;");
        const std::string_view amount = whole ? "" : "n, ";
        for (std::size_t i = 0; i < names.size(); ++i) {
            if (!used_[i] || inner.strides[i] == 0) continue;
            names[i] = fmt::format("v{}", i);
            line(fmt::format("{} {};", register_type(types_[i]), names[i]));
            if (tables[i].empty()) line(fmt::format("vectors::load({} + j, {}{});", bases_[i], amount, names[i]));
            else line(fmt::format("vectors::load({} + j, {});", tables[i], names[i]));
        }
        const DataType result = loop_.reduce ? loop_.accumulator : loop_.output.dtype;
        const ScalarCode code = *vector_code(loop_.body, types_, names, result);
        for (const std::string& statement : code.statements) line(statement);
        if (!loop_.reduce) return line(fmt::format("vectors::store({} + j, {}{});", bases_.back(), amount, code.value));
        line("Floats sum;");
        line("vectors::load(lane + j, sum);");
        line(fmt::format("vectors::store(lane + j, Floats(sum + {}));", code.value));
    }

    /// `count`: the length of block number `index`, the last one of which may be shorter.
    void declare_count(std::int64_t extent, std::int64_t width, const std::string& index) {
        if (extent % width == 0) line(fmt::format("constexpr std::int64_t count = {};", width));
        else
            line(fmt::format("const std::int64_t count = {0} - {1} * {2} < {2} ? {0} - {1} * {2} : {2};", extent, index,
                             width));
    }

    // Reductions ------------------------------------------------------------------------------------------------------

    std::string combine(const std::string& a, const std::string& b) const {
        const bool plain = is_floating(loop_.accumulator);
        switch (*loop_.reduce) {
            case Reduce::sum: return plain ? fmt::format("{} + {}", a, b) : fmt::format("scalar::add({}, {})", a, b);
            case Reduce::product:
                return plain ? fmt::format("{} * {}", a, b) : fmt::format("scalar::mul({}, {})", a, b);
            case Reduce::minimum: return fmt::format("scalar::min({}, {})", a, b);
            case Reduce::maximum: return fmt::format("scalar::max({}, {})", a, b);
        }
        return {};
    }

    std::string identity() const {
        const std::string type = accumulator_type();
        switch (*loop_.reduce) {
            case Reduce::sum: return fmt::format("{}{{}}", type);
            case Reduce::product: return fmt::format("static_cast<{}>(1)", type);
            case Reduce::minimum: return fmt::format("scalar::highest<{}>()", type);
            case Reduce::maximum: return fmt::format("scalar::lowest<{}>()", type);
        }
        return {};
    }

    /// Stores the reduced value, passed through `finish`.
    void finish(const std::string& element, const std::string& reduced) {
        const DataType type = loop_.output.dtype;
        if (!loop_.finish) {
            const bool same = compute_type(type) == accumulator_type();
            store(element, same ? reduced : fmt::format("scalar::cast<{}>({})", compute_type(type), reduced));
            return;
        }
        line(fmt::format("const {} r = {};", accumulator_type(), reduced));
        ScalarCode code = scalar_code(loop_.finish, {loop_.accumulator}, {"r"}, type, "f");
        for (const std::string& statement : code.statements) line(statement);
        store(element, code.value);
    }

    /// How many elements of a row to accumulate at once: a divisor of the row that fills whole registers, if there is
    /// one.
    static std::int64_t block_width(std::int64_t row) {
        constexpr std::int64_t most = 128, vector = 16;
        if (row <= most) return row;
        for (std::int64_t width = most; width >= 2 * vector; width -= vector) {
            if (row % width == 0) return width;
        }
        return most;
    }

    /// for kept, for blocks of the innermost kept axis: clear, for reduced: accumulate the block; finish the block.
    void write_row_reduction() {
        const Axis row = kept_.back();
        open_axes({kept_.begin(), kept_.end() - 1});
        const std::int64_t width = block_width(row.extent);
        open_blocks(row, width, 1);
        clear_lanes(vectors_ ? (width + 15) / 16 * 16 : width);
        const std::vector<std::string> start = bases_;
        for (const Axis& axis : reduced_) advance(axis, open_loop(axis.extent), false);
        if (vectors_) {
            write_registers(row, std::vector<std::string>(bases_.size()), row.extent % 16 == 0);
            close();
        } else {
            accumulate_lanes(row, "count");
        }
        for (std::size_t i = 0; i < reduced_.size(); ++i) close();
        bases_ = start;
        open("for (std::int64_t j = 0; j < count; ++j) {");
        finish(output_element(row.strides.back(), "j"), "lane[j]");
        close();
    }

    void clear_lanes(std::int64_t count) {
        line(fmt::format("alignas(64) {} lane[{}];", accumulator_type(), count));
        line(fmt::format("for (auto& value : lane) value = {};", identity()));
    }

    /// lane[j] takes in the element at step j of `axis`.
    void accumulate_lanes(const Axis& axis, const std::string& count) {
        std::vector<std::string> values = hoist(axis, loads(axis, "j"));
        line("#pragma GCC ivdep");
        open(fmt::format("for (std::int64_t j = 0; j < {}; ++j) {{", count));
        values = name_loads(axis, values);
        line(fmt::format("lane[j] = {};", combine("lane[j]", evaluate(values, loop_.accumulator))));
        close();
    }

    /// for kept, for reduced: one accumulator, or one per lane along a long innermost axis, added up pairwise.
    void write_reduction() {
        open_axes(kept_);
        open_whole();
        const bool wide = !reduced_.empty() && reduced_.back().extent >= lanes;
        if (wide) return write_wide_reduction();
        line(fmt::format("{} sum = {};", accumulator_type(), identity()));
        const std::vector<std::string> start = bases_;
        Axis inner{1, std::vector<std::int64_t>(bases_.size(), 0), true};
        for (const Axis& axis : reduced_) advance(axis, open_loop(axis.extent), false);
        const std::vector<std::string> values = hoist(inner, loads(inner, ""));
        line(fmt::format("sum = {};", combine("sum", evaluate(values, loop_.accumulator))));
        for (std::size_t i = 0; i < reduced_.size(); ++i) close();
        bases_ = start;
        finish(output_element(0, ""), "sum");
    }

    void write_wide_reduction() {
        Axis row = reduced_.back();
        clear_lanes(lanes);
        const std::vector<std::string> start = bases_;
        for (std::size_t i = 0; i + 1 < reduced_.size(); ++i)
            advance(reduced_[i], open_loop(reduced_[i].extent), false);
        Axis block = row;
        for (std::int64_t& stride : block.strides) stride *= lanes;
        const std::vector<std::string> row_start = bases_;
        advance(block, open_loop(row.extent / lanes), false);
        accumulate_lanes(row, std::to_string(lanes));
        close();
        bases_ = row_start;
        if (row.extent % lanes != 0) {
            open("{");
            advance(block, std::to_string(row.extent / lanes), false);
            accumulate_lanes(row, std::to_string(row.extent % lanes));
            close();
        }
        for (std::size_t i = 0; i + 1 < reduced_.size(); ++i) close();
        bases_ = start;
        open(fmt::format("for (std::int64_t width = {}; width > 0; width /= 2) {{", lanes / 2));
        line(fmt::format("for (std::int64_t j = 0; j < width; ++j) lane[j] = {};",
                         combine("lane[j]", "lane[j + width]")));
        close();
        finish(output_element(0, ""), "lane[0]");
    }
};

}  // namespace

LoopCode loop_code(const Loop& loop, const std::string& identifier, const std::string& comment) {
    LoopCode code = NestWriter(loop, identifier).write();
    code.body.insert(0, "/// " + comment + "\n");
    return code;
}

}  // namespace igata
