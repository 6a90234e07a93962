// Operands: src, dst (floats of one type; the last dim holds real and imaginary part, or only the real one). ints:
// {axis, length, inverse}. src is cut or filled up with zeros to `length` along the axis. dst has the first
// dst.dims[axis] elements of the result. A dst of real numbers is the inverse of half a spectrum.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/fourier.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

class DftOperation final : public Operation {
public:
    explicit DftOperation(const KernelSpec& spec)
        : spec_(spec), axis_(static_cast<int>(spec.ints[0])), transform_(spec.ints[1]) {}

    std::size_t scratch_bytes() const override {
        return static_cast<std::size_t>(max_threads() * slot()) * sizeof(Complex);
    }
    std::string implementation() const override { return "igata:dft"; }

    void run(const Frame& frame) const override {
        const MemorySpec& dst = spec_.operands[1];
        MemorySpec lines = dst;
        lines.dims[axis_] = lines.dims[dst.rank - 1] = 1;
        const std::int64_t count = element_count(dst) == 0 ? 0 : element_count(lines);
        with_type(dst.dtype, [&](auto type) {
            using T = decltype(type);
            if constexpr (!std::is_integral_v<T>)
                parallel_parts(count, 4096 / transform_.length() + 1,
                               [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
                                   Complex* line = reinterpret_cast<Complex*>(frame.scratch) + part * slot();
                                   std::int64_t index[max_rank] = {};
                                   for (std::int64_t i = begin; i < end; ++i) {
                                       unflatten(lines, i, index);
                                       load(reinterpret_cast<const T*>(frame.operands[0]), index, line);
                                       transform_.run(line, line + transform_.length());
                                       store(line, reinterpret_cast<T*>(frame.operands[1]), index);
                                   }
                               });
        });
    }

private:
    std::int64_t slot() const { return transform_.length() + transform_.scratch(); }
    bool inverse() const { return spec_.ints[2] != 0; }
    bool is_real(const MemorySpec& spec) const { return spec.dims[spec.rank - 1] == 1; }

    /// The line, conjugate if the inverse is wanted.
    template <class T>
    void load(const T* data, const std::int64_t* index, Complex* line) const {
        const MemorySpec& src = spec_.operands[0];
        const std::int64_t n = transform_.length();
        const bool half = is_real(spec_.operands[1]);
        const std::int64_t given = std::min(src.dims[axis_], half ? n / 2 + 1 : n);
        const T* from = data + offset_of(src, index);
        const std::int64_t other = src.strides[src.rank - 1];
        for (std::int64_t i = 0; i < given; ++i, from += src.strides[axis_]) {
            line[i].re = static_cast<double>(Element<T>::load(from[0]));
            line[i].im = is_real(src) ? 0.0 : static_cast<double>(Element<T>::load(from[other]));
            if (inverse()) line[i].im = -line[i].im;
        }
        std::fill(line + given, line + n, Complex{0, 0});
        if (!half) return;
        line[0].im = 0;
        if (n % 2 == 0) line[n / 2].im = 0;
        for (std::int64_t i = 1; 2 * i < n; ++i) line[n - i] = conjugate(line[i]);
    }

    template <class T>
    void store(const Complex* line, T* data, const std::int64_t* index) const {
        const MemorySpec& dst = spec_.operands[1];
        T* to = data + offset_of(dst, index);
        const double scale = inverse() ? 1.0 / static_cast<double>(transform_.length()) : 1.0;
        using Value = typename Element<T>::Value;
        for (std::int64_t i = 0; i < dst.dims[axis_]; ++i, to += dst.strides[axis_]) {
            to[0] = Element<T>::store(static_cast<Value>(line[i].re * scale));
            if (is_real(dst)) continue;
            const double im = inverse() ? -line[i].im : line[i].im;
            to[dst.strides[dst.rank - 1]] = Element<T>::store(static_cast<Value>(im * scale));
        }
    }

    KernelSpec spec_;
    int axis_;
    FourierTransform transform_;
};

inline std::unique_ptr<Operation> make_dft(const Builder&, const KernelSpec& spec) {
    return std::make_unique<DftOperation>(spec);
}

}  // namespace igata::runtime
