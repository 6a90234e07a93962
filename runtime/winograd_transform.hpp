// Winograd's minimal filtering for 3x3 kernels, F(2x2, 3x3) and F(4x4, 3x3), after Lavin and Gray, "Fast Algorithms for
// Convolutional Neural Networks" (2015): tiles of `outputs` x `outputs` results from tiles of (outputs + 2) squared.
#pragma once

#include <cstdint>

#include "runtime/isa.hpp"
#include "runtime/pointwise_tile.hpp"

namespace igata::runtime {

/// The transforms in one dimension: result = A^T ((G filter) * (B^T input)).
template <int outputs>
struct Winograd;

template <>
struct Winograd<2> {
    static constexpr int points = 4;
    static constexpr double filter[points][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

    template <class V>
    [[gnu::always_inline]] static void input(const V (&d)[points], V (&t)[points]) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    }

    template <class V>
    [[gnu::always_inline]] static void output(const V (&m)[points], V (&y)[2]) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    }
};

/// With the points 0, +-a, +-b and infinity. The paper's 1 and 2 round four times worse than these.
template <>
struct Winograd<4> {
    static constexpr int points = 6;
    static constexpr double a = 5.0 / 8;
    static constexpr double b = 3.0 / 2;
    static constexpr double at_0 = 1 / (a * a * b * b);
    static constexpr double at_a = 1 / (2 * a * a * (a * a - b * b));
    static constexpr double at_b = 1 / (2 * b * b * (b * b - a * a));
    static constexpr double filter[points][3] = {{at_0, 0, 0},
                                                 {at_a, at_a* a, at_a* a* a},
                                                 {at_a, -at_a* a, at_a* a* a},
                                                 {at_b, at_b* b, at_b* b* b},
                                                 {at_b, -at_b* b, at_b* b* b},
                                                 {0, 0, 1}};

    template <class V>
    [[gnu::always_inline]] static void input(const V (&d)[points], V (&t)[points]) {
        const V even_a = d[4] - b2 * d[2];
        const V odd_a = d[3] - b2 * d[1];
        const V even_b = d[4] - a2 * d[2];
        const V odd_b = d[3] - a2 * d[1];
        t[0] = a2 * b2 * d[0] - (a2 + b2) * d[2] + d[4];
        t[1] = even_a + a1 * odd_a;
        t[2] = even_a - a1 * odd_a;
        t[3] = even_b + b1 * odd_b;
        t[4] = even_b - b1 * odd_b;
        t[5] = a2 * b2 * d[1] - (a2 + b2) * d[3] + d[5];
    }

    template <class V>
    [[gnu::always_inline]] static void output(const V (&m)[points], V (&y)[4]) {
        const V even_a = m[1] + m[2];
        const V odd_a = m[1] - m[2];
        const V even_b = m[3] + m[4];
        const V odd_b = m[3] - m[4];
        y[0] = m[0] + even_a + even_b;
        y[1] = a1 * odd_a + b1 * odd_b;
        y[2] = a2 * even_a + b2 * even_b;
        y[3] = a1 * a2 * odd_a + b1 * b2 * odd_b + m[5];
    }

private:
    static constexpr float a1 = a, b1 = b, a2 = a * a, b2 = b * b;
};

/// As many doubles as VectorOf holds floats.
template <int lanes>
struct DoublesOf {
    using Register [[gnu::vector_size(lanes * sizeof(double))]] = double;
};

/// Filters, 3x3, of consecutive output channels, and where their transforms go.
struct WinogradFilters {
    const float* from = nullptr;
    std::int64_t channel = 0, row = 0, column = 0;  ///< strides
    std::int64_t count = 0;
    float* to = nullptr;  ///< [points * points][count, and zeros up to whole vectors], `plane` elements apart
    std::int64_t plane = 0;
};

/// G g G^T of each filter, in double.
template <int outputs>
struct WinogradFilter {
    static constexpr int points = Winograd<outputs>::points;

