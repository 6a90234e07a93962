// Every pass: one function from IR to IR, in the order in which pipeline.cpp runs them.
#pragma once

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "compiler/diagnostics.hpp"
#include "compiler/ir/graph.hpp"
#include "compiler/ir/plan.hpp"
#include "compiler/passes/tuning.hpp"

namespace igata {

/// Values for symbolic dims, by symbol (`N`) or by input and axis (`image:0`).
using Bindings = std::map<std::string, std::int64_t>;

/// The order of the axes in memory, outermost first, that each value should have if it is materialised; by ValueId.
using Layouts = std::vector<std::vector<int>>;

/// How many rewrites are still allowed; copies share the count. Bisecting it finds the rewrite that breaks a model.
class Budget {
public:
    /// -1: no limit.
    Budget(int limit = -1) : left_(std::make_shared<int>(limit)) {}
    /// False once nothing is left.
    bool take() { return *left_ < 0 || (*left_ > 0 && (*left_)-- > 0); }
    bool spent() const { return *left_ == 0; }

private:
    std::shared_ptr<int> left_;
};

// Graph to Graph ------------------------------------------------------------------------------------------------------

/// Gives every symbolic input dim its number. An unbound dim at axis 0 becomes 1 with a remark; other unbound dims are
/// one Error (usage) that lists them with a ready command line; so is a binding that names nothing.
void bind_dims(Graph& graph, const Bindings& bindings, Remarks& remarks);
/// Types and shapes of all values; values that follow from types or small integer constants alone (shape arithmetic)
/// become constants on the way. Throws BadInput or Unsupported with the node. A declared output shape that differs gets
/// a remark, and is corrected.
void infer_types(Graph& graph, Remarks& remarks);
/// What oneDNN or a kernel runs in f32 takes f16 and bf16 as f32.
void widen_halves(Graph& graph);
/// Nodes whose inputs are all constants are evaluated and removed.
void fold_constants(Graph& graph, Remarks& remarks);
/// Float layers between DequantizeLinear and QuantizeLinear become layers of integers; what is left of the two is
/// folded or becomes Maps.
void fuse_quantized(Graph& graph, Remarks& remarks, Budget budget = {});
/// Applies the operators' rewrite rules, and removes dead nodes, until nothing changes.
void simplify(Graph& graph, Remarks& remarks, Budget budget = {});
/// Elementwise nodes become Maps, and chains of Maps of one shape become one Map.
void fuse_maps(Graph& graph, Remarks& remarks, Budget budget = {});
/// A Map after a Conv, MatMul, Gemm, ... that nobody else reads becomes that node's epilogue.
void fuse_epilogues(Graph& graph, Remarks& remarks, Budget budget = {});
/// Chooses the order of axes per value.
Layouts assign_layouts(const Graph& graph);

// Graph to Plan, Plan to Plan ----------------------------------------------------------------------------------------

/// Every node becomes steps and views, by its operator's own `lower`.
Plan lower(const Graph& graph, const Layouts& layouts, Remarks& remarks);
/// A product with one value a channel goes into the convolutions that read it.
void absorb_scales(Plan& plan, Remarks& remarks, Budget budget = {});
/// The average of a convolution's result over its spatial axes is taken by the convolution itself.
void absorb_means(Plan& plan, Remarks& remarks, Budget budget = {});
/// What is cheap to compute and only a reduction reads is part of its expression.
void absorb_maps(Plan& plan, Remarks& remarks, Budget budget = {});
/// Orders the steps so that less memory is alive at once; dependencies hold.
void schedule(Plan& plan);
/// Marks convolutions whose result need never be there as a whole, because the next step can take it in strips.
void stream_strips(Plan& plan);
/// Weights that lose nothing in f16 or bf16 are kept so, where the runtime packs them anyway.
void narrow_weights(Plan& plan);
/// Convolutions and matrix products with constant weights may multiply bf16.
void allow_bf16(Plan& plan);
/// Steps of a tuned geometry run by what was measured to be the fastest; a remark for each, and if there is none.
void apply_tuning(Plan& plan, const Tuning& tuning, Remarks& remarks);
/// Lifetimes to arena offsets, 64-byte aligned.
void plan_memory(Plan& plan);
/// Lays out the constants: deduplicated, 64-byte aligned.
void pool_weights(Plan& plan);

// The whole ----------------------------------------------------------------------------------------------------------

struct PipelineOptions {
    Bindings bindings;
    std::vector<std::string> print_after;  ///< pass names, or "all"; printed to `dump`
    std::string stop_after;                ///< pass name; the Plan is then empty if it comes before lower
    bool time_passes = false;
    int bisect = -1;  ///< run only the first N rewrites of simplify and the fusions; -1 = all
    Tuning tuning = {};
    bool bf16 = false;  ///< products may be of bf16, where the processor has them
    bool fuse = true;   ///< false: skip simplify and whatever fuses or absorbs (for tests)
    std::FILE* dump = stderr;
    /// Called after every Graph pass, with its name; `check --passes` runs the interpreter here.
    std::function<void(const std::string& pass, const Graph& graph)> after;
};

struct PipelineResult {
    Graph graph;  ///< after the last graph pass
    Plan plan;
    std::vector<std::pair<std::string, double>> seconds;  ///< per pass
};

/// From an imported model to a Plan ready to run or emit. The IR is verified after every pass.
PipelineResult run_pipeline(Graph graph, const PipelineOptions& options, Remarks& remarks);

/// Throws std::logic_error that names the broken invariant: order, types, arity, unique producers, epilogue operands.
void verify(const Graph& graph);
/// Likewise for a Plan: operand ranges inside buffers, reads after writes, no two live buffers on the same bytes.
void verify(const Plan& plan);

}  // namespace igata
