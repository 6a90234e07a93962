// Steps whose geometry is among those that were tuned get what was measured to run them fastest.
//
//     convolution c src=b1:f32[1,64,40,40]@nhwc weights=b2:f32[64,64,3,3] ...
//   becomes, if the file says `winograd2 convolution src=f32[1,64,40,40]@nhwc weights=f32[64,64,3,3] ...`,
//     convolution c (as before) by=winograd2
//
// After stream_strips, since strips are one of the choices, and before plan_memory, which then knows what stays whole.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/plan_fields.hpp"
#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/tuning.hpp"

namespace igata {

namespace {

using runtime::ConvolutionSpec;
using runtime::Implementation;
using runtime::MatMulSpec;

constexpr std::string_view header = "igata-tuned 1";

/// Those that a file may name: of the depthwise kernels, the runtime takes the one of the right size.
constexpr std::array choices{Implementation::onednn_convolution, Implementation::onednn_reordered,
                             Implementation::onednn_matmul,      Implementation::onednn_bf16,
                             Implementation::pointwise,          Implementation::pointwise_bf16,
                             Implementation::winograd2,          Implementation::winograd4,
                             Implementation::depthwise,          Implementation::strips};

bool is_streamed(const Step& step) {
    const auto* spec = std::get_if<ConvolutionSpec>(&step.spec);
    return spec != nullptr && spec->streamed;
}

}  // namespace

Tuning parse_tuning(std::string_view text) {
    Tuning tuning;
    for (int number = 1; !text.empty() || number == 1; ++number) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(text.size(), line.size() + 1));
        line = line.substr(0, line.find(';'));
        line = line.substr(0, line.find_last_not_of(" \t\r") + 1);
        const auto fail = [&](const std::string& why) { throw BadInput(fmt::format("line {}: {}", number, why)); };
        if (number == 1) {
            if (line != header) fail(fmt::format("not written by `igata tune`: it would begin with '{}'", header));
            continue;
        }
        if (line.empty()) continue;
        const std::string_view name = line.substr(0, line.find(' '));
        const auto* choice = std::find_if(choices.begin(), choices.end(),
                                          [&](Implementation i) { return plan_text::name_of(i) == name; });
        if (choice == choices.end()) fail(fmt::format("'{}' is nothing that runs a step", name));
        if (name.size() == line.size()) fail(fmt::format("no step after '{}'", name));
        if (!tuning.emplace(line.substr(name.size() + 1), *choice).second) fail("the same step a second time");
    }
    return tuning;
}

std::string print(const Tuning& tuning, const std::string& comments) {
    std::string text = fmt::format("{}\n", header);
    std::string_view left = comments;
    while (!left.empty()) {
        const std::string_view line = left.substr(0, left.find('\n'));
        text += fmt::format("; {}\n", line);
        left.remove_prefix(std::min(left.size(), line.size() + 1));
    }
    for (const auto& [geometry, choice] : tuning) text += fmt::format("{} {}\n", plan_text::name_of(choice), geometry);
    return text;
}

void apply_tuning(Plan& plan, const Tuning& tuning, Remarks& remarks) {
    bool matched = tuning.empty();
    for (std::size_t i = 0; i < plan.steps.size(); ++i) {
        Step& step = plan.steps[i];
        auto* convolution = std::get_if<ConvolutionSpec>(&step.spec);
        auto* matmul = std::get_if<MatMulSpec>(&step.spec);
        if ((convolution == nullptr && matmul == nullptr) || tuning.empty()) continue;
        const auto found = tuning.find(print_geometry(step));
        if (found == tuning.end()) continue;
        matched = true;
        if (i > 0 && is_streamed(plan.steps[i - 1])) continue;  // strips have kernels of their own
        if (found->second != Implementation::strips) {
            if (convolution != nullptr) convolution->streamed = false;
            (convolution != nullptr ? convolution->implementation : matmul->implementation) = found->second;
        }
        remarks.done("apply_tuning", step.origin, fmt::format("runs by {}", plan_text::name_of(found->second)));
    }
    if (!matched) remarks.refused("apply_tuning", "", "none of the tuned steps is in this model");
}

}  // namespace igata
