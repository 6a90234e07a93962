// Losses of classifiers, compositions: NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss.
//     y = SoftmaxCrossEntropyLoss(scores, labels)
//     p = LogSoftmax(scores) {axis=1}  y = NegativeLogLikelihoodLoss(p, labels)
//     g = GatherElements(p, labels) {axis=1}  y = ReduceMean(-g)
// With weights or an ignored label, the mean is of weights: the sum of the losses by that of the weights.
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/composition.hpp"

namespace igata {

namespace {

enum Input : std::uint8_t { scores, labels, weights };

void check_shapes(const ExpandContext& c) {
    const Dims& dims = c.dims(scores);
    if (dims.size() < 2) c.fail(fmt::format("needs a batch of classes, not {}", to_string(c.input(scores))));
    Dims expected = dims;
    expected.erase(expected.begin() + 1);
    if (c.dims(labels) != expected)
        c.fail(fmt::format("labels {} do not fit {}", to_string(c.input(labels)), to_string(c.input(scores))));
    if (c.has_input(weights) && c.dims(weights) != Dims{dims[1]})
        c.fail(fmt::format("{} classes need as many weights, not {}", dims[1], to_string(c.input(weights))));
}

/// Zero where the label is to be ignored, else `otherwise` of the other operand.
ValueId unless_ignored(ExpandContext& c, ValueId x, const std::string& otherwise) {
    if (!c.attrs().has("ignore_index")) return c.map(otherwise, {x});
    return c.map(fmt::format("select(x1 == {}, 0, {})", c.attrs().get_int("ignore_index", 0), otherwise),
                 {x, c.value(labels)});
}

/// The loss from log-probabilities.
ValueId loss_of(ExpandContext& c, ValueId logarithms) {
    const std::string reduction = c.attrs().get_string("reduction", "mean");
    if (reduction != "none" && reduction != "sum" && reduction != "mean")
        c.fail(fmt::format("reduction '{}' is not known", reduction));
    const bool ignores = c.attrs().has("ignore_index");
    const ValueId classes = unless_ignored(c, c.value(labels), "x0");
    Dims dims = c.dims(scores);
    dims[1] = 1;
    const ValueId picked =
        reshape(c, c.add("GatherElements", {logarithms, reshape(c, classes, dims)}, {{"axis", std::int64_t{1}}}),
                c.dims(labels));
    ValueId loss = unless_ignored(c, picked, "-x0");
    ValueId weight = no_value;
    if (c.has_input(weights)) {
        weight = unless_ignored(c, c.add("Gather", {c.value(weights), classes}), "x0");
        loss = c.map("x0 * x1", {loss, weight});
    } else if (ignores) {
        weight =
            c.map(fmt::format("cast<{}>(x0 != {})", name_of(c.dtype(scores)), c.attrs().get_int("ignore_index", 0)),
                  {c.value(labels)});
    }
    if (reduction == "none") return loss;
    if (reduction == "mean" && weight == no_value) return reduce_all(c, "ReduceMean", loss);
    const ValueId sum = reduce_all(c, "ReduceSum", loss);
    return reduction == "sum" ? sum : c.map("x0 / x1", {sum, reduce_all(c, "ReduceSum", weight)});
}

OpDef loss_op(std::string name, int newest) {
    OpDef op;
    op.name = std::move(name);
    op.since = 12;
    op.newest = newest;
    op.min_inputs = 2;
    op.max_inputs = 3;
    op.attrs = {{"ignore_index", AttrKind::integer}, {"reduction", AttrKind::string}};
    return op;
}

}  // namespace

void register_loss(Registry& registry) {
    OpDef likelihood = loss_op("NegativeLogLikelihoodLoss", 22);
    likelihood.expand = [](ExpandContext& c) {
        check_shapes(c);
        c.finish(0, loss_of(c, c.value(scores)));
    };
    registry.add(std::move(likelihood));
    OpDef entropy = loss_op("SoftmaxCrossEntropyLoss", 13);
    entropy.max_outputs = 2;
    entropy.expand = [](ExpandContext& c) {
        check_shapes(c);
        const ValueId logarithms = c.add("LogSoftmax", {c.value(scores)}, {{"axis", std::int64_t{1}}});
        c.finish(0, loss_of(c, logarithms));
        c.finish(1, logarithms);
    };
    registry.add(std::move(entropy));
}

}  // namespace igata