    template <int lanes>
    [[gnu::always_inline]] static void run(const WinogradFilters& filters) {
#pragma GCC unroll 1
        for (std::int64_t c = 0; c < filters.count; c += lanes) transform<lanes>(filters, c);
    }

private:
    template <int lanes>
    [[gnu::always_inline]] static void transform(const WinogradFilters& filters, std::int64_t c) {
        using Doubles = typename DoublesOf<lanes>::Register;
        constexpr auto& g = Winograd<outputs>::filter;
        Doubles filter[3][3];
#pragma GCC unroll 4
        for (int y = 0; y < 3; ++y)
#pragma GCC unroll 4
            for (int x = 0; x < 3; ++x)
#pragma GCC unroll 1
                for (int l = 0; l < lanes; ++l) {
                    const std::int64_t at = (c + l) * filters.channel + y * filters.row + x * filters.column;
                    filter[y][x][l] = c + l < filters.count ? static_cast<double>(filters.from[at]) : 0.0;
                }
        float* to = filters.to + c;
#pragma GCC unroll 1
        for (int i = 0; i < points; ++i) {
            Doubles row[3];
#pragma GCC unroll 4
            for (int x = 0; x < 3; ++x)
                row[x] = g[i][0] * filter[0][x] + g[i][1] * filter[1][x] + g[i][2] * filter[2][x];
#pragma GCC unroll 1
            for (int j = 0; j < points; ++j, to += filters.plane)
                *reinterpret_cast<typename VectorOf<lanes>::Unaligned*>(to) = __builtin_convertvector(
                    g[j][0] * row[0] + g[j][1] * row[1] + g[j][2] * row[2], typename VectorOf<lanes>::Register);
        }
    }
};

/// One tile of inputs, and where its transform goes.
struct WinogradSource {
    const float* const* pixels = nullptr;  ///< [points * points]: where the channels of each pixel start
    std::int64_t channels = 0;
    float* to = nullptr;  ///< [points * points][channels], `plane` elements apart
    std::int64_t plane = 0;
};

/// B^T d B of one tile, for each channel.
template <int outputs>
struct WinogradInput {
    static constexpr int points = Winograd<outputs>::points;

    template <int lanes>
    [[gnu::always_inline]] static void run(const WinogradSource& source) {
        std::int64_t c = 0;
#pragma GCC unroll 1
        for (; c + lanes <= source.channels; c += lanes) transform<lanes>(source, c);
#pragma GCC unroll 1
        for (; c < source.channels; ++c) transform<1>(source, c);
    }

private:
    template <int lanes>
    [[gnu::always_inline]] static void transform(const WinogradSource& source, std::int64_t c) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        V columns[points][points];
#pragma GCC unroll 8
        for (int j = 0; j < points; ++j) {
            V d[points];
#pragma GCC unroll 8
            for (int i = 0; i < points; ++i)
                d[i] = *reinterpret_cast<const Unaligned*>(source.pixels[i * points + j] + c);
            Winograd<outputs>::input(d, columns[j]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < points; ++i) {
            V row[points];
            V result[points];
#pragma GCC unroll 8
            for (int j = 0; j < points; ++j) row[j] = columns[j][i];
            Winograd<outputs>::input(row, result);
#pragma GCC unroll 8
            for (int j = 0; j < points; ++j)
                *reinterpret_cast<Unaligned*>(source.to + (i * points + j) * source.plane + c) = result[j];
        }
    }
};

/// One tile of products, and where its results go.
struct WinogradResult {
    const float* products = nullptr;  ///< [points * points][vectors * lanes], `plane` elements apart
    std::int64_t plane = 0;
    float* dst = nullptr;
    std::int64_t dst_row = 0, dst_pixel = 0;
    std::int64_t rows = 0, columns = 0;  ///< how many of the tile's results there are
    std::int64_t channels = 0;
    const float* bias = nullptr;  ///< of as many channels as there are products
    TileStore how;
};

/// A^T m A of one tile, for each channel.
template <int outputs>
struct WinogradOutput {
    static constexpr int points = Winograd<outputs>::points;

    template <int lanes>
    [[gnu::always_inline]] static void run(const WinogradResult& r) {
        std::int64_t c = 0;
#pragma GCC unroll 1
        for (; c + lanes <= r.channels; c += lanes) transform<lanes>(r, c, lanes);
        if (c < r.channels) transform<lanes>(r, c, r.channels - c);
    }

private:
    template <int lanes>
    [[gnu::always_inline]] static void transform(const WinogradResult& r, std::int64_t c, std::int64_t count) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        const V bias = *reinterpret_cast<const Unaligned*>(r.bias + c);
        V columns[points][outputs];
#pragma GCC unroll 8
        for (int j = 0; j < points; ++j) {
            V m[points];
#pragma GCC unroll 8
            for (int i = 0; i < points; ++i)
                m[i] = *reinterpret_cast<const Unaligned*>(r.products + (i * points + j) * r.plane + c);
            Winograd<outputs>::output(m, columns[j]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < outputs; ++i) {
            if (i >= r.rows) break;
            V row[points];
            V y[outputs];
#pragma GCC unroll 8
            for (int j = 0; j < points; ++j) row[j] = columns[j][i];
            Winograd<outputs>::output(row, y);
            float* dst = r.dst + i * r.dst_row + c;
#pragma GCC unroll 8
            for (int j = 0; j < outputs; ++j) {
                if (j >= r.columns) break;
                y[j] += bias;
                r.how.store<lanes>(y[j], dst + j * r.dst_pixel, count);
            }
        }
    }
};

}  // namespace igata::runtime
