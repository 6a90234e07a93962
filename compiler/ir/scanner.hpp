// Reads text forms token by token; every mistake is reported with line and column.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "compiler/ir/tensor.hpp"
#include "compiler/ir/type.hpp"

namespace igata {

/// A cursor over text. Spaces, newlines and comments (`;` to the end of the line) separate tokens.
class Scanner {
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    /// True if nothing but spaces and comments is left.
    bool at_end() const;
    /// True if `token` comes next; a token that ends in a letter must not run on as a longer word.
    bool peek(std::string_view token) const;
    /// Like peek, and moves past it.
    bool accept(std::string_view token);
    void expect(std::string_view token);

    /// A plain word: letters, digits, `_` and `.`, not starting with a digit.
    std::string word(std::string_view what);
    /// A word or a quoted string.
    std::string name(std::string_view what);
    bool peek_quoted() const;
    std::string quoted();
    /// The characters of a number, `inf`, `-inf` and `nan` included.
    std::string_view number(std::string_view what);
    std::int64_t integer(std::string_view what);
    double real(std::string_view what);
    /// `f32`, `i64`, ...
    DataType dtype();
    /// `f32[2,3]`; a bare `f32` is a scalar.
    ValueType type();
    /// `f32[2] {1,2}`; `#hash` in place of the elements gives zeros.
    Tensor tensor();

    /// The text of a comment on the rest of this line, without `;` and outer spaces; empty if there is none.
    std::string trailing_comment();
    /// Everything up to the end of the line, a comment, or any of `stops`.
    std::string_view rest_of_line(std::string_view stops = {});

    /// Where the next token begins.
    std::size_t position() const { return after_spaces(); }
    void rewind(std::size_t position) { position_ = position; }
    /// Throws std::invalid_argument: `line 3, column 7: <message>`.
    [[noreturn]] void fail(std::string_view message) const { fail_at(position(), message); }
    [[noreturn]] void fail_at(std::size_t position, std::string_view message) const;

private:
    std::size_t after_spaces() const;
    void skip_spaces();

    std::string_view text_;
    std::size_t position_ = 0;
};

/// True if `name` can stand in a text form as it is; `_` cannot, it means absence.
bool is_plain_name(std::string_view name);
/// In quotes, with escapes.
std::string print_quoted(std::string_view text);
/// The name as it is if plain, else in quotes.
std::string print_name(std::string_view name);
/// The shortest text that reads back as the same number, with a point or an exponent so that it is no integer.
std::string print_real(double value);
std::string print_real(float value);
/// `f32[2] {1,2}`; more than 16 elements print as `f32[100] #<hash>`.
std::string print_tensor(const Tensor& tensor);

}  // namespace igata
