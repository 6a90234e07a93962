// The discrete Fourier transform of complex lines of any length, in double precision.
//
// Lengths of small prime factors run by Stockham's method, one pass a factor; others become a convolution by a chirp,
// done at a power of two (Bluestein).
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace igata::runtime {

struct Complex {
    double re, im;
};

inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
inline Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
inline Complex conjugate(Complex a) { return {a.re, -a.im}; }

/// exp(-2 pi i k / n)
inline Complex root_of_unity(std::int64_t k, std::int64_t n) {
    const double angle = -2.0 * 3.14159265358979323846 * static_cast<double>(k) / static_cast<double>(n);
    return {std::cos(angle), std::sin(angle)};
}

/// Forward transforms of one length; immutable.
class FourierTransform {
public:
    explicit FourierTransform(std::int64_t length) : length_(length) {
        std::int64_t rest = length;
        for (const std::int64_t radix : {4, 2, 3, 5, 7, 11, 13})
            for (; rest > 1 && rest % radix == 0; rest /= radix) radices_.push_back(radix);
        if (rest > 1) prepare_chirp();
        else
            for (std::int64_t k = 0; k < length; ++k) roots_.push_back(root_of_unity(k, length));
    }

    std::int64_t length() const { return length_; }
    /// Complex numbers of scratch that `run` needs.
    std::int64_t scratch() const { return inner_ == nullptr ? length_ : 2 * inner_->length(); }

    /// Transforms `data` in place.
    void run(Complex* data, Complex* scratch) const {
        if (inner_ != nullptr) return run_chirp(data, scratch);
        Complex* from = data;
        Complex* to = scratch;
        std::int64_t count = length_;  // of the transforms that are left, each interleaved with `stride` others
        std::int64_t stride = 1;
        for (const std::int64_t radix : radices_) {
            count /= radix;
            if (radix == 2) pass_of_two(from, to, count, stride);
            else if (radix == 4) pass_of_four(from, to, count, stride);
            else pass(radix, from, to, count, stride);
            stride *= radix;
            std::swap(from, to);
        }
        if (from != data)
            for (std::int64_t i = 0; i < length_; ++i) data[i] = from[i];
    }

private:
    static constexpr std::int64_t most_radix = 13;

    void pass_of_two(const Complex* from, Complex* to, std::int64_t count, std::int64_t stride) const {
        for (std::int64_t k = 0; k < count; ++k) {
            const Complex w = roots_[static_cast<std::size_t>(k * stride)];
            const Complex* a = from + k * stride;
            const Complex* b = a + count * stride;
            Complex* out = to + 2 * k * stride;
            for (std::int64_t q = 0; q < stride; ++q) {
                const Complex x = a[q];
                const Complex y = b[q];
                out[q] = x + y;
                out[q + stride] = (x - y) * w;
            }
        }
    }

    void pass_of_four(const Complex* from, Complex* to, std::int64_t count, std::int64_t stride) const {
        const std::int64_t apart = count * stride;
        for (std::int64_t k = 0; k < count; ++k) {
            const Complex w1 = roots_[static_cast<std::size_t>(k * stride)];
            const Complex w2 = roots_[static_cast<std::size_t>(2 * k * stride)];
            const Complex w3 = roots_[static_cast<std::size_t>(3 * k * stride)];
            const Complex* in = from + k * stride;
            Complex* out = to + 4 * k * stride;
            for (std::int64_t q = 0; q < stride; ++q) {
                const Complex even = in[q] + in[q + 2 * apart];
                const Complex odd = in[q + apart] + in[q + 3 * apart];
                const Complex low = in[q] - in[q + 2 * apart];
                const Complex high = in[q + apart] - in[q + 3 * apart];
                const Complex turned{high.im, -high.re};
                out[q] = even + odd;
                out[q + stride] = (low + turned) * w1;
                out[q + 2 * stride] = (even - odd) * w2;
                out[q + 3 * stride] = (low - turned) * w3;
            }
        }
    }

    void pass(std::int64_t radix, const Complex* from, Complex* to, std::int64_t count, std::int64_t stride) const {
        const std::int64_t step = length_ / radix;
        for (std::int64_t k = 0; k < count; ++k)
            for (std::int64_t q = 0; q < stride; ++q) {
                Complex in[most_radix];
                for (std::int64_t j = 0; j < radix; ++j) in[j] = from[q + stride * (k + j * count)];
                for (std::int64_t r = 0; r < radix; ++r) {
                    Complex sum = in[0];
                    for (std::int64_t j = 1; j < radix; ++j)
                        sum = sum + in[j] * roots_[static_cast<std::size_t>(j * r % radix * step)];
                    to[q + stride * (radix * k + r)] = sum * roots_[static_cast<std::size_t>(k * r * stride)];
                }
            }
    }

    /// The chirp exp(-pi i k k / n), and the spectrum of its conjugate around zero.
    void prepare_chirp() {
        std::int64_t size = 1;
        while (size < 2 * length_ - 1) size *= 2;
        inner_ = std::make_unique<FourierTransform>(size);
        std::vector<Complex> line(static_cast<std::size_t>(size), Complex{0, 0});
        std::int64_t square = 0;  // k * k modulo 2n
        for (std::int64_t k = 0; k < length_; ++k) {
            roots_.push_back(root_of_unity(square, 2 * length_));
            line[static_cast<std::size_t>(k)] = conjugate(roots_.back());
            if (k > 0) line[static_cast<std::size_t>(size - k)] = conjugate(roots_.back());
            square = (square + 2 * k + 1) % (2 * length_);
        }
        std::vector<Complex> scratch(line.size());
        inner_->run(line.data(), scratch.data());
        spectrum_ = std::move(line);
    }

    void run_chirp(Complex* data, Complex* scratch) const {
        const std::int64_t size = inner_->length();
        Complex* const line = scratch;
        for (std::int64_t k = 0; k < size; ++k)
            line[k] = k < length_ ? data[k] * roots_[static_cast<std::size_t>(k)] : Complex{0, 0};
        inner_->run(line, scratch + size);
        // The inverse transform is the conjugate of the transform of the conjugate.
        for (std::int64_t k = 0; k < size; ++k) line[k] = conjugate(line[k] * spectrum_[static_cast<std::size_t>(k)]);
        inner_->run(line, scratch + size);
        const double scale = 1.0 / static_cast<double>(size);
        for (std::int64_t k = 0; k < length_; ++k)
            data[k] = conjugate(line[k]) * Complex{scale, 0} * roots_[static_cast<std::size_t>(k)];
    }

    std::int64_t length_;
    std::vector<std::int64_t> radices_;
    std::vector<Complex> roots_;  ///< of unity; the chirp, if there is an inner transform
    std::unique_ptr<FourierTransform> inner_;
    std::vector<Complex> spectrum_;
};

}  // namespace igata::runtime
