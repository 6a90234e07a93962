#include "runtime/predictor_profile.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <iterator>
#include <utility>

#include "runtime/predictor_shapes.hpp"

namespace igata::cli {

namespace {

double median(std::vector<double> values) {
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

std::string fixed(double value, int digits) {
    char text[64];
    std::snprintf(text, sizeof text, "%.*f", digits, value);
    return text;
}

/// The first row holds the headings; the leading `numbers` columns are right-aligned.
std::string table(const std::vector<std::vector<std::string>>& rows, std::size_t numbers, TableStyle style) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const std::vector<std::string>& row : rows)
        for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
    std::string text;
    for (std::size_t r = 0; r < rows.size(); ++r) {
        const bool markdown = style == TableStyle::markdown;
        for (std::size_t c = 0; c < rows[r].size(); ++c) {
            const std::string& cell = rows[r][c];
            const std::string space(markdown || (c >= numbers && c + 1 == rows[r].size()) ? 0 : widths[c] - cell.size(),
                                    ' ');
            text += markdown ? "| " : c > 0 ? "  " : "";
            text += c < numbers ? space + cell : cell + space;
            if (markdown) text += ' ';
        }
        text += markdown ? "|\n" : "\n";
        for (std::size_t c = 0; markdown && r == 0 && c < widths.size(); ++c)
            text += std::string(c < numbers ? "|---:" : "|---") + (c + 1 == widths.size() ? "|\n" : "");
    }
    return text;
}

/// Microseconds, share of `total`, GFLOP/s, GB/s.
std::vector<std::string> figures(double seconds, double flops, double bytes, double total) {
    const double safe = std::max(seconds, 1e-12);
    return {fixed(seconds * 1e6, 1), fixed(100.0 * seconds / std::max(total, 1e-12), 1),
            flops > 0.0 ? fixed(flops / safe * 1e-9, 1) : "", bytes > 0.0 ? fixed(bytes / safe * 1e-9, 1) : ""};
}

struct Total {
    int count = 0;
    StepProfile sum;
};

/// By kind and implementation, the longest first.
std::vector<Total> totals(const Profile& profile) {
    std::vector<Total> all;
    for (const StepProfile& step : profile.steps) {
        auto found = std::find_if(all.begin(), all.end(), [&](const Total& total) {
            return total.sum.kind == step.kind && total.sum.implementation == step.implementation;
        });
        if (found == all.end()) {
            found = all.insert(all.end(), Total{});
            found->sum.kind = step.kind;
            found->sum.implementation = step.implementation;
        }
        ++found->count;
        found->sum.seconds += step.seconds;
        found->sum.flops += step.flops;
        found->sum.bytes += step.bytes;
    }
    std::stable_sort(all.begin(), all.end(),
                     [](const Total& a, const Total& b) { return a.sum.seconds > b.sum.seconds; });
    return all;
}

void append(std::vector<std::string>& row, std::vector<std::string> more) {
    row.insert(row.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

double Profile::seconds() const {
    double sum = 0.0;
    for (const StepProfile& step : steps) sum += step.seconds;
    return sum;
}

namespace {

/// How often each plan runs in one call.
std::vector<std::int64_t> runs_of_plans(const igata_predictor_info& info, const std::int64_t* const* input_dims) {
    std::vector<std::int64_t> runs(static_cast<std::size_t>(info.plan_count), 0);
    runtime::make_up(info, {input_dims, &info, 0}, [&](const igata_predictor_info& plan, std::int64_t count) {
        runs[static_cast<std::size_t>(&plan - info.plans)] += count;
    });
    return runs;
}

/// The plan's steps, which are numbered from `first`.
void add_steps(const Functions& functions, const void* model, const igata_predictor_info& plan, std::size_t first,
               double runs, const std::vector<std::vector<double>>& seconds, std::vector<StepProfile>& steps) {
    for (int s = 0; s < plan.step_count; ++s) {
        const igata_step_info& step = plan.steps[s];
        const std::size_t number = first + static_cast<std::size_t>(s);
        StepProfile added{step.name,
                          step.kind,
                          step.origin,
                          step.detail,
                          functions.implementation(model, static_cast<int>(number)),
                          static_cast<double>(step.flops) * runs,
                          static_cast<double>(step.bytes) * runs,
                          median(seconds[number])};
        if (s > 0 && added.implementation == "with the step before") {
            StepProfile& before = steps.back();  // whose time is that of both
            before.flops += std::exchange(added.flops, 0.0);
            before.bytes += std::exchange(added.bytes, 0.0);
        }
        steps.push_back(std::move(added));
    }
}

}  // namespace

Profile measure_profile(const Functions& functions, const ProfiledRun& run, int runs) {
    using Clock = std::chrono::steady_clock;
    const auto check = [&](igata_status status) {
        if (status != IGATA_OK) throw Failure(4, functions.last_error());
    };
    const igata_predictor_info& info = *functions.info;
    std::size_t count = 0;
    for (int p = 0; p < info.plan_count; ++p) count += static_cast<std::size_t>(info.plans[p].step_count);
    std::vector<std::vector<double>> seconds(count);
    std::vector<double> whole, once(count);
    for (int i = -3; i < runs; ++i) {  // three to warm up
        const Clock::time_point before = Clock::now();
        check(functions.run(run.context, run.inputs, run.input_dims, run.outputs));
        const double elapsed = std::chrono::duration<double>(Clock::now() - before).count();
        std::fill(once.begin(), once.end(), 0.0);
        check(functions.profile(run.context, run.inputs, run.input_dims, run.outputs, once.data()));
        if (i < 0) continue;
        whole.push_back(elapsed);
        for (std::size_t s = 0; s < count; ++s) seconds[s].push_back(once[s]);
    }
    Profile profile{{}, median(whole), *std::min_element(whole.begin(), whole.end()), runs, measure_peak(run.threads)};
    const std::vector<std::int64_t> runs_of = runs_of_plans(info, run.input_dims);
    std::size_t first = 0;
    for (std::size_t p = 0; p < runs_of.size(); ++p) {
        const igata_predictor_info& plan = info.plans[p];
        if (runs_of[p] > 0)
            add_steps(functions, run.model, plan, first, static_cast<double>(runs_of[p]), seconds, profile.steps);
        first += static_cast<std::size_t>(plan.step_count);
    }
    return profile;
}

std::string profile_table(const Profile& profile, TableStyle style) {
    const double total = profile.seconds();
    std::vector<std::vector<std::string>> rows{
        {"us", "%", "GFLOP/s", "GB/s", "kind", "what", "implementation", "step"}};
    for (const StepProfile& step : profile.steps) {
        rows.push_back(figures(step.seconds, step.flops, step.bytes, total));
        append(rows.back(), {step.kind, step.detail, step.implementation, step.name});
    }
    std::string text = table(rows, 4, style) + "\n";
    rows = {{"us", "%", "GFLOP/s", "GB/s", "steps", "kind", "implementation"}};
    for (const Total& group : totals(profile)) {
        rows.push_back(figures(group.sum.seconds, group.sum.flops, group.sum.bytes, total));
        append(rows.back(), {std::to_string(group.count), group.sum.kind, group.sum.implementation});
    }
    Total all;
    for (const StepProfile& step : profile.steps) {
        ++all.count;
        all.sum.flops += step.flops;
        all.sum.bytes += step.bytes;
    }
    rows.push_back(figures(total, all.sum.flops, all.sum.bytes, total));
    append(rows.back(), {std::to_string(all.count), "all", ""});
    text += table(rows, 5, style) + "\n";
    return text + "a run " + fixed(profile.run_seconds * 1e3, 3) + " ms, at best " +
           fixed(profile.best_run_seconds * 1e3, 3) + " ms; its steps " + fixed(total * 1e3, 3) + " ms (medians of " +
           std::to_string(profile.runs) + ")\nthe machine's peak " + fixed(profile.peak.flops * 1e-9, 1) +
           " GFLOP/s, reading memory " + fixed(profile.peak.bytes * 1e-9, 1) +
           " GB/s; there, the operations alone take " +
           fixed(all.sum.flops / std::max(profile.peak.flops, 1.0) * 1e3, 3) + " ms\n";
}

}  // namespace igata::cli
