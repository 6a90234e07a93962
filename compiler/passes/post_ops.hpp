// An epilogue as post-ops of a primitive, found structurally:
//
//     x0 * sigmoid(x0)          [swish]
//     max(x0 + x1, 0)           [add x1, relu]
//     round(min(max(x0, 0), 6)) [clip 0 6], and the rest round(x0) is left
//
// No operator is named here: compositions are recognised by what they compute.
#pragma once

#include <functional>
#include <vector>

#include "compiler/ir/expr.hpp"
#include "runtime/specs.hpp"

namespace igata {

struct PostOpTerm {
    runtime::PostOp op;  ///< without its operand
    int operand = 0;     ///< binary: k of its operand xk
};

struct PostOps {
    std::vector<PostOpTerm> terms;  ///< in the order of application
    ExprPtr rest;  ///< what remains to be computed, x0 = the result after the terms; null if nothing does
};

/// Covers as much of `epilogue` (over x0 and operands xk) as it can with at most `limit` terms. `readable` says whether
/// xk may be the operand of a binary post-op.
PostOps derive_post_ops(const ExprPtr& epilogue, const std::function<bool(int)>& readable, std::size_t limit);

}  // namespace igata
