// absorb_scales and absorb_means: squeeze-excite's passes over whole tensors go into the convolutions around them.
// absorb_maps: what a reduction reads is computed by it.
#include <doctest/doctest.h>

#include <random>

#include <fmt/format.h>

#include "compiler/driver/plan_engine.hpp"
#include "tests/passes/before_after.hpp"
#include "tests/passes/lowering.hpp"

using namespace igata;

namespace {

/// What the two passes make of the steps over these buffers; `refused` gets why they did not.
std::string absorbed(const std::string& steps, std::string* refused = nullptr) {
    Plan plan = parse_plan(R"(plan p arena=0 weights=0 {
  in0 = input x f32[2,4,4,3] declared=[2,4,4,3]
  out0 = output y f32[2,4,4,3] declared=[2,4,4,3]
  b1 = buffer f32 384
  b2 = buffer f32 384
  b3 = buffer f32 384
  b4 = buffer f32 64
  w1 = weights f32[3,3,1,1] {1,2,3,4,5,6,7,8,9}
  w2 = weights f32[3,1,1,1] {1,2,3}
)" + steps + "}\n");
    verify(plan);
    Remarks remarks;
    absorb_scales(plan, remarks);
    absorb_means(plan, remarks);
    verify(plan);
    std::string reasons;
    for (const Remark& remark : remarks.all())
        if (remark.refused) reasons += remark.message;
    if (refused != nullptr) *refused = reasons;
    return steps_of(plan);
}

const std::string tensor = "f32[2,3,4,4]@nhwc";
/// A step by what differs; b1 holds the tensor, b4 one value a channel, b2 their product.
const std::string make_b1 =
    "  convolution first src=in0:" + tensor + " weights=w1:f32[3,3,1,1] dst=b1:" + tensor + "\n";
const std::string mean = "  loop mean [2,3|16] x0=b1:f32(48,1,3) dst=b4:f32(3,1,0) sum f32 {x0} then {x0 * 0.0625}\n";
const std::string product = "  loop product [2,16,3] x0=b1:f32(48,3,1) x1=b4:f32(3,0,1) dst=b2:f32(48,3,1) {x0 * x1}\n";
const std::string last = "  convolution last src=b2:" + tensor + " weights=w1:f32[3,3,1,1] dst=out0:" + tensor + "\n";
const std::string first_with_mean =
    "convolution first src=in0:" + tensor + " weights=w1:f32[3,3,1,1] dst=b1:" + tensor + " mean=";

void check_refused(const std::string& steps, const std::string& reason) {
    std::string refused;
    const std::string after = absorbed(steps, &refused);
    CAPTURE(after);
    CHECK(refused.find(reason) != std::string::npos);
    if (reason.empty()) CHECK(refused.empty());
}

}  // namespace

TEST_CASE("absorb: the product and the mean around a gate go into the convolutions") {
    CHECK(absorbed(make_b1 + mean + product + last) ==
          first_with_mean + "b2:f32[2,3,1,1]\nconvolution last src=b1:" + tensor +
              " weights=w1:f32[3,3,1,1] dst=out0:" + tensor + " scale=b2:f32[2,3,1,1]\n");
}

TEST_CASE("absorb: a product is taken in whichever factor comes first, for one image's scale, and by every reader") {
    const auto scale_in = [](const std::string& loop, const std::string& more = "") {
        const std::string text = absorbed(make_b1 + mean + loop + more + last);
        CHECK(text.find("loop") == std::string::npos);
        return text.substr(text.rfind("scale="));
    };
    CHECK(scale_in(product) == "scale=b2:f32[2,3,1,1]\n");
    CHECK(scale_in("  loop product [2,16,3] x0=b4:f32(3,0,1) x1=b1:f32(48,3,1) dst=b2:f32(48,3,1) {x0 * x1}\n") ==
          "scale=b2:f32[2,3,1,1]\n");
    CHECK(scale_in("  loop product [32,3] x0=b1:f32(3,1) x1=b4+12:f32(0,1) dst=b2:f32(3,1) {x1 * x0}\n") ==
          "scale=b2+12:f32[1,3,1,1]\n");
    const std::string other =
        "  convolution other src=b2:" + tensor + " weights=w1:f32[3,3,1,1] dst=b3:" + tensor + "\n";
    CHECK(scale_in(product, other) == "scale=b3:f32[2,3,1,1]\n");
}

