#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "compiler/ir/expr.hpp"

using namespace igata;

namespace {

std::string printed(std::string_view text) { return expr::print(expr::parse(text)); }
std::string simplified(std::string_view text) { return expr::print(expr::simplify(expr::parse(text))); }

}  // namespace

TEST_CASE("expressions print with the fewest parentheses that keep their meaning") {
    CHECK(printed("(x0+x1)*x2") == "(x0 + x1) * x2");
    CHECK(printed("x0+(x1*x2)") == "x0 + x1 * x2");
    CHECK(printed("x0-(x1-x2)") == "x0 - (x1 - x2)");
    CHECK(printed("(x0-x1)-x2") == "x0 - x1 - x2");
    CHECK(printed("x0/(x1/x2)") == "x0 / (x1 / x2)");
    CHECK(printed("-x0*x1") == "-x0 * x1");
    CHECK(printed("-(x0*x1)") == "-(x0 * x1)");
    CHECK(printed("x0 - -x1") == "x0 - -x1");
    CHECK(printed("select(x0<0,alpha*x0,x0)") == "select(x0 < 0, alpha * x0, x0)");
    CHECK(printed("(x0 < x1) == (x1 >= 2)") == "x0 < x1 == (x1 >= 2)");
    CHECK(printed("cast<i64>( max(x0, 0.5) )") == "cast<i64>(max(x0, 0.5))");
    CHECK(printed("logical_and(x0, logical_not(x1))") == "logical_and(x0, logical_not(x1))");
    CHECK(printed("add(x0, mul(x1, 2))") == "x0 + x1 * 2");
}

TEST_CASE("constants print and parse back to the same value") {
    for (const double value :
         {0.0, -0.0, 1.0, 0.1, -2.5e-300, 1e20, 6.02e23, 1.0 / 3.0, std::numeric_limits<double>::infinity(),
          -std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
        const ExprPtr e = expr::make(ExprOp::sub, {expr::operand(0), expr::constant(value)});
        CHECK_MESSAGE(expr::equal(expr::parse(expr::print(e)), e), expr::print(e));
    }
    for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-7}, std::numeric_limits<std::int64_t>::max(),
                                     std::numeric_limits<std::int64_t>::min()}) {
        const ExprPtr e = expr::make(ExprOp::neg, {expr::constant(value)});
        CHECK_MESSAGE(expr::equal(expr::parse(expr::print(e)), e), expr::print(e));
        CHECK(expr::parse(expr::print(e))->args[0]->integer == value);
    }
    CHECK_FALSE(expr::equal(expr::constant(0.0), expr::constant(-0.0)));
    CHECK_FALSE(expr::equal(expr::constant(1.0), expr::constant(std::int64_t{1})));
}

TEST_CASE("every operation survives print and parse") {
    for (auto op = ExprOp::neg; op <= ExprOp::select; op = static_cast<ExprOp>(static_cast<int>(op) + 1)) {
        if (op == ExprOp::cast) continue;
        std::vector<ExprPtr> args;
        for (std::size_t i = 0; i < arity(op); ++i) args.push_back(expr::operand(static_cast<int>(i)));
        const ExprPtr e = expr::make(op, args);
        CHECK_MESSAGE(expr::equal(expr::parse(expr::print(e)), e), expr::print(e));
        CHECK_THROWS_AS(expr::make(op, {}), std::invalid_argument);
    }
}

TEST_CASE("a mistake in an expression is reported with its column") {
    CHECK_THROWS_WITH(expr::parse("x0 +"), "expression column 5: unexpected end");
    CHECK_THROWS_WITH(expr::parse("x0 + )"), "expression column 6: unexpected ')'");
    CHECK_THROWS_WITH(expr::parse("x0 x1"), "expression column 4: unexpected 'x'");
    CHECK_THROWS_WITH(expr::parse("1 + foo(x0)"), "expression column 5: unknown function 'foo'");
    CHECK_THROWS_WITH(expr::parse("max(x0)"), "expression column 1: max takes 2 arguments, got 1");
    CHECK_THROWS_WITH(expr::parse("cast<f31>(x0)"), "expression column 6: unknown type 'f31'");
    CHECK_THROWS_WITH(expr::parse("(x0"), "expression column 4: expected ')'");
}

TEST_CASE("types: constants take the type of what they meet, predicates are bool") {
    const auto type = [](std::string_view text, std::vector<DataType> operands) {
        return expr::type_of(expr::parse(text), operands);
    };
    CHECK(type("x0 * 2 + 0.5", {DataType::f16}) == DataType::f16);
    CHECK(type("1 + 2", {}) == DataType::i64);
    CHECK(type("1 + 2.0", {}) == DataType::f32);
    CHECK(type("x0 < 1", {DataType::i8}) == DataType::boolean);
    CHECK(type("select(x0, x1, 0)", {DataType::boolean, DataType::u8}) == DataType::u8);
    CHECK(type("cast<i64>(x0) * 2", {DataType::f32}) == DataType::i64);
    CHECK_THROWS_WITH(type("x0 + x1", {DataType::f32, DataType::i64}), "add of f32 and i64");
    CHECK_THROWS_WITH(type("select(x0, x0, x0)", {DataType::f32}), "select needs a bool, got f32");
    CHECK_THROWS_WITH(type("x1", {DataType::f32}), "x1 is used but there are 1 operands");
    const std::vector<DataType> f64{DataType::f64};
    const ExprPtr typed = expr::typed(expr::parse("select(x0 < 3, 1, x0)"), f64);
    CHECK(typed->args[0]->args[1]->dtype == DataType::f64);
    CHECK(typed->args[1]->dtype == DataType::f64);
    CHECK(typed->args[0]->dtype == DataType::boolean);
}

