#include "compiler/driver/report_page.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <fmt/format.h>

namespace igata {

namespace {

using runtime::MemorySpec;

constexpr const char* style = R"(<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: 2px 10px 2px 0; border-bottom: 1px solid #ddd; vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: 20rem; background: #f6f6f6; }
.missed { color: #a40; }
</style>
)";

std::string escape(std::string_view text) {
    std::string result;
    for (const char c : text) {
        if (c == '<') result += "&lt;";
        else if (c == '>') result += "&gt;";
        else if (c == '&') result += "&amp;";
        else if (c == '"') result += "&quot;";
        else result += c;
    }
    return result;
}

std::string in_bytes(std::int64_t bytes) {
    const auto value = static_cast<double>(bytes);
    if (bytes < 10'000) return fmt::format("{} B", bytes);
    if (bytes < 10'000'000) return fmt::format("{:.1f} kB", value / 1e3);
    return fmt::format("{:.1f} MB", value / 1e6);
}

std::int64_t product(const std::int64_t* dims, int count) {
    std::int64_t result = 1;
    for (int i = 0; i < count; ++i) result *= dims[i];
    return result;
}

std::int64_t count(const MemorySpec& memory) { return product(memory.dims, memory.rank); }

std::string shape(const MemorySpec& memory) {
    return fmt::format("{}{}", name_of(memory.dtype), to_string(Dims(memory.dims, memory.dims + memory.rank)));
}

struct Flops {
    std::int64_t operator()(const runtime::ConvolutionSpec& spec) const {
        const std::int64_t taps = count(spec.weights) / std::max<std::int64_t>(spec.weights.dims[0], 1);
        return count(spec.dst) * (2 * taps + spec.epilogue.count);
    }
    std::int64_t operator()(const runtime::DeconvolutionSpec& spec) const {
        const std::int64_t taps = count(spec.weights) / std::max<std::int64_t>(spec.weights.dims[0], 1);
        return 2 * count(spec.src) * taps + count(spec.dst) * spec.epilogue.count;
    }
    std::int64_t operator()(const runtime::MatMulSpec& spec) const {
        return count(spec.dst) * (2 * spec.a.dims[spec.a.rank - 1] + spec.epilogue.count);
    }
    std::int64_t operator()(const runtime::PoolingSpec& spec) const {
        return count(spec.dst) * product(spec.kernel, spec.spatial);
    }
    std::int64_t operator()(const runtime::SoftmaxSpec& spec) const { return 4 * count(spec.dst); }
    std::int64_t operator()(const runtime::LrnSpec& spec) const { return 2 * spec.size * count(spec.dst); }
    std::int64_t operator()(const runtime::KernelSpec&) const { return 0; }
    std::int64_t operator()(const runtime::ControlSpec&) const { return 0; }
    std::int64_t operator()(const Loop& loop) const {
        return element_count(loop.extents) * (expr::cost(loop.body) + (loop.reduce ? 1 : 0));
    }
};

/// What a step makes and of what: shapes, and for a loop its expression.
struct Describe {
    std::string operator()(const runtime::ConvolutionSpec& spec) const {
        return fmt::format("{} * {} → {}", shape(spec.src), shape(spec.weights), shape(spec.dst));
    }
    std::string operator()(const runtime::DeconvolutionSpec& spec) const {
        return fmt::format("{} * {} → {}", shape(spec.src), shape(spec.weights), shape(spec.dst));
    }
    std::string operator()(const runtime::MatMulSpec& spec) const {
        return fmt::format("{} · {} → {}", shape(spec.a), shape(spec.b), shape(spec.dst));
    }
    std::string operator()(const runtime::PoolingSpec& spec) const { return pair(spec.src, spec.dst); }
    std::string operator()(const runtime::SoftmaxSpec& spec) const { return pair(spec.src, spec.dst); }
    std::string operator()(const runtime::LrnSpec& spec) const { return pair(spec.src, spec.dst); }
    std::string operator()(const runtime::KernelSpec& spec) const {
        std::string text;
        for (int i = 0; i < spec.operand_count; ++i)
            text += (i == 0 ? "" : i + 1 == spec.operand_count ? " → " : ", ") + shape(spec.operands[i]);
        return text;
    }
    std::string operator()(const runtime::ControlSpec& spec) const {
        constexpr std::array<const char*, 4> names{"branch", "otherwise", "repeat", "end"};
        return names.at(static_cast<std::size_t>(spec.control));
    }
    std::string operator()(const Loop& loop) const {
        return fmt::format("{} over {}", escape(expr::print(loop.body)), to_string(loop.extents));
    }
    static std::string pair(const MemorySpec& from, const MemorySpec& to) {
        return fmt::format("{} → {}", shape(from), shape(to));
    }
};

struct Life {
    int first = std::numeric_limits<int>::max();
    int last = -1;
};

std::vector<Life> lives_of(const Plan& plan) {
    std::vector<Life> lives(plan.buffers.size());
    for (std::size_t step = 0; step < plan.steps.size(); ++step) {
        for (const StepOperand& operand : plan.steps[step].operands) {
            if (operand.buffer == no_buffer) continue;
            Life& life = lives[static_cast<std::size_t>(operand.buffer)];
            life.first = std::min(life.first, static_cast<int>(step));
            life.last = std::max(life.last, static_cast<int>(step));
        }
    }
    return lives;
}

/// Each arena buffer as a box: steps from left to right, addresses from top to bottom.
std::string memory_drawing(const Plan& plan) {
    constexpr std::array<const char*, 6> colours{"#4e79a7", "#f28e2b", "#59a14f", "#b07aa1", "#76b7b2", "#9c755f"};
    const auto lives = lives_of(plan);
    std::string svg =
        fmt::format("<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\">\n",
                    std::max<std::size_t>(plan.steps.size(), 1), std::max<std::int64_t>(plan.arena_bytes, 1));
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
        const Buffer& buffer = plan.buffers[i];
        if (buffer.space != runtime::Space::arena || lives[i].last < 0 || buffer.offset < 0) continue;
        svg += fmt::format(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"{}\" fill-opacity=\"0.8\"><title>{} "
            "{}, steps {} to {}</title></rect>\n",
            lives[i].first, buffer.offset, lives[i].last - lives[i].first + 1, buffer.bytes,
            colours[i % colours.size()], escape(buffer.name), in_bytes(buffer.bytes), lives[i].first, lives[i].last);
    }
    return svg + "</svg>\n";
}

std::string summary(const Plan& plan, std::size_t model_nodes) {
    std::int64_t flops = 0;
    for (const Step& step : plan.steps) flops += flops_of(step);
    std::string html = "<table>\n";
    for (const auto& [what, ports] : {std::pair("input", &plan.inputs), std::pair("output", &plan.outputs)})
        for (const Plan::Port& port : *ports)
            html += fmt::format("<tr><th>{}</th><td>{} {}</td></tr>\n", what, escape(port.name), to_string(port.type));
    html += fmt::format("<tr><th>nodes in the model</th><td>{}</td></tr>\n<tr><th>steps</th><td>{}</td></tr>\n",
                        model_nodes, plan.steps.size());
    html += fmt::format("<tr><th>operations</th><td>{:.1f} million</td></tr>\n", static_cast<double>(flops) / 1e6);
    return html + fmt::format("<tr><th>weights</th><td>{}</td></tr>\n<tr><th>arena</th><td>{}</td></tr>\n</table>\n",
                              in_bytes(plan.weight_bytes), in_bytes(plan.arena_bytes));
}

std::string step_table(const Plan& plan) {
    std::string html =
        "<table>\n<tr><th class=n>#</th><th>kind</th><th>what</th><th class=n>written</th><th class=n>Mflop</th>"
        "<th>from the model's</th></tr>\n";
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        const Step& step = plan.steps[i];
        std::int64_t written = 0;
        for (const StepOperand& operand : step.operands)
            if (operand.written && operand.buffer != no_buffer) written += plan.buffer(operand.buffer).bytes;
        html += fmt::format(
            "<tr><td class=n>{}</td><td>{}</td><td>{}</td><td class=n>{}</td><td class=n>{:.2f}</td>"
            "<td>{}</td></tr>\n",
            i, kind_of(step), std::visit(Describe{}, step.spec), in_bytes(written),
            static_cast<double>(flops_of(step)) / 1e6, escape(step.origin));
    }
    return html + "</table>\n";
}

std::string remark_table(const Remarks& remarks) {
    std::string html = "<table>\n<tr><th>pass</th><th>node</th><th>remark</th></tr>\n";
    for (const Remark& remark : remarks.all())
        html += fmt::format("<tr{}><td>{}</td><td>{}</td><td>{}</td></tr>\n", remark.refused ? " class=missed" : "",
                            remark.pass, escape(remark.node), escape(remark.message));
    return html + "</table>\n";
}

}  // namespace

std::int64_t flops_of(const Step& step) { return std::visit(Flops{}, step.spec); }

std::string report_page(std::span<const Plan> plans, std::size_t model_nodes, const Remarks& remarks) {
    const std::string& name = plans.front().name;
    const std::string title = escape(name.empty() ? "model" : name);
    std::string html = fmt::format(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{0}</title>\n{1}</head><body>\n"
        "<h1>{0}</h1>\n",
        title, style);
    for (std::size_t i = 0; i < plans.size(); ++i) {
        if (plans.size() > 1) html += fmt::format("<h1>Plan {} of {}</h1>\n", i + 1, plans.size());
        html += fmt::format(
            "{}<h2>Memory</h2>\n<p>Every buffer in the arena: steps from left to right, addresses from top to "
            "bottom.</p>\n{}<h2>Steps</h2>\n{}",
            summary(plans[i], model_nodes), memory_drawing(plans[i]), step_table(plans[i]));
    }
    return html + fmt::format("<h2>Remarks</h2>\n{}</body></html>\n", remark_table(remarks));
}

}  // namespace igata