TEST_CASE("absorb: a product is read in the layout that its factor has") {
    const std::string text =
        absorbed(make_b1 + mean +
                 "  loop product [2,3,16] x0=in0:f32(48,16,1) x1=b4:f32(3,1,0) dst=b2:f32(48,1,3) {x0 * x1}\n" + last);
    CHECK(text.find("last src=in0:f32[2,3,4,4] weights") != std::string::npos);
}

TEST_CASE("absorb: a product stays where something else needs it") {
    check_refused(make_b1 + mean + product + last + "  loop copy [96] x0=b2:f32(1) dst=b3:f32(1) {x0}\n",
                  "'copy' uses it too");
    check_refused(make_b1 + mean + product + "  convolution last src=b2:" + tensor +
                      " weights=w2:f32[3,1,1,1] dst=out0:" + tensor + " groups=3\n",
                  "'last' has 3 groups");
    check_refused(make_b1 + mean + product + "  convolution last src=b2:" + tensor +
                      " weights=w1:f32[3,3,1,1] dst=out0:" + tensor + " epilogue=[add(b2:" + tensor + ")]\n",
                  "'last' reads it in two places");
    check_refused(make_b1 + mean +
                      "  loop product [2,16,3] x0=b1:f32(48,3,1) x1=b4:f32(3,0,1) dst=out0:f32(48,3,1) {x0 * x1}\n" +
                      "  convolution last src=out0:" + tensor + " weights=w1:f32[3,3,1,1] dst=b3:" + tensor + "\n",
                  "it is an output");
    check_refused(make_b1 + mean + product + product.substr(0, 7) + "again" + product.substr(14) + last,
                  "'again' uses it too");
}

TEST_CASE("absorb: a product stays where its factors are overwritten before the convolution") {
    const std::string over = "  convolution over src=in0:" + tensor + " weights=w1:f32[3,3,1,1] dst=b1:" + tensor;
    check_refused(make_b1 + mean + product + over + " epilogue=[sum]\n" + last, "'b1' is overwritten before 'last'");
    check_refused(make_b1 + mean + product + "  loop zero [6] dst=b4:f32(1) {0.0}\n" + last,
                  "'b4' is overwritten before 'last'");
    // The convolution itself, over what it would read.
    check_refused(make_b1 + mean + product + "  convolution last src=b2:" + tensor +
                      " weights=w1:f32[3,3,1,1] dst=b1:" + tensor +
                      " epilogue=[sum]\n  loop out [96] x0=b1:f32(1) dst=out0:f32(1) {x0}\n",
                  "'b1' is overwritten before 'last'");
}

TEST_CASE("absorb: only a product with one value a channel is a scale") {
    const auto stays = [](const std::string& loop) {
        check_refused(make_b1 + mean + loop + last, "");
        CHECK(absorbed(make_b1 + mean + loop + last).find("loop product") != std::string::npos);
    };
    stays("  loop product [2,16,3] x0=b1:f32(48,3,1) x1=b4:f32(3,0,1) dst=b2:f32(48,3,1) {x0 + x1}\n");
    stays("  loop product [2,16,3] x0=b1:f32(48,3,1) x1=b4:f32(3,0,1) dst=b2:f32(48,3,1) {max(x0 * x1, 0)}\n");
    stays("  loop product [96] x0=b1:f32(1) x1=in0:f32(1) dst=b2:f32(1) {x0 * x1}\n");
    stays("  loop product [2,16,3] x0=b1:f32(48,3,1) x1=b4:f32(0,1,0) dst=b2:f32(48,3,1) {x0 * x1}\n");
    stays("  loop product [2,16,3] x0=b1:f32(48,3,1) x1=b4:i32(3,0,1) dst=b2:f32(48,3,1) {x0 * cast<f32>(x1)}\n");
}