TEST_CASE("typed constants are numbers of their type") {
    const auto bound = [](DataType dtype, std::string_view text) {
        const std::vector<DataType> types{dtype};
        const ExprPtr constant = expr::typed(expr::parse(text), types)->args[1];
        CHECK(constant->is_integer);
        return constant->integer;
    };
    CHECK(bound(DataType::u8, "max(x0, -1)") == 255);
    CHECK(bound(DataType::u8, "max(x0, -1.5)") == 0);
    CHECK(bound(DataType::i32, "min(x0, inf)") == 2147483647);
    CHECK(bound(DataType::i64, "min(x0, 2.75)") == 2);
    CHECK(bound(DataType::boolean, "x0 == 0.5") == 1);
    CHECK(bound(DataType::u64, "min(x0, inf)") == -1);
}

TEST_CASE("operands and parameters are replaced, shared parts stay shared") {
    const ExprPtr swish = expr::parse("x0 * sigmoid(beta * x0)");
    const ExprPtr inner = expr::parse("x0 + x1");
    const ExprPtr fused = expr::replace_operands(expr::substitute(swish, {{"beta", 1.5}}), std::vector<ExprPtr>{inner});
    CHECK(expr::print(fused) == "(x0 + x1) * sigmoid(1.5 * (x0 + x1))");
    CHECK(expr::operand_count(fused) == 2);
    CHECK(expr::uses(fused, 1));
    CHECK_FALSE(expr::uses(fused, 2));
    CHECK(expr::cost(fused) == 4);
    CHECK(expr::cost(expr::parse(expr::print(fused))) == 4);
    CHECK(expr::print(expr::replace_operands(inner, std::vector<ExprPtr>{nullptr, swish})) ==
          "x0 + x0 * sigmoid(beta * x0)");
    ExprPtr deep = expr::operand(0);
    for (int i = 0; i < 100; ++i)
        deep = expr::replace_operands(expr::parse("x0 * tanh(x0)"), std::vector<ExprPtr>{deep});
    CHECK(expr::cost(expr::simplify(deep)) == 200);
}

TEST_CASE("simplify changes no result") {
    CHECK(simplified("x0 * 1") == "x0");
    CHECK(simplified("1.0 * x0 / 1") == "x0");
    CHECK(simplified("x0 + 0") == "x0 + 0");
    CHECK(simplified("x0 + 0.0") == "x0 + 0.0");
    CHECK(simplified("x0 - 0") == "x0");
    CHECK(simplified("x0 - -0.0") == "x0 - -0.0");
    CHECK(simplified("2 * 3 + x0") == "6 + x0");
    CHECK(simplified("7 / 2 + x0") == "7 / 2 + x0");
    CHECK(simplified("1 / 4.0 * x0") == "0.25 * x0");
    CHECK(simplified("--x0") == "x0");
    CHECK(simplified("pow(x0 + 1, 2)") == "(x0 + 1) * (x0 + 1)");
    CHECK(simplified("pow(x0, 3)") == "x0 * x0 * x0");
    CHECK(simplified("select(abs(0.5 - 0.25) < 0.3, x0, x1)") == "x0");
    CHECK(simplified("select(2 <= 1, x0, x1)") == "x1");
    CHECK(simplified("select(1, x0, x1)") == "x0");
    CHECK(simplified("select(x2, x0 * 1, x0)") == "x0");
    CHECK(simplified("max(-inf, min(x0, inf))") == "x0");
    CHECK(simplified("min(6, min(max(0, max(x0, -1)), 7))") == "min(max(x0, 0), 6)");
    CHECK(simplified("cast<i64>(cast<i64>(x0))") == "cast<i64>(x0)");
    CHECK(simplified("9223372036854775807 + 1 + x0") == "9223372036854775807 + 1 + x0");
}

TEST_CASE("patterns bind parameters and operands, commutative operations either way round") {
    const auto match = [](std::string_view pattern, std::string_view text) {
        return expr::match(expr::parse(pattern), expr::parse(text));
    };
    const auto swish = match("x0 * sigmoid(alpha * x0)", "sigmoid((x0 + x1) * 1.702) * (x0 + x1)");
    REQUIRE(swish);
    CHECK(swish->parameters.at("alpha") == 1.702);
    CHECK(expr::print(swish->operands[0]) == "x0 + x1");
    CHECK_FALSE(match("x0 * sigmoid(x0)", "x0 * sigmoid(x1)"));
    CHECK_FALSE(match("max(x0, alpha)", "max(x0, x1)"));
    CHECK(match("min(max(x0, a), a)", "min(max(x0, 2), 2.0)"));
    CHECK_FALSE(match("min(max(x0, a), a)", "min(max(x0, 2), 3)"));
    CHECK(match("select(x0 > 0, x0, a * x0)", "select(0 < x3, x3, x3 * 0.01)"));
    CHECK_FALSE(match("select(x0 > 0, x0, a * x0)", "select(x3 < 0, x3, x3 * 0.01)"));
    CHECK_FALSE(match("x0 - x1 * a", "2 * x1 + x0"));
    CHECK(match("x0 * 0.7071067811865476", "x0 * 0.7071067690849304"));
    CHECK_FALSE(match("cast<i32>(x0)", "cast<i64>(x0)"));
    // Needs the second arrangement of the outer sum after the first one has bound x0.
    CHECK(match("x0 + exp(x0)", "exp(exp(x1)) + exp(x1)"));
}
