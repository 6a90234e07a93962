// The equation of an Einsum, read: every axis of every operand and of the result has a label.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "compiler/ir/type.hpp"

namespace igata {

/// Labels are 0, 1, ... : first the axes of the ellipsis, then the letters in the order of their ASCII codes.
struct Equation {
    std::vector<std::vector<std::size_t>> terms;  ///< per operand, a label per axis
    std::vector<std::size_t> result;              ///< a label per axis of the result
    Dims extents;                                 ///< per label
};

namespace equation {

/// A term as written: its letters, and how many of them come before the ellipsis (npos: it has none).
struct Term {
    std::string letters;
    std::size_t ellipsis = std::string::npos;

    std::size_t ellipsis_rank(std::size_t rank) const {
        if (ellipsis == std::string::npos ? rank != letters.size() : rank < letters.size())
            throw std::invalid_argument(fmt::format("term '{}{}' does not fit an operand of rank {}", letters,
                                                    ellipsis == std::string::npos ? "" : "...", rank));
        return rank - letters.size();
    }
};

inline Term parse_term(std::string_view text) {
    Term term;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (std::isalpha(static_cast<unsigned char>(text[i])) != 0) {
            term.letters += text[i];
        } else if (text.substr(i, 3) == "..." && term.ellipsis == std::string::npos) {
            term.ellipsis = term.letters.size();
            i += 2;
        } else {
            throw std::invalid_argument(fmt::format("term '{}' is not made of letters and one ellipsis", text));
        }
    }
    return term;
}

inline std::vector<Term> parse_terms(std::string_view text) {
    std::vector<Term> terms;
    for (std::size_t begin = 0;;) {
        const std::size_t end = text.find(',', begin);
        terms.push_back(parse_term(text.substr(begin, end - begin)));
        if (end == std::string_view::npos) return terms;
        begin = end + 1;
    }
}

/// Without an arrow: the ellipsis, then the letters that occur once.
inline Term implicit_result(const std::vector<Term>& terms) {
    std::string letters;
    for (const Term& term : terms) letters += term.letters;
    std::sort(letters.begin(), letters.end());
    Term result;
    for (const char letter : letters)
        if (std::count(letters.begin(), letters.end(), letter) == 1) result.letters += letter;
    const bool open =
        std::any_of(terms.begin(), terms.end(), [](const Term& term) { return term.ellipsis != std::string::npos; });
    if (open) result.ellipsis = 0;
    return result;
}

}  // namespace equation

/// Reads an equation for operands of these dims. Throws std::invalid_argument that says what does not fit.
inline Equation parse_equation(std::string text, const std::vector<Dims>& operands) {
    std::erase(text, ' ');
    const std::size_t arrow = text.find("->");
    const std::vector<equation::Term> terms = equation::parse_terms(std::string_view(text).substr(0, arrow));
    if (terms.size() != operands.size())
        throw std::invalid_argument(
            fmt::format("equation '{}' has {} terms for {} operands", text, terms.size(), operands.size()));
    const equation::Term result = arrow == std::string::npos
                                      ? equation::implicit_result(terms)
                                      : equation::parse_term(std::string_view(text).substr(arrow + 2));
    std::size_t open = 0;  // axes of the ellipsis
    std::array<std::size_t, 128> label_of{};
    std::string letters;
    for (std::size_t i = 0; i < terms.size(); ++i) {
        open = std::max(open, terms[i].ellipsis_rank(operands[i].size()));
        letters += terms[i].letters;
    }
    std::sort(letters.begin(), letters.end());
    letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
    for (std::size_t i = 0; i < letters.size(); ++i) label_of[static_cast<std::size_t>(letters[i])] = open + i;

    Equation e;
    e.extents.assign(open + letters.size(), 1);
    const auto labels = [&](const equation::Term& term, std::size_t ellipsis_rank) {
        std::vector<std::size_t> list;
        for (const char letter : term.letters) list.push_back(label_of[static_cast<std::size_t>(letter)]);
        const auto at = list.begin() + static_cast<std::ptrdiff_t>(std::min(term.ellipsis, list.size()));
        std::vector<std::size_t> inner(ellipsis_rank);  // aligned at the end, as in broadcasting
        for (std::size_t i = 0; i < ellipsis_rank; ++i) inner[i] = open - ellipsis_rank + i;
        list.insert(at, inner.begin(), inner.end());
        return list;
    };
    for (std::size_t i = 0; i < terms.size(); ++i) {
        e.terms.push_back(labels(terms[i], operands[i].size() - terms[i].letters.size()));
        for (std::size_t axis = 0; axis < operands[i].size(); ++axis) {
            std::int64_t& extent = e.extents[e.terms[i][axis]];
            const std::int64_t dim = operands[i][axis];
            if (extent == 1) extent = dim;
            if (dim != extent && dim != 1)
                throw std::invalid_argument(
                    fmt::format("in equation '{}', operand {} of {} has {} where another has {}", text, i,
                                to_string(operands[i]), dim, extent));
        }
    }
    for (std::size_t i = 0; i < result.letters.size(); ++i)
        if (letters.find(result.letters[i]) == std::string::npos || result.letters.find(result.letters[i]) != i)
            throw std::invalid_argument(
                fmt::format("the result of equation '{}' names '{}' {}", text, result.letters[i],
                            letters.find(result.letters[i]) == std::string::npos ? "that no operand has" : "twice"));
    e.result = labels(result, result.ellipsis == std::string::npos ? 0 : open);
    return e;
}

}  // namespace igata