TEST_CASE("absorb: a mean is known by what it does") {
    const auto taken = [](const std::string& step) {
        return absorbed(make_b1 + step + product + last).find(" mean=") != std::string::npos;
    };
    CHECK(taken(mean));
    CHECK(taken("  loop mean [2,3|4,4] x0=b1:f32(48,1,12,3) dst=b4:f32(3,1,0,0) sum f32 {x0} then {x0 / 16}\n"));
    CHECK(taken("  pooling mean average_exclude_padding src=b1:" + tensor +
                " dst=b4:f32[2,3,1,1]@nhwc kernel=4,4 strides=4,4\n"));
    CHECK_FALSE(taken("  loop mean [2,3|16] x0=b1:f32(48,1,3) dst=b4:f32(3,1,0) sum f32 {x0}\n"));
    CHECK_FALSE(taken("  loop mean [2,3|16] x0=b1:f32(48,1,3) dst=b4:f32(3,1,0) sum f32 {x0} then {x0 * 0.06}\n"));
    CHECK_FALSE(
        taken("  loop mean [2,3|16] x0=b1:f32(48,1,3) dst=b4:f32(3,1,0) maximum f32 {x0} then {x0 * 0.0625}\n"));
    CHECK_FALSE(
        taken("  loop mean [2,3|16] x0=b1:f32(48,1,3) dst=b4:f32(3,1,0) sum f32 {x0 * x0} then {x0 * 0.0625}\n"));
    CHECK_FALSE(taken("  loop mean [2,3|4] x0=b1:f32(48,1,3) dst=b4:f32(3,1,0) sum f32 {x0} then {x0 * 0.0625}\n"));
    CHECK_FALSE(taken("  loop mean [16|6] x0=b1:f32(3,1) dst=b4:f32(1,0) sum f32 {x0} then {x0 * 0.0625}\n"));
    CHECK_FALSE(taken("  pooling mean max src=b1:" + tensor + " dst=b4:f32[2,3,1,1]@nhwc kernel=4,4 strides=4,4\n"));
    CHECK_FALSE(taken("  pooling mean average_exclude_padding src=b1:" + tensor +
                      " dst=b3:f32[2,3,2,2]@nhwc kernel=2,2 strides=2,2\n" + "  loop set [16] dst=b4:f32(1) {1.0}\n"));
}

TEST_CASE("absorb: a mean stays where its memory is in use, or its tensor is not the convolution's last word") {
    const std::string fill = "  loop fill [16] dst=b4:f32(1) {1.0}\n";
    const std::string read = "  loop read [16] x0=b4:f32(1) dst=b3:f32(1) {x0}\n";
    check_refused(fill + make_b1 + read + mean + product + last, "'b3' is in use before");
    const std::string again = "  loop again [96] x0=in0:f32(1) dst=b1:f32(1) {x0}\n";
    CHECK(absorbed(make_b1 + again + mean + product + last).find(" mean=") == std::string::npos);
    CHECK(absorbed(make_b1 + mean + product + last).find(" mean=") != std::string::npos);
    std::string second = mean;
    second.replace(second.find("mean"), 4, "same").replace(second.find("b4:"), 2, "b3");
    check_refused(make_b1 + mean + second + product + last, "it has a mean already");
}

TEST_CASE("verify refuses a scale or a mean that does not fit") {
    const auto with = [](const std::string& more) {
        return absorbed(make_b1 + mean + product + last.substr(0, last.size() - 1) + more + "\n");
    };
    CHECK_THROWS_WITH(with(" scale=b4:f32[2,4,1,1]"),
                      "plan 'p', step 'last': its scale does not hold one f32 a channel");
    CHECK_THROWS_WITH(with(" scale=b4:f32[2,3,1,2]"),
                      "plan 'p', step 'last': its scale does not hold one f32 a channel");
    CHECK_THROWS_WITH(with(" mean=b4:f32[1,3,1,1]"), "plan 'p', step 'last': its mean does not hold one f32 a channel");
    CHECK_THROWS_WITH(with(" mean=w2:f32[1,3,1,1]"), "plan 'p', step 'last': its mean does not hold one f32 a channel");
    CHECK_THROWS_WITH(with(" mean=b4+48:f32[2,3,1,1]"), "plan 'p', step 'last': operand 4 lies outside of 'b4'");
    CHECK_THROWS_WITH(with(" scale=b3:f32[2,3,1,1]"), "plan 'p', step 'last': reads 'b3' before it is written");
}

