#include "runtime/predictor_peak.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

#include "runtime/isa.hpp"

namespace igata::cli {

namespace {

using runtime::VectorOf;
using runtime::Versions;

constexpr int chains = 12;  // enough to hide the latency of a multiply-add on two ports

/// Independent chains of multiply-adds; *flops is how many operations that were.
struct MultiplyAdds {
    template <int lanes>
    [[gnu::always_inline]] static void run(float* values, std::int64_t count, double* flops) {
        using V = typename VectorOf<lanes>::Register;
        V sums[chains];
        for (int c = 0; c < chains; ++c) sums[c] = V{} + values[c];
        const V factor = V{} + values[chains];
        const V summand = V{} + values[chains + 1];
        for (std::int64_t i = 0; i < count; ++i)
            for (int c = 0; c < chains; ++c) sums[c] = sums[c] * factor + summand;
        V total = {};
        for (int c = 0; c < chains; ++c) total += sums[c];
        values[0] = total[0];
        *flops = 2.0 * chains * lanes * static_cast<double>(count);
    }
};

/// The sum of `count` floats, a multiple of 128.
struct Reading {
    template <int lanes>
    [[gnu::always_inline]] static void run(const float* values, std::int64_t count, float* sum) {
        using V = typename VectorOf<lanes>::Register;
        using Unaligned = typename VectorOf<lanes>::Unaligned;
        V sums[8] = {};
        for (std::int64_t i = 0; i < count; i += 8 * lanes)
            for (int k = 0; k < 8; ++k) sums[k] += *reinterpret_cast<const Unaligned*>(values + i + k * lanes);
        V total = {};
        for (const V& part : sums) total += part;
        *sum = total[0];
    }
};

/// Units of work a second: the best of the calls that fit into `seconds`; a call returns its units.
template <class Work>
double best_rate(double seconds, const Work& work) {
    using Clock = std::chrono::steady_clock;
    const Clock::time_point start = Clock::now();
    double best = 0.0;
    for (Clock::time_point before = start; std::chrono::duration<double>(before - start).count() < seconds;) {
        const double units = work();
        const Clock::time_point now = Clock::now();
        best = std::max(best, units / std::chrono::duration<double>(now - before).count());
        before = now;
    }
    return best;
}

Peak measure_one() {
    Peak peak;
    const auto multiply_adds = Versions<MultiplyAdds, float*, std::int64_t, double*>::get();
    float values[chains + 2] = {};
    values[chains] = 0.999F;
    values[chains + 1] = 0.001F;
    peak.flops = best_rate(0.05, [&] {
        double flops = 0.0;
        multiply_adds(values, 100000, &flops);
        return flops;
    });
    const auto reading = Versions<Reading, const float*, std::int64_t, float*>::get();
    const std::vector<float> memory(std::size_t{1} << 24, 1.0F);  // 64 MB
    volatile float sink = 0.0F;
    peak.bytes = best_rate(0.05, [&] {
        float sum = 0.0F;
        reading(memory.data(), static_cast<std::int64_t>(memory.size()), &sum);
        sink = sum;
        return static_cast<double>(memory.size() * sizeof(float));
    });
    static_cast<void>(sink);
    return peak;
}

}  // namespace

Peak measure_peak(int threads) {
    const int count = threads > 0 ? threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    std::vector<Peak> peaks(static_cast<std::size_t>(count));
    std::vector<std::thread> others;
    for (std::size_t i = 1; i < peaks.size(); ++i) others.emplace_back([&peaks, i] { peaks[i] = measure_one(); });
    peaks[0] = measure_one();
    for (std::thread& other : others) other.join();
    Peak sum;
    for (const Peak& peak : peaks) {
        sum.flops += peak.flops;
        sum.bytes += peak.bytes;
    }
    return sum;
}

}  // namespace igata::cli
