// C++ identifiers from ONNX names.
#pragma once

#include <set>
#include <string>
#include <string_view>

namespace igata {

/// True for a C++ identifier that is no keyword and not reserved.
bool is_identifier(std::string_view name);

/// The name with every run of other characters as one underscore; never a keyword, never empty.
std::string to_identifier(std::string_view name);

/// Hands out identifiers of one scope: distinct names, even if they look alike, get distinct identifiers.
class Identifiers {
public:
    explicit Identifiers(std::set<std::string> taken = {}) : taken_(std::move(taken)) {}
    /// A new identifier like `name`; a taken one gets a number.
    std::string add(std::string_view name);

private:
    std::set<std::string> taken_;
};

/// A C++ string literal with quotes, of any bytes.
std::string quote_literal(std::string_view text);

}  // namespace igata
