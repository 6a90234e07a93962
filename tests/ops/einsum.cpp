// Einsum: values worked out by hand or with numpy; a random test of the plan against the definition.
#include <doctest/doctest.h>

#include <random>

#include "compiler/diagnostics.hpp"
#include "tests/ops/run_op.hpp"

using namespace igata;
using namespace igata::test;

namespace {

Tensor einsum(const char* equation, const std::vector<Tensor>& operands) {
    return run_single({"Einsum", operands, {{"equation", std::string(equation)}}});
}

const Tensor a = floats({2, 2}, {1, 2, 3, 4});
const Tensor b = floats({2, 3}, {1, 0, 2, 0, 1, 3});

}  // namespace

TEST_CASE("Einsum of one operand permutes, sums and takes diagonals") {
    CHECK(einsum("ij->ji", {b}) == floats({3, 2}, {1, 0, 0, 1, 2, 3}));
    CHECK(einsum("ij->j", {b}) == floats({3}, {1, 1, 5}));
    CHECK(einsum("ij->", {b}) == Tensor::scalar(7.0F));
    CHECK(einsum("ii", {a}) == Tensor::scalar(5.0F));
    CHECK(einsum("ii->i", {a}) == floats({2}, {1, 4}));
    CHECK(einsum("...ii->...i", {floats({2, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8})}) == floats({2, 2}, {1, 4, 5, 8}));
    CHECK(einsum("ba", {b}) == floats({3, 2}, {1, 0, 0, 1, 2, 3}));
    CHECK(einsum(" i j -> j i ", {b}) == floats({3, 2}, {1, 0, 0, 1, 2, 3}));
}

TEST_CASE("Einsum multiplies matrices, in any order and type") {
    const std::vector<float> product{1, 2, 8, 3, 4, 18};
    CHECK(einsum("ij,jk->ik", {a, b}) == floats({2, 3}, product));
    CHECK(einsum("ij,jk", {a, b}) == floats({2, 3}, product));
    CHECK(einsum("ij,jk->ki", {a, b}) == floats({3, 2}, {1, 3, 2, 4, 8, 18}));
    CHECK(einsum("i...,...k->ik...", {a, b}).dims() == Dims{2, 3, 2});
    for (const DataType dtype : {DataType::f64, DataType::f16, DataType::bf16, DataType::i32, DataType::u8})
        CHECK(einsum("ij,jk->ik", {a.cast(dtype), b.cast(dtype)}) == floats({2, 3}, product).cast(dtype));
    CHECK(einsum("i,j->ij", {floats({2}, {1, 2}), floats({2}, {3, 4})}) == floats({2, 2}, {3, 4, 6, 8}));
    CHECK(einsum("i,i", {floats({2}, {1, 2}), floats({2}, {3, 4})}) == Tensor::scalar(11.0F));
    CHECK(einsum("ij,kl->i", {a, b}) == floats({2}, {21, 49}));
    CHECK(einsum(",", {Tensor::scalar(3.0F), Tensor::scalar(4.0F)}) == Tensor::scalar(12.0F));
}

TEST_CASE("Einsum takes any number of operands, and broadcasts") {
    CHECK(einsum("ij,jk,kl->il", {a, b, floats({3, 1}, {1, 1, 1})}) == floats({2, 1}, {11, 25}));
    CHECK(einsum("i,i,i->i", {floats({2}, {1, 2}), floats({2}, {3, 4}), floats({2}, {5, 6})}) == floats({2}, {15, 48}));
    CHECK(einsum("...ij,...j->...i", {a.reshaped({1, 2, 2}), floats({2, 2}, {1, 0, 0, 1})}) ==
          floats({2, 2}, {1, 3, 2, 4}));
    CHECK(einsum("ij,ij->ij", {a, floats({1, 2}, {10, 1})}) == floats({2, 2}, {10, 2, 30, 4}));
}

TEST_CASE("Einsum over nothing is zero") {
    CHECK(einsum("ij,jk->ik", {Tensor(DataType::f32, {2, 0}), Tensor(DataType::f32, {0, 1})}) ==
          floats({2, 1}, {0, 0}));
    CHECK(einsum("ij->i", {Tensor(DataType::i32, {2, 0})}) == Tensor(DataType::i32, {2}));
    CHECK(einsum("ij,jk->ik", {Tensor(DataType::f32, {0, 2}), a}) == Tensor(DataType::f32, {0, 2}));
}

TEST_CASE("Einsum says what is wrong with an equation") {
    const auto refuses = [](const char* equation, const std::vector<Tensor>& operands, const char* message) {
        CHECK_THROWS_WITH_AS(einsum(equation, operands), message, BadInput);
    };
    refuses("ij,jk->ik", {a}, "Einsum 'node': equation 'ij,jk->ik' has 2 terms for 1 operands");
    refuses("ijk->i", {a}, "Einsum 'node': term 'ijk' does not fit an operand of rank 2");
    refuses("i1->i", {a}, "Einsum 'node': term 'i1' is not made of letters and one ellipsis");
    refuses("ij->k", {a}, "Einsum 'node': the result of equation 'ij->k' names 'k' that no operand has");
    refuses("ij->ii", {a}, "Einsum 'node': the result of equation 'ij->ii' names 'i' twice");
    refuses("ij,jk->ik", {b, a},
            "Einsum 'node': in equation 'ij,jk->ik', operand 1 of [2,2] has 2 where another has 3");
    refuses("i->->i", {floats({1}, {1})}, "Einsum 'node': term '->i' is not made of letters and one ellipsis");
}

TEST_CASE("Einsum of random equations: the plan does what the definition says") {
    std::mt19937 random(3);
    for (int round = 0; round < 60; ++round) {
        std::string equation, all;
        std::vector<Tensor> operands;
        for (auto count = 1 + random() % 3; count > 0; --count) {
            Dims dims;
            if (!operands.empty()) equation += ',';
            for (auto rank = random() % 4; rank > 0; --rank) {
                const char label = static_cast<char>('a' + random() % 5);
                equation += label;
                all += label;
                dims.push_back(1 + (label - 'a') % 3);
            }
            Tensor operand(DataType::f32, dims);
            for (float& value : operand.mutable_values<float>()) value = static_cast<float>(random() % 5) - 2;
            operands.push_back(operand);
        }
        equation += "->";
        for (char label = 'a'; label < 'f'; ++label)
            if (all.find(label) != std::string::npos && random() % 2 == 0) equation += label;
        CAPTURE(equation);
        einsum(equation.c_str(), operands);
    }
}
