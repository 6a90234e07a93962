// Softmax and LogSoftmax along one axis: a line at a time where its elements lie side by side, else many lines at once.
// A line that holds NaN or +infinity, or nothing but -infinity, becomes NaN, as the definition has it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "runtime/eltwise.hpp"
#include "runtime/isa.hpp"
#include "runtime/operation.hpp"
#include "runtime/parallel.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

/// exp(-d) of how far elements lie below the largest: NaN where d is, and zero where the result would be subnormal,
/// which what reads it would pay for.
template <class V, int n>
[[gnu::always_inline]] inline void exp_below_largest(V (&d)[n], const wave::Decay<V>& decay) {
    const V far = V{} + 87.0F;
    V x[n];
    for (int v = 0; v < n; ++v) x[v] = d[v];
    decay.apply(x);
    for (int v = 0; v < n; ++v) x[v] = d[v] <= far ? x[v] : d[v];
    for (int v = 0; v < n; ++v) d[v] = x[v] > far ? V{} : x[v];
}

/// Neighbouring lines, `stride` elements from one element of a line to its next.
struct SoftmaxLines {
    static constexpr std::int64_t most = 64;

    const float* src;
    float* dst;
    std::int64_t count, stride;  ///< elements of a line
    std::int64_t width;          ///< lines, at most `most`
};

template <bool logarithm>
struct SoftmaxBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const SoftmaxLines& lines) {
        std::int64_t i = 0;
        for (; i + 4 * lanes <= lines.width; i += 4 * lanes) vectors<lanes, 4>(lines, i);
        for (; i + lanes <= lines.width; i += lanes) vectors<lanes, 1>(lines, i);
        for (; i < lines.width; ++i) vectors<1, 1>(lines, i);
    }

private:
    /// Lines from `first` on, a few vectors of them.
    template <int lanes, int n>
    [[gnu::always_inline]] static void vectors(const SoftmaxLines& lines, std::int64_t first) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        const Unaligned* src = reinterpret_cast<const Unaligned*>(lines.src + first);
        float* const dst = lines.dst + first;
        const wave::Decay<V> decay(1.0F);
        V largest[n], sum[n], x[n];
        for (int v = 0; v < n; ++v) sum[v] = V{};
        for (int v = 0; v < n; ++v) largest[v] = src[v];
        for (std::int64_t a = 1; a < lines.count; ++a) {
            src = reinterpret_cast<const Unaligned*>(lines.src + first + a * lines.stride);
            for (int v = 0; v < n; ++v) x[v] = src[v];
            for (int v = 0; v < n; ++v) largest[v] = x[v] > largest[v] ? x[v] : largest[v];
        }
        for (std::int64_t a = 0; a < lines.count; ++a) {
            src = reinterpret_cast<const Unaligned*>(lines.src + first + a * lines.stride);
            Unaligned* to = reinterpret_cast<Unaligned*>(dst + a * lines.stride);  // `auto` would lose the alignment
            for (int v = 0; v < n; ++v) x[v] = largest[v] - src[v];
            if (logarithm)
                for (int v = 0; v < n; ++v) to[v] = -x[v];
            exp_below_largest(x, decay);
            for (int v = 0; v < n; ++v) sum[v] += x[v];
            if (!logarithm)
                for (int v = 0; v < n; ++v) to[v] = x[v];
        }
        for (int v = 0; v < n; ++v)
            for (int l = 0; l < lanes; ++l) sum[v][l] = logarithm ? scalar::log(sum[v][l]) : 1.0F / sum[v][l];
        for (std::int64_t a = 0; a < lines.count; ++a) {
            Unaligned* to = reinterpret_cast<Unaligned*>(dst + a * lines.stride);
            for (int v = 0; v < n; ++v) to[v] = logarithm ? to[v] - sum[v] : to[v] * sum[v];
        }
    }
};

/// Lines whose elements lie side by side, `rows` of them one after the other.
template <bool logarithm>
struct SoftmaxRowsBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const float* src, float* dst, std::int64_t count, std::int64_t rows) {
        if constexpr (lanes > 1) {
            constexpr int fewer = lanes == 4 ? 1 : lanes / 2;
            if (count < lanes) return run<fewer>(src, dst, count, rows);
        }
        for (; rows > 0; --rows, src += count, dst += count) Row<lanes>{src, dst, count}.run();
    }

