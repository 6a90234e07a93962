#include <doctest/doctest.h>

#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"

using namespace igata;

namespace {

/// The inputs of a graph after binding, as text.
std::string bound(const std::string& inputs, const Bindings& bindings, Remarks* remarks = nullptr) {
    Remarks ignored;
    Graph graph = parse_graph("graph (" + inputs + ") -> () {}");
    bind_dims(graph, bindings, remarks ? *remarks : ignored);
    const std::string text = print(graph);
    return text.substr(text.find('(') + 1, text.find(')') - text.find('(') - 1);
}

}  // namespace

TEST_CASE("bind_dims gives a symbol its number wherever it stands") {
    CHECK(bound("x: f32[N,3,H,H], y: i64[N]", {{"N", 4}, {"H", 32}}) == "x: f32[4,3,32,32], y: i64[4]");
    CHECK(bound("x: f32[N,2], y: f32[2,N]", {{"y:1", 4}}) == "x: f32[4,2], y: f32[2,4]");
}

TEST_CASE("bind_dims takes dims without a usable symbol by input and axis") {
    CHECK(bound(R"(x: f32[1,?,"?",""])", {{"x:1", 2}, {"x:2", 3}, {"x:3", 4}}) == "x: f32[1,2,3,4]");
    CHECK(bound("x: f32[d,d,d]", {{"x:0", 1}, {"x:1", 2}, {"x:2", 3}}) == "x: f32[1,2,3]");
    CHECK(bound("\"in:0\": f32[2,n]", {{"in:0:1", 5}}) == "\"in:0\": f32[2,5]");
    CHECK(bound("x: f32[2,n]", {{"x:0", 2}, {"n", 3}}) == "x: f32[2,3]");
}

TEST_CASE("bind_dims takes an unbound batch as 1, with a remark") {
    Remarks remarks;
    CHECK(bound("x: f32[unk__1292,224,224,3], y: f32[?]", {}, &remarks) == "x: f32[1,224,224,3], y: f32[1]");
    REQUIRE(remarks.all().size() == 2);
    CHECK(remarks.all()[0].message == "unbound batch dim 'unk__1292' is taken as 1");
    CHECK(remarks.all()[0].node == "x:0");
    CHECK(remarks.all()[1].message == "unbound batch dim is taken as 1");
    CHECK(bound("x: f32[N,N]", {}) == "x: f32[1,1]");
}

TEST_CASE("bind_dims lists every other unbound dim in one error") {
    CHECK_THROWS_WITH(bound("x: f32[N,3,H,W], m: i64[1,?,H]", {}),
                      "the model leaves open H (x:2), W (x:3), m:1, H (m:2); choose them, for example: "
                      "--bind H=224 W=224 m:1=1");
    CHECK_THROWS_WITH(bound("x: f32[d,d,d]", {{"x:1", 2}, {"x:2", 3}, {"d", 1}, {"e", 1}}),
                      "--bind e=1 names no dim of the model; it has d (x:0), d (x:1), d (x:2)");
}

TEST_CASE("bind_dims refuses a binding that cannot be") {
    CHECK_THROWS_WITH(bound("x: f32[N,3]", {{"M", 4}}), "--bind M=4 names no dim of the model; it has N (x:0)");
    CHECK_THROWS_WITH(bound("x: f32[1,3]", {{"x:2", 4}}),
                      "--bind x:2=4 names no dim of the model; it has no dim to bind");
    CHECK_THROWS_WITH(bound("x: f32[1,3]", {{"x:1", 4}}), "--bind x:1=4: the model fixes this dim at 3");
    CHECK_THROWS_WITH(bound("x: f32[N,3]", {{"N", 0}}), "--bind N=0: a dim is at least 1");
    try {
        bound("x: f32[1,n]", {});
        FAIL("an unbound dim passed");
    } catch (const Error& error) {
        CHECK(error.code() == ExitCode::usage);
    }
}
