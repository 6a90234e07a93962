// The last move of a rewrite rule.
#pragma once

#include <optional>
#include <string>

#include "compiler/ops/op.hpp"

namespace igata {

/// What a rule returns that refuses without a word: the pattern is there, but not worth a remark.
inline std::optional<std::string> not_worth_it() { return std::string(); }

/// Everybody who read `from` now reads `to`; the makers of `from` are dead if nothing else keeps them.
inline std::optional<std::string> replace(RuleMatch& match, ValueId from, ValueId to) {
    match.graph.replace_uses(from, to);
    return std::nullopt;
}

}  // namespace igata