private:
    /// One line of `lanes` elements or more; the last vector overlaps the one before it.
    template <int lanes>
    struct Row {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        using Lanes = typename IntegersOf<lanes>::Register;
        static constexpr int wide = 4;

        const float* src;
        float* dst;
        std::int64_t count;
        wave::Decay<V> decay{1.0F};
        V largest[wide]{}, sum[wide]{};

        [[gnu::always_inline]] void run() {
            const std::int64_t whole = count - count % lanes;
            V last[1] = {*from(count - lanes)};
            for (int v = 0; v < wide; ++v) largest[v] = last[0];
            std::int64_t i = 0;
            for (; i + wide * lanes <= whole; i += wide * lanes) find_largest<wide>(i);
            for (; i < whole; i += lanes) find_largest<1>(i);
            for (int v = 1; v < wide; ++v) largest[0] = largest[v] > largest[0] ? largest[v] : largest[0];
            spread<false, lanes / 2>(largest[0]);
            for (i = 0; i + wide * lanes <= whole; i += wide * lanes) add_up<wide>(i);
            for (; i < whole; i += lanes) add_up<1>(i);
            last[0] = largest[0] - last[0];
            const V logarithms = -last[0];
            exp_below_largest(last, decay);
            Lanes lane{};
            for (int l = 0; l < lanes; ++l) lane[l] = l;
            sum[0] += lane >= lanes - static_cast<std::int32_t>(count - whole) ? last[0] : V{};
            for (int v = 1; v < wide; ++v) sum[0] += sum[v];
            spread<true, lanes / 2>(sum[0]);
            const float total = sum[0][0];
            sum[0] = V{} + (logarithm ? scalar::log(total) : 1.0F / total);
            for (i = 0; i + wide * lanes <= whole; i += wide * lanes) finish<wide>(i);
            for (; i < whole; i += lanes) finish<1>(i);
            *to(count - lanes) = logarithm ? logarithms - sum[0] : last[0] * sum[0];
        }

    private:
        [[gnu::always_inline]] const Unaligned* from(std::int64_t i) const {
            return reinterpret_cast<const Unaligned*>(src + i);
        }
        [[gnu::always_inline]] Unaligned* to(std::int64_t i) const { return reinterpret_cast<Unaligned*>(dst + i); }

        template <int n>
        [[gnu::always_inline]] void find_largest(std::int64_t i) {
            for (int v = 0; v < n; ++v) largest[v] = from(i)[v] > largest[v] ? V(from(i)[v]) : largest[v];
        }

        template <int n>
        [[gnu::always_inline]] void add_up(std::int64_t i) {
            V x[n];
            for (int v = 0; v < n; ++v) x[v] = largest[0] - from(i)[v];
            exp_below_largest(x, decay);
            for (int v = 0; v < n; ++v) sum[v] += x[v];
            if (!logarithm)
                for (int v = 0; v < n; ++v) to(i)[v] = x[v];
        }

        template <int n>
        [[gnu::always_inline]] void finish(std::int64_t i) {
            for (int v = 0; v < n; ++v) to(i)[v] = logarithm ? from(i)[v] - largest[0] - sum[0] : to(i)[v] * sum[0];
        }

        /// Every lane becomes the sum, or the largest, of all.
        template <bool adds, int half>
        [[gnu::always_inline]] static void spread(V& x) {
            if constexpr (half > 0) {
                Lanes partner{};
                for (int l = 0; l < lanes; ++l) partner[l] = l ^ half;
                const V other = __builtin_shuffle(x, partner);
                if (adds) x += other;
                else x = other > x ? other : x;
                spread<adds, half / 2>(x);
            }
        }
    };
};

/// Source and result are dense and laid out alike.
class Softmax final : public Operation {
public:
    explicit Softmax(const SoftmaxSpec& spec, Isa isa = detect_isa())
        : count_(spec.src.dims[spec.axis]),
          stride_(count_ == 1 ? 1 : spec.src.strides[spec.axis]),
          isa_(isa),
          rows_(spec.logarithm ? RowsOf<true>::get(isa) : RowsOf<false>::get(isa)),
          lines_(spec.logarithm ? LinesOf<true>::get(isa) : LinesOf<false>::get(isa)) {
        std::int64_t elements = 1;
        for (int i = 0; i < spec.src.rank; ++i) elements *= spec.src.dims[i];
        blocks_ = elements / (count_ * stride_);
    }

    static bool fits(const SoftmaxSpec& spec) {
        const bool alike = std::equal(spec.src.strides, spec.src.strides + spec.src.rank, spec.dst.strides);
        return spec.src.dtype == DataType::f32 && spec.dst.dtype == DataType::f32 && alike;
    }

    std::string implementation() const override { return std::string("igata:softmax:") + name_of(isa_); }

    void run(const Frame& frame) const override {
        const auto* src = reinterpret_cast<const float*>(frame.operands[0]);
        auto* dst = reinterpret_cast<float*>(frame.operands[1]);
        if (stride_ == 1) run_rows(src, dst);
        else run_lines(src, dst);
    }

private:
    template <bool logarithm>
    using RowsOf = Versions<SoftmaxRowsBody<logarithm>, const float*, float*, std::int64_t, std::int64_t>;
    template <bool logarithm>
    using LinesOf = Versions<SoftmaxBody<logarithm>, const SoftmaxLines&>;

    void run_rows(const float* src, float* dst) const {
        parallel_for(blocks_, 8192 / count_ + 1, [&](std::int64_t begin, std::int64_t end) {
            rows_(src + begin * count_, dst + begin * count_, count_, end - begin);
        });
    }

    void run_lines(const float* src, float* dst) const {
        const std::int64_t chunks = (stride_ + SoftmaxLines::most - 1) / SoftmaxLines::most;
        parallel_for(blocks_ * chunks, 8192 / (count_ * SoftmaxLines::most) + 1,
                     [&](std::int64_t begin, std::int64_t end) {
                         for (std::int64_t i = begin; i < end; ++i) {
                             const std::int64_t first = i % chunks * SoftmaxLines::most;
                             const std::int64_t last = std::min(stride_, first + SoftmaxLines::most);
                             const std::int64_t offset = i / chunks * count_ * stride_ + first;
                             lines_({src + offset, dst + offset, count_, stride_, last - first});
                         }
                     });
    }

    std::int64_t count_, stride_, blocks_ = 0;  ///< blocks of `stride` lines of `count` elements
    Isa isa_;
    decltype(RowsOf<false>::get()) rows_;
    decltype(LinesOf<false>::get()) lines_;
};

/// Throws std::runtime_error if there is no implementation.
inline std::unique_ptr<Operation> make_operation(const Builder&, const SoftmaxSpec& spec) {
    if (!Softmax::fits(spec)) throw std::runtime_error("softmax needs f32 and a result laid out like its source");
    return std::make_unique<Softmax>(spec);
}

}  // namespace igata::runtime
