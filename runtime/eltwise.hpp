// Activations as vectorised passes over contiguous f32: far faster than oneDNN's eltwise post-ops for all that needs
// exp. Relative error below 2e-6; results below 1e-36 may flush to zero.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "runtime/isa.hpp"
#include "runtime/needs.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// Scalar functions without branches or calls, so that a loop over them vectorises.
namespace scalar {

[[gnu::always_inline]] inline float from_bits(std::int32_t bits) {
    float value = 0.0F;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

[[gnu::always_inline]] inline std::int32_t to_bits(float value) {
    std::int32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

[[gnu::always_inline]] inline float clamp(float x, float low, float high) {
    x = x < low ? low : x;  // NaN stays
    return x > high ? high : x;
}

[[gnu::always_inline]] inline float magnitude(float x) { return from_bits(to_bits(x) & 0x7fffffff); }

inline constexpr float round_magic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer in the low bits

/// exp(x) - 1 = 2^n * (1 + p) - 1 with |x - n ln2| <= ln2 / 2.
struct Exponent {
    float power;  ///< 2^n
    float rest;   ///< p
};

/// x must lie in [-87, 88].
[[gnu::always_inline]] inline Exponent split_exp(float x) {
    const float shifted = x * 1.44269504089F + round_magic;
    const float n = shifted - round_magic;
    const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
    float p = 1.3981999507e-3F;
    p = p * r + 8.3334519073e-3F;
    p = p * r + 4.1665795894e-2F;
    p = p * r + 1.6666665459e-1F;
    p = p * r + 5.0000001201e-1F;
    p = p * (r * r) + r;
    return {from_bits((to_bits(shifted) << 23) + 0x3f800000), p};
}

/// `condition ? a : b` without a branch: GCC moves what only one of the two needs into one, and then cannot vectorise.
[[gnu::always_inline]] inline float choose(bool condition, float a, float b) {
    const std::int32_t mask = -static_cast<std::int32_t>(condition);
    return from_bits((to_bits(a) & mask) | (to_bits(b) & ~mask));
}

/// Saturates at exp(-87) and exp(87), so that neither it nor its reciprocal is subnormal, which would be slow.
[[gnu::always_inline]] inline float bounded_exp(float x) {
    x = clamp(x, -87.0F, 87.0F);
    const float shifted = x * 1.44269504089F + round_magic;
    const float n = shifted - round_magic;
    const float r = (x - n * 0.693359375F) - n * -2.12194440e-4F;
    float p = 0.008290315046906471F;
    p = p * r + 0.04189793020486832F;
    p = p * r + 0.1666763573884964F;
    p = p * r + 0.4999915063381195F;
    p = p * r + 0.9999997019767761F;
    p = p * r + 1.0F;
    return from_bits(to_bits(p) + (to_bits(shifted) << 23));
}

[[gnu::always_inline]] inline float sigmoid(float x) { return 1.0F / (1.0F + bounded_exp(-x)); }

[[gnu::always_inline]] inline float exp(float x) {
    const Exponent e = split_exp(0.5F * clamp(x, -174.0F, 176.0F));
    const float root = e.power * e.rest + e.power;
    return root * root;  // which reaches zero and infinity
}

[[gnu::always_inline]] inline float expm1(float x) {
    const Exponent e = split_exp(clamp(x, -87.0F, 87.0F));
    return e.power * e.rest + (e.power - 1.0F);
}

[[gnu::always_inline]] inline float tanh(float x) {
    x = clamp(x, -9.0F, 9.0F);
    const float s = x * x;
    float p = -2.76076847742355e-16F;
    p = p * s + 2.00018790482477e-13F;
    p = p * s - 8.60467152213735e-11F;
    p = p * s + 5.12229709037114e-08F;
    p = p * s + 1.48572235717979e-05F;
    p = p * s + 6.37261928875436e-04F;
    p = p * s + 4.89352455891786e-03F;
    float q = 1.19825839466702e-06F;
    q = q * s + 1.18534705686654e-04F;
    q = q * s + 2.26843463243900e-03F;
    q = q * s + 4.89352518554385e-03F;
    return x * p / q;
}

/// x in (0, 2^127); other arguments are dealt with in `log`.
[[gnu::always_inline]] inline float log_positive(float x) {
    const std::int32_t bits = to_bits(x) - 0x3f3504f3;  // sqrt(0.5), so that the mantissa lies in [sqrt(0.5), sqrt(2))
    const float n = static_cast<float>(bits >> 23);
    const float m = from_bits((bits & 0x007fffff) + 0x3f3504f3) - 1.0F;
    const float s = m * m;
    float p = 7.0376836292e-2F;
    p = p * m - 1.1514610310e-1F;
    p = p * m + 1.1676998740e-1F;
    p = p * m - 1.2420140846e-1F;
    p = p * m + 1.4249322787e-1F;
    p = p * m - 1.6668057665e-1F;
    p = p * m + 2.0000714765e-1F;
    p = p * m - 2.4999993993e-1F;
    p = p * m + 3.3333331174e-1F;
    return ((p * m * s + n * -2.12194440e-4F) - 0.5F * s + m) + n * 0.693359375F;
}

[[gnu::always_inline]] inline float log(float x) {
    constexpr float infinity = __builtin_inff();
    const bool tiny = x < 1.17549435e-38F;
    float y = log_positive(choose(tiny, x * 8388608.0F, x)) - choose(tiny, 15.9423851528F, 0.0F);  // 23 ln2
    y = choose(x == infinity, x, y);
    y = choose(x == 0.0F, -infinity, y);
    return choose(x >= 0.0F, y, __builtin_nanf(""));
}

[[gnu::always_inline]] inline float softplus(float x) {
    const float u = bounded_exp(-magnitude(x));
    const float w = 1.0F + u;
    const float log1p = log_positive(w) + (u - (w - 1.0F)) / w;
    const float positive = x > 0.0F ? x : 0.0F;
    return (x == x ? positive : x) + log1p;
}

[[gnu::always_inline]] inline float erf(float x) {
    x = clamp(x, -4.0F, 4.0F);
    const float s = x * x;
    float p = -2.72614225801306e-10F;
    p = p * s + 2.77068142495902e-08F;
    p = p * s - 2.10102402082508e-06F;
    p = p * s - 5.69250639462346e-05F;
    p = p * s - 7.34990630326855e-04F;
    p = p * s - 2.95459980854025e-03F;
    p = p * s - 1.60960333262415e-02F;
    float q = -1.45660718464996e-05F;
    q = q * s - 2.13374055278905e-04F;
    q = q * s - 1.68282697438203e-03F;
    q = q * s - 7.37332916720468e-03F;
    q = q * s - 1.42647390514189e-02F;
    return x * p / q;
}

template <Eltwise kind>
[[gnu::always_inline]] inline float eltwise(float x, float alpha, float beta) {
    static_cast<void>(alpha);
    static_cast<void>(beta);
    if constexpr (kind == Eltwise::relu) return x > 0.0F ? x : alpha * x;
    if constexpr (kind == Eltwise::linear) return alpha * x + beta;
    if constexpr (kind == Eltwise::clip) return clamp(x, alpha, beta);
    if constexpr (kind == Eltwise::tanh) return tanh(x);
    if constexpr (kind == Eltwise::elu) return x > 0.0F ? x : alpha * expm1(x);
    if constexpr (kind == Eltwise::hardsigmoid) return clamp(alpha * x + beta, 0.0F, 1.0F);
    if constexpr (kind == Eltwise::hardswish) return x * clamp(alpha * x + beta, 0.0F, 1.0F);
    if constexpr (kind == Eltwise::gelu_erf) return 0.5F * x * (1.0F + erf(0.70710678119F * x));
    if constexpr (kind == Eltwise::gelu_tanh) {
        return 0.5F * x * (1.0F + tanh(0.79788456080F * (x + 0.044715F * x * x * x)));
    }
    if constexpr (kind == Eltwise::abs) return magnitude(x);
    if constexpr (kind == Eltwise::sqrt) return __builtin_sqrtf(x);
    if constexpr (kind == Eltwise::square) return x * x;
    if constexpr (kind == Eltwise::exp) return exp(x);
    if constexpr (kind == Eltwise::log) return log(x);
    if constexpr (kind == Eltwise::softplus) return softplus(x);
    if constexpr (kind == Eltwise::mish) {
        const float e = bounded_exp(clamp(x, -87.0F, 30.0F));
        const float n = e * (e + 2.0F);
        return x * (n / (n + 2.0F));
    }
}

}  // namespace scalar

/// The same for a few vectors at a time, each operation on all of them before the next: a processor looks only so far
/// ahead for work that does not wait for what it has just begun. In place, as passing vectors by value would need their
/// registers in the ABI.
namespace wave {

#define IGATA_EACH _Pragma("GCC unroll 8") for (int i = 0; i < n; ++i)

/// exp(-alpha * x), saturating at exp(-87) and exp(87). With FMA the product is not rounded before it is reduced, so
/// that 2^t for t = x * scale takes fewer steps than e^x.
template <class V>
struct Decay {
    static constexpr float log2e = 1.44269504089F;
    V alpha, scale, low, high;

    [[gnu::always_inline]] explicit Decay(float factor) {
        const float magnitude = scalar::magnitude(factor);
        float bound = 87.0F / (magnitude > 1e-30F ? magnitude : 1e-30F);
        __asm__("" : "+x"(bound));  // GCC finds the minimum in a comparison with a variable only, not with a constant
        alpha = V{} + factor;
        scale = V{} - factor * log2e;
        low = V{} - bound;
        high = V{} + bound;
    }

    template <int n>
    [[gnu::always_inline]] void apply(V (&x)[n]) const {
        using Bits [[gnu::vector_size(sizeof(V))]] = std::int32_t;
        V shifted[n];
        V p[n];
        IGATA_EACH x[i] = x[i] < low ? low : x[i];  // NaN stays
        IGATA_EACH x[i] = x[i] > high ? high : x[i];
        IGATA_EACH shifted[i] = x[i] * scale + scalar::round_magic;
        IGATA_EACH p[i] = shifted[i] - scalar::round_magic;
        if constexpr (sizeof(V) >= 32) {
            IGATA_EACH x[i] = x[i] * scale - p[i];
        } else {  // Cody and Waite's reduction: n ln2 in two parts, the first of so few bits that nothing is rounded
            IGATA_EACH x[i] = x[i] * alpha + p[i] * 0.693359375F;
            IGATA_EACH x[i] = (x[i] + p[i] * -2.12194440e-4F) * -log2e;
        }
        IGATA_EACH p[i] = x[i] * 0.00132647277F + 0.00967151285F;
        IGATA_EACH p[i] = p[i] * x[i] + 0.0555073359F;
        IGATA_EACH p[i] = p[i] * x[i] + 0.240222426F;
        IGATA_EACH p[i] = p[i] * x[i] + 0.693146974F;
        IGATA_EACH p[i] = p[i] * x[i] + 1.0F;
        IGATA_EACH x[i] =
            reinterpret_cast<V>(reinterpret_cast<Bits>(p[i]) + (reinterpret_cast<Bits>(shifted[i]) << 23));
    }
};

template <Eltwise kind>
constexpr bool has() {
    return kind == Eltwise::swish || kind == Eltwise::sigmoid;
}

template <Eltwise kind, int lanes, int n>
[[gnu::always_inline]] inline void eltwise(float* data, const Decay<typename VectorOf<lanes>::Register>& decay) {
    using V = typename VectorOf<lanes>::Register;
    using Unaligned = typename VectorOf<lanes>::Unaligned;
    Unaligned* values = reinterpret_cast<Unaligned*>(data);  // `auto` would lose the alignment
    V x[n];
    IGATA_EACH x[i] = values[i];
    decay.apply(x);
    IGATA_EACH x[i] += 1.0F;
    if constexpr (kind == Eltwise::swish) IGATA_EACH x[i] = values[i] / x[i];
    else IGATA_EACH x[i] = 1.0F / x[i];
    IGATA_EACH values[i] = x[i];
}

#undef IGATA_EACH

}  // namespace wave

/// In place over `count` contiguous elements.
using EltwiseFunction = void (*)(float* x, std::int64_t count, float alpha, float beta);

template <Eltwise kind>
struct EltwiseBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(float* x, std::int64_t count, float alpha, float beta) {
        if constexpr (wave::has<kind>()) {
            constexpr int n = 4;
            const wave::Decay<typename VectorOf<lanes>::Register> decay(kind == Eltwise::swish ? alpha : 1.0F);
#pragma GCC unroll 1
            for (; count >= n * lanes; count -= n * lanes, x += n * lanes) wave::eltwise<kind, lanes, n>(x, decay);
#pragma GCC unroll 1
            for (; count >= lanes; count -= lanes, x += lanes) wave::eltwise<kind, lanes, 1>(x, decay);
            if (count == 0) return;
            float rest[lanes] = {};
            for (std::int64_t i = 0; i < count; ++i) rest[i] = x[i];
            wave::eltwise<kind, lanes, 1>(rest, decay);
            for (std::int64_t i = 0; i < count; ++i) x[i] = rest[i];
        } else {
            for (std::int64_t i = 0; i < count; ++i) x[i] = scalar::eltwise<kind>(x[i], alpha, beta);
        }
    }
};

/// The pass for one algorithm at one instruction set.
template <Eltwise kind>
EltwiseFunction eltwise_function(Isa isa = detect_isa()) {
    return Versions<EltwiseBody<kind>, float*, std::int64_t, float, float>::get(isa);
}

/// The same for an algorithm that is one of the program's needs.
inline EltwiseFunction eltwise_function(Eltwise kind, Isa isa = detect_isa()) {
    switch (kind) {
#define IGATA_CASE(name)                                                                     \
    case Eltwise::name:                                                                      \
        if constexpr (needs.has(Eltwise::name)) return eltwise_function<Eltwise::name>(isa); \
        break
        IGATA_CASE(relu);
        IGATA_CASE(linear);
        IGATA_CASE(clip);
        IGATA_CASE(sigmoid);
        IGATA_CASE(swish);
        IGATA_CASE(tanh);
        IGATA_CASE(elu);
        IGATA_CASE(hardsigmoid);
        IGATA_CASE(hardswish);
        IGATA_CASE(gelu_erf);
        IGATA_CASE(gelu_tanh);
        IGATA_CASE(abs);
        IGATA_CASE(sqrt);
        IGATA_CASE(square);
        IGATA_CASE(exp);
        IGATA_CASE(log);
        IGATA_CASE(softplus);
        IGATA_CASE(mish);
#undef IGATA_CASE
    }
    throw std::logic_error("an activation that the program was not made for");
}

/// alpha * f(x) + beta in one pass, for an f that is cheaper than a pass.
template <Eltwise kind>
struct ScaledEltwiseBody {
    template <int>
    [[gnu::always_inline]] static void run(float* x, std::int64_t count, const PostOp& first, const PostOp& linear) {
        for (std::int64_t i = 0; i < count; ++i)
            x[i] = linear.alpha * scalar::eltwise<kind>(x[i], first.alpha, first.beta) + linear.beta;
    }
};

using ScaledEltwiseFunction = void (*)(float* x, std::int64_t count, const PostOp& first, const PostOp& linear);

/// Null if a pass for each is as good.
inline ScaledEltwiseFunction scaled_eltwise_function(Eltwise kind, Isa isa) {
    switch (kind) {
#define IGATA_CASE(name)                                                                           \
    case Eltwise::name:                                                                            \
        if constexpr (needs.has(Eltwise::name) && needs.has(Eltwise::linear))                      \
            return Versions<ScaledEltwiseBody<Eltwise::name>, float*, std::int64_t, const PostOp&, \
                            const PostOp&>::get(isa);                                              \
        break
        IGATA_CASE(relu);
        IGATA_CASE(clip);
        IGATA_CASE(hardsigmoid);
        IGATA_CASE(hardswish);
#undef IGATA_CASE
        default: break;
    }
    return nullptr;
}

/// Eltwise post-ops of an epilogue, one after the other, in as few passes as there can be.
class Activations {
public:
    bool empty() const { return passes_.empty(); }

    void append(const PostOp& op, Isa isa) {
        if (op.eltwise == Eltwise::linear && !passes_.empty() && passes_.back().scaled == nullptr) {
            Pass& before = passes_.back();
            before.scaled = scaled_eltwise_function(before.op.eltwise, isa);
            before.linear = op;
            if (before.scaled != nullptr) return;
        }
        passes_.push_back({op, {}, eltwise_function(op.eltwise, isa), nullptr});
    }

    /// In place over `count` contiguous elements.
    void apply(float* x, std::int64_t count) const {
        for (const Pass& pass : passes_) {
            if (pass.scaled != nullptr) pass.scaled(x, count, pass.op, pass.linear);
            else pass.function(x, count, pass.op.alpha, pass.op.beta);
        }
    }

private:
    struct Pass {
        PostOp op, linear;  ///< linear: if `scaled` is not null
        EltwiseFunction function;
        ScaledEltwiseFunction scaled;
    };
    std::vector<Pass> passes_;
};

}  // namespace igata::runtime
