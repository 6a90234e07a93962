// The LowerContext behind every operator's `lower`: it keeps the view of each value, and appends steps to the plan.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"
#include "compiler/passes/post_ops.hpp"

namespace igata {

class GraphLowering final : public LowerContext {
public:
    GraphLowering(const Graph& graph, const Layouts& layouts, Remarks& remarks);

    /// Lowers every node in order, then brings the outputs to the caller's buffers.
    Plan run();

    const Graph& graph() const override { return graph_; }
    const Node& node() const override { return *node_; }
    View input(std::size_t i) override;
    View output(std::size_t i) override;
    View output_in_order(std::size_t i, const std::vector<int>& order) override;
    void set_output(std::size_t i, const View& view) override;
    View temporary(DataType dtype, const Dims& dims) override;
    View constant(const Tensor& tensor) override;
    View in_order(const View& view, const std::vector<int>& order) override;
    View reshaped(const View& view, const Dims& dims) override;
    void add_with_epilogue(StepSpecVariant spec, std::vector<View> operands_before_dst, std::size_t output,
                           const std::vector<int>& dst_order) override;
    std::optional<Tensor> take_table() override;
    void add(StepSpecVariant spec, const std::vector<View>& operands, std::vector<std::size_t> written = {}) override;
    void add_map(const ExprPtr& body, const std::vector<View>& inputs, const View& out) override;
    void add_reduce(Reduce kind, const ExprPtr& body, const std::vector<View>& inputs, const Dims& box,
                    const std::vector<std::int64_t>& axes, const View& out, DataType accumulator,
                    const ExprPtr& finish) override;
    std::vector<View> lower_body(const Graph& body, const std::vector<View>& inputs) override;
    std::size_t step_count() const override { return plan_.steps.size(); }
    void deliver(const View& view, const View& target, std::size_t begin) override;
    void remark(const std::string& message) override;

private:
    void lower_nodes();
    void lower_node();
    void lower_remaining_epilogue();
    void bring_out(std::size_t output_index);

    /// Finds the values that may be made within the result that they are a part of.
    void find_places();
    /// Where to make output i in the given order: its place within a larger value, or a buffer of its own.
    /// `anywhere`: with any strides, else only densely.
    View place_output(std::size_t i, const std::vector<int>& order, bool anywhere);
    std::vector<int> layout_of(ValueId id) const;

    View value_view(ValueId id);
    View fresh(DataType dtype, const Dims& dims, const std::vector<int>& order);
    /// The epilogue's operands: x0 is left invalid.
    std::vector<View> epilogue_operands();
    /// Whether the value behind view `residual` has no reader after this node and none but the epilogue in it, so that
    /// a step may write its result over it. `others` are the step's further operands.
    bool may_overwrite(const View& residual, const View& dst, const std::vector<View>& others) const;
    /// The term that adds a residual which the step may overwrite, or null. `xs` are the epilogue's operands, `sources`
    /// the same as sources of post-ops.
    PostOpTerm* term_to_sum(PostOps& covered, const std::vector<View>& xs, const std::vector<View>& sources,
                            const std::vector<View>& operands, const View& dst) const;
    /// Whether the steps that mention the view's buffer, all from `begin` on, may work on the target instead.
    bool may_move(const View& view, const View& target, std::size_t begin) const;
    /// Elements from `start` of axis `axis` of `whole`.
    struct Place {
        ValueId whole;
        std::size_t axis;
        std::int64_t start;
        bool is_read_elsewhere;  ///< by others than the operator that makes `whole`
    };
    void append(StepSpecVariant spec, std::vector<StepOperand> operands);
    std::string step_name();

    const Graph& graph_;
    const Layouts& layouts_;
    Remarks& remarks_;
    Plan plan_;
    const Node* node_ = nullptr;
    int position_ = 0;  ///< of the node in the graph
    bool epilogue_done_ = false;
    BufferId first_own_ = 0;                       ///< buffers before it belong to the graphs around this one
    std::unordered_map<BufferId, View> moved_;     ///< whose contents steps store elsewhere instead (see deliver)
    std::vector<View> views_;                      ///< by ValueId
    std::unordered_map<ValueId, Place> places_;    ///< of values within others
    std::vector<int> last_reader_;                 ///< by ValueId: position of the last node that mentions it
    std::vector<std::vector<ValueId>> values_on_;  ///< by BufferId
    std::string name_prefix_;                      ///< the folder that all node names share
    std::unordered_set<std::string> step_names_;
};

/// The view under other dims of equal count if its strides allow, else an invalid one.
View reshape_view(const View& view, const Dims& dims);

}  // namespace igata
