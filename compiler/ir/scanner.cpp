#include "compiler/ir/scanner.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace igata {

namespace {

constexpr std::int64_t most_printed_elements = 16;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_word(char c) { return is_word_start(c) || is_digit(c) || c == '.'; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

/// FNV-1a.
std::uint64_t hash_of(std::span<const std::byte> bytes) {
    std::uint64_t hash = 14695981039346656037ULL;
    for (const std::byte byte : bytes) hash = (hash ^ static_cast<std::uint64_t>(byte)) * 1099511628211ULL;
    return hash;
}

template <class T>
std::string print_element(T value) {
    if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
    else if constexpr (is_small_type<T>) return fmt::format("{}", value.value());
    else if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
        return fmt::format("{}", static_cast<float>(value));
    else return fmt::format("{}", value);
}

template <class T>
T read_element(Scanner& scanner) {
    if constexpr (is_small_type<T>) return T::of(read_element<typename T::Value>(scanner));
    else if constexpr (std::is_same_v<T, bool>) {
        if (scanner.accept("true")) return true;
        if (scanner.accept("false")) return false;
        return scanner.integer("an element") != 0;
    } else if constexpr (std::is_integral_v<T>) {
        const std::string_view digits = scanner.number("an element");
        T value{};
        const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (result.ec != std::errc{} || result.ptr != digits.data() + digits.size())
            scanner.fail("expected an integer element that fits the type");
        return value;
    } else if constexpr (std::is_same_v<T, double>) {
        return scanner.real("an element");
    } else {
        return T(static_cast<float>(scanner.real("an element")));
    }
}

template <class T>
std::string with_point(T value) {
    std::string text = fmt::format("{}", value);
    if (text.find_first_of(".en") == std::string::npos) text += ".0";
    return text;
}

}  // namespace

void Scanner::fail_at(std::size_t position, std::string_view message) const {
    const std::string_view before = text_.substr(0, position);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const std::size_t last = before.rfind('\n');
    const std::size_t column = last == std::string_view::npos ? before.size() + 1 : before.size() - last;
    throw std::invalid_argument(fmt::format("line {}, column {}: {}", line, column, message));
}

std::size_t Scanner::after_spaces() const {
    std::size_t at = position_;
    while (at < text_.size()) {
        if (text_[at] == ';') at = std::min(text_.find('\n', at), text_.size());
        else if (is_space(text_[at])) ++at;
        else break;
    }
    return at;
}

void Scanner::skip_spaces() { position_ = after_spaces(); }

bool Scanner::at_end() const { return after_spaces() == text_.size(); }

bool Scanner::peek(std::string_view token) const {
    const std::size_t begin = after_spaces();
    if (!text_.substr(begin).starts_with(token)) return false;
    const std::size_t end = begin + token.size();
    return !is_word(token.back()) || token.back() == '.' || end == text_.size() || !is_word(text_[end]);
}

bool Scanner::accept(std::string_view token) {
    if (!peek(token)) return false;
    position_ = after_spaces() + token.size();
    return true;
}

void Scanner::expect(std::string_view token) {
    if (!accept(token)) fail(fmt::format("expected '{}'", token));
}

std::string Scanner::word(std::string_view what) {
    skip_spaces();
    const std::size_t begin = position_;
    if (begin == text_.size() || !is_word_start(text_[begin])) fail(fmt::format("expected {}", what));
    while (position_ < text_.size() && is_word(text_[position_])) ++position_;
    return std::string(text_.substr(begin, position_ - begin));
}

std::string Scanner::name(std::string_view what) { return peek_quoted() ? quoted() : word(what); }

bool Scanner::peek_quoted() const { return peek("\""); }

std::string Scanner::quoted() {
    expect("\"");
    std::string result;
    while (position_ < text_.size() && text_[position_] != '"') {
        char c = text_[position_++];
        if (c == '\\') {
            if (position_ == text_.size()) break;
            c = text_[position_++];
            if (c == 'n') c = '\n';
            else if (c == 't') c = '\t';
            else if (c == 'x') {
                unsigned code = 0;
                const std::string_view digits = text_.substr(position_, 2);
                if (std::from_chars(digits.data(), digits.data() + digits.size(), code, 16).ptr != digits.data() + 2)
                    fail("expected two hexadecimal digits after \\x");
                c = static_cast<char>(code);
                position_ += 2;
            }
        }
        result += c;
    }
    if (position_ == text_.size()) fail("a quoted string does not end");
    ++position_;
    return result;
}

std::string_view Scanner::number(std::string_view what) {
    skip_spaces();
    std::size_t end = position_;
    if (end < text_.size() && text_[end] == '-') ++end;
    const std::size_t first = end;
    while (end < text_.size() && (is_word(text_[end]) || ((text_[end] == '-' || text_[end] == '+') && end > first &&
                                                          (text_[end - 1] == 'e' || text_[end - 1] == 'E'))))
        ++end;
    const std::string_view token = text_.substr(position_, end - position_);
    const std::string_view digits = text_.substr(first, end - first);
    if (digits.empty() || (!is_digit(digits[0]) && digits[0] != '.' && digits != "inf" && digits != "nan"))
        fail(fmt::format("expected {}", what));
    position_ = end;
    return token;
}

std::int64_t Scanner::integer(std::string_view what) {
    skip_spaces();
    const std::size_t begin = position_;
    const std::string_view token = number(what);
    std::int64_t value = 0;
    const auto result = std::from_chars(token.data(), token.data() + token.size(), value);
    if (result.ec != std::errc{} || result.ptr != token.data() + token.size())
        fail_at(begin, fmt::format("expected {}, an integer", what));
    return value;
}

double Scanner::real(std::string_view what) {
    skip_spaces();
    const std::size_t begin = position_;
    const std::string_view token = number(what);
    double value = 0.0;
    const auto result = std::from_chars(token.data(), token.data() + token.size(), value);
    if (result.ec != std::errc{} || result.ptr != token.data() + token.size())
        fail_at(begin, fmt::format("expected {}, a number", what));
    return value;
}

DataType Scanner::dtype() {
    skip_spaces();
    const std::size_t begin = position_;
    const DataType result = accept("?") ? DataType::undefined : data_type_from_name(word("an element type"));
    if (result == DataType::undefined && text_[begin] != '?') fail_at(begin, "unknown element type");
    return result;
}

ValueType Scanner::type() {
    ValueType result{dtype(), {}};
    if (!accept("[")) return result;
    while (!accept("]")) {
        if (!result.dims.empty()) expect(",");
        const std::int64_t dim = integer("a dim");
        if (dim < 0) fail("expected a dim of 0 or more");
        result.dims.push_back(dim);
    }
    return result;
}

Tensor Scanner::tensor() {
    const ValueType wanted = type();
    if (!wanted.known()) fail("a constant needs an element type");
    Tensor result(wanted.dtype, wanted.dims);
    if (accept("#")) {
        while (position_ < text_.size() && is_word(text_[position_])) ++position_;
        return result;
    }
    expect("{");
    visit_any_dtype(wanted.dtype, [&]<class T>() {
        auto elements = result.mutable_values<T>();
        for (std::size_t i = 0; i < elements.size(); ++i) {
            if (i > 0) expect(",");
            elements[i] = read_element<T>(*this);
        }
    });
    if (!accept("}")) fail(fmt::format("expected '}}' after {} elements", result.count()));
    return result;
}

std::string Scanner::trailing_comment() {
    std::size_t at = position_;
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    if (at == text_.size() || text_[at] != ';') return {};
    position_ = std::min(text_.find('\n', at), text_.size());
    std::string_view comment = text_.substr(at + 1, position_ - at - 1);
    while (!comment.empty() && is_space(comment.front())) comment.remove_prefix(1);
    while (!comment.empty() && is_space(comment.back())) comment.remove_suffix(1);
    return std::string(comment);
}

std::string_view Scanner::rest_of_line(std::string_view stops) {
    const std::size_t begin = position_;
    while (position_ < text_.size() && text_[position_] != '\n' && text_[position_] != ';' &&
           stops.find(text_[position_]) == std::string_view::npos)
        ++position_;
    return text_.substr(begin, position_ - begin);
}

bool is_plain_name(std::string_view name) {
    return !name.empty() && name != "_" && is_word_start(name[0]) && std::all_of(name.begin(), name.end(), is_word);
}

std::string print_quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') (result += '\\') += c;
        else if (c == '\n') result += "\\n";
        else if (c == '\t') result += "\\t";
        else if (static_cast<unsigned char>(c) < 0x20) result += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
        else result += c;
    }
    return result + '"';
}

std::string print_name(std::string_view name) { return is_plain_name(name) ? std::string(name) : print_quoted(name); }

std::string print_real(double value) { return with_point(value); }
std::string print_real(float value) { return with_point(value); }

std::string print_tensor(const Tensor& tensor) {
    std::string result = to_string(tensor.type());
    if (tensor.count() > most_printed_elements) return fmt::format("{} #{:016x}", result, hash_of(tensor.bytes()));
    result += " {";
    visit_any_dtype(tensor.dtype(), [&]<class T>() {
        bool first = true;
        for (const T value : tensor.values<T>()) {
            if (!first) result += ",";
            result += print_element(value);
            first = false;
        }
    });
    return result + "}";
}

}  // namespace igata