namespace {

using Random = std::mt19937;

int pick(Random& random, int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

std::string weights(Random& random, const std::string& name, int out, int in, int kernel) {
    std::string values;
    for (int i = 0; i < out * in * kernel * kernel; ++i)
        values += fmt::format("{}{:.3f}", i > 0 ? "," : "", pick(random, -500, 500) / 500.0);
    return fmt::format("  {} = constant f32[{},{},{},{}] {{{}}}\n", name, out, in, kernel, kernel, values);
}

/// A block of a network with squeeze-excite in one of the ways that models write it.
std::string random_block(Random& random) {
    const int images = pick(random, 0, 1) == 0 ? 1 : 3;
    const int channels = pick(random, 1, 24);
    const int out = pick(random, 1, 20);
    const int size = pick(random, 5, 9);
    const bool depthwise = pick(random, 0, 1) == 0;
    const int kernel = 2 * pick(random, 0, 2) + 1;
    const int stride = pick(random, 1, 2);
    const int made = (size - 1) / stride + 1;
    const bool channels_last = pick(random, 0, 2) > 0;
    const auto conv = [](int k, int s, int groups) {
        return fmt::format("{{group={}, pads=[{},{},{},{}], strides=[{},{}]}}", groups, k / 2, k / 2, k / 2, k / 2, s,
                           s);
    };
    std::string text =
        channels_last
            ? fmt::format("graph g (x: f32[{},{},{},{}]) -> (y, z) {{\n  t = Transpose(x) {{perm=[0,3,1,2]}}\n", images,
                          size, size, channels)
            : fmt::format("graph g (x: f32[{},{},{},{}]) -> (y, z) {{\n  t = Identity(x)\n", images, channels, size,
                          size);
    text += weights(random, "w1", channels, depthwise ? 1 : channels, kernel) +
            weights(random, "w2", channels, channels, 1);
    const int window = 2 * pick(random, 0, 1) + 1;
    text += weights(random, "w3", out, channels, window) + weights(random, "w4", out, channels, 1);
    text += "  a = Conv(t, w1) " + conv(kernel, stride, depthwise ? channels : 1) + " => x0 * sigmoid(x0)\n";
    switch (pick(random, 0, 2)) {
        case 0: text += "  m = GlobalAveragePool(a)\n"; break;
        case 1: text += "  axes = constant i64[2] {2,3}\n  m = ReduceMean(a, axes)\n"; break;
        default: text += fmt::format("  m = AveragePool(a) {{kernel_shape=[{},{}]}}\n", made, made); break;
    }
    text += "  g = Conv(m, w2) => sigmoid(x0)\n";
    text += pick(random, 0, 1) == 0 ? "  p = Mul(a, g)\n" : "  p = Mul(g, a)\n";
    // A second reader of the product, a residual that a sum may overwrite, and the mean of what comes of them.
    text += pick(random, 0, 1) == 0 ? "  r = Conv(p, w4)\n" : "  r = Conv(a, w4)\n";
    text += "  c = Conv(p, w3 | r) " + conv(window, 1, 1) + " => x0 + x1\n";
    text += pick(random, 0, 1) == 0 ? "  y = GlobalAveragePool(c)\n" : "  y = Relu(c)\n";
    return text + "  z = GlobalAveragePool(c)\n}\n";
}

}  // namespace

TEST_CASE("absorb: random squeeze-excite blocks compute the same as their definition") {
    int scales = 0;
    int means = 0;
    for (std::uint32_t seed = 1; seed <= 120; ++seed) {
        Random random(seed);
        const std::string text = random_block(random);
        CAPTURE(text);
        const Graph graph = test::typed_graph(text);
        const std::vector<Tensor> expected = test::evaluate(graph, seed);
        Remarks remarks;
        const Plan plan = run_pipeline(clone(graph), {}, remarks).plan;
        for (const Step& step : plan.steps)
            if (const auto* convolution = std::get_if<runtime::ConvolutionSpec>(&step.spec)) {
                scales += convolution->scale.is_present() ? 1 : 0;
                means += convolution->mean.is_present() ? 1 : 0;
            }
        std::vector<Tensor> inputs;
        std::uint32_t input_seed = seed;
        for (const Plan::Port& port : plan.inputs) inputs.push_back(test::random_tensor(port.type, input_seed++));
        for (const int threads : {1, 2})
            CHECK(test::difference(PlanEngine(plan, threads).run(inputs), expected) < 2e-4);
    }
    CHECK(scales > 120);
    CHECK(means > 200);
}

namespace {

/// What absorb_maps makes of the steps; b1 holds bytes, b2 and b3 floats.
std::string reduced(const std::string& steps) {
    Plan plan = parse_plan(R"(plan p arena=0 weights=0 {
  in0 = input x u8[8,6] declared=[8,6]
  out0 = output y f32[6] declared=[6]
  b1 = buffer u8 48
  b2 = buffer f32 192
  b3 = buffer f32 192
)" + steps + "}\n");
    verify(plan);
    Remarks remarks;
    absorb_maps(plan, remarks);
    verify(plan);
    return steps_of(plan);
}

const std::string dequantize = "  loop d [48] x0=in0:u8(1) dst=b2:f32(1) {(cast<f32>(x0) - 5.0) * 0.5}\n";
const std::string sum = "  loop s [6|8] x0=b2:f32(1,6) dst=out0:f32(1,0) sum f32 {x0} then {x0 * 0.125}\n";

}  // namespace

TEST_CASE("absorb_maps: a reduction computes what only it reads, in whatever order it reads it") {
    CHECK(reduced(dequantize + sum) ==
          "loop s [6|8] x0=in0:u8(1,6) dst=out0:f32(1,0) sum f32 {(cast<f32>(x0) - 5.0) * 0.5} then {x0 * 0.125}\n");
    // One value a row of what is reduced; twice in the expression.
    CHECK(reduced("  loop d [8,6] x0=in0:u8(6,1) x1=in0:u8(0,1) dst=b2:f32(6,1) {cast<f32>(x0) * cast<f32>(x1)}\n"
                  "  loop s [6|8] x0=b2:f32(1,6) dst=out0:f32(1,0) sum f32 {x0 * x0}\n") ==
          "loop s [6|8] x0=in0:u8(1,6) x1=in0:u8(1,0) dst=out0:f32(1,0) sum f32 {cast<f32>(x0) * cast<f32>(x1) * "
          "(cast<f32>(x0) * cast<f32>(x1))}\n");
}

TEST_CASE("absorb_maps: not what is read elsewhere, too, is overwritten, dear, or read again and again") {
    const auto stays = [](const std::string& steps) { CHECK(reduced(steps).find("loop d ") != std::string::npos); };
    stays(dequantize + sum + "  loop again [48] x0=b2:f32(1) dst=b3:f32(1) {x0}\n");
    stays(
        "  loop c [48] x0=in0:u8(1) dst=b1:u8(1) {x0}\n  loop d [48] x0=b1:u8(1) dst=b2:f32(1) {cast<f32>(x0)}\n"
        "  loop over [48] dst=b1:u8(1) {0}\n" +
        sum);
    stays("  loop d [48] x0=in0:u8(1) dst=b2:f32(1) {exp(cast<f32>(x0))}\n" + sum);
    stays(
        "  loop d [8] x0=in0:u8(1) dst=b2:f32(1) {cast<f32>(x0)}\n"
        "  loop s [6|8] x0=b2:f32(0,1) dst=out0:f32(1,0) sum f32 {x0}\n");
    stays(dequantize + "  loop s [6|7] x0=b2:f32(1,6) dst=out0:f32(1,0) sum f32 {x0}\n");
}
