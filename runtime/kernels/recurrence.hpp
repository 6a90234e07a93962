// The recurrence of RNN, GRU and LSTM in one direction, given X times W for all steps. With gates G (1 RNN; 3 GRU: z,
// r, h; 4 LSTM: i, o, f, c), S steps, B sequences and H units, all f32 or all f64; what may be absent is marked `?`:
// operands: X W [S,B,G*H], R [G*H,H], B? [2*G*H], sequence_lens? i32 [B], initial_h? [B,H], initial_c? [B,H], P? [3*H],
// alpha and beta of each activation f32 [3,2], Y? [S,B,H], Y_h? [B,H], Y_c? [B,H]. Except for Y, Y_h and Y_c, whose
// units lie side by side, any strides will do. ints: {G, reverse, input_forget, linear_before_reset, activations f, g,
// h as numbered in `activation`}; floats: {clip, 0 for none}. Sequences are independent of each other, which is what
// threads share out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "runtime/eltwise.hpp"
#include "runtime/isa.hpp"
#include "runtime/kernel.hpp"

namespace igata::runtime {

namespace recurrence {

inline constexpr std::int64_t panel = 64;  ///< columns of R^T that lie side by side, packed
inline constexpr std::int64_t tile = 4;    ///< sequences at once

inline std::int64_t padded(std::int64_t columns) { return (columns + panel - 1) / panel * panel; }

template <class T>
using ActivationFunction = void (*)(T* x, std::int64_t count, T alpha, T beta);

struct ThresholdedRelu {
    template <class T>
    [[gnu::always_inline]] static T apply(T x, T alpha, T) {
        return x < alpha ? T(0) : x;
    }
};
struct ScaledTanh {
    [[gnu::always_inline]] static float apply(float x, float alpha, float beta) {
        return alpha * scalar::tanh(beta * x);
    }
};
struct Softsign {
    template <class T>
    [[gnu::always_inline]] static T apply(T x, T, T) {
        return x / (T(1) + (x < T(0) ? -x : x));
    }
};

template <class Function>
struct ActivationBody {
    template <int>
    [[gnu::always_inline]] static void run(float* x, std::int64_t count, float alpha, float beta) {
        for (std::int64_t i = 0; i < count; ++i) x[i] = Function::apply(x[i], alpha, beta);
    }
};

inline ActivationFunction<float> activation(std::int64_t number, float) {
    const auto own = [](auto function) {
        return Versions<ActivationBody<decltype(function)>, float*, std::int64_t, float, float>::get();
    };
    switch (number) {
        case 0: return eltwise_function<Eltwise::relu>();  // with alpha 0
        case 1: return eltwise_function<Eltwise::tanh>();
        case 2: return eltwise_function<Eltwise::sigmoid>();
        case 3: return eltwise_function<Eltwise::linear>();
        case 4: return eltwise_function<Eltwise::relu>();
        case 5: return own(ThresholdedRelu{});
        case 6: return own(ScaledTanh{});
        case 7: return eltwise_function<Eltwise::hardsigmoid>();
        case 8: return eltwise_function<Eltwise::elu>();
        case 9: return own(Softsign{});
        default: return eltwise_function<Eltwise::softplus>();
    }
}

template <int number>
void activate(double* x, std::int64_t count, double alpha, double beta) {
    for (std::int64_t i = 0; i < count; ++i) {
        const double v = x[i];
        if constexpr (number == 0) x[i] = v < 0 ? 0 : v;
        if constexpr (number == 1) x[i] = std::tanh(v);
        if constexpr (number == 2) x[i] = 1 / (1 + std::exp(-v));
        if constexpr (number == 3) x[i] = alpha * v + beta;
        if constexpr (number == 4) x[i] = v < 0 ? alpha * v : v;
        if constexpr (number == 5) x[i] = ThresholdedRelu::apply(v, alpha, beta);
        if constexpr (number == 6) x[i] = alpha * std::tanh(beta * v);
        if constexpr (number == 7) x[i] = std::min(std::max(alpha * v + beta, 0.0), 1.0);
        if constexpr (number == 8) x[i] = v < 0 ? alpha * std::expm1(v) : v;
        if constexpr (number == 9) x[i] = Softsign::apply(v, alpha, beta);
        if constexpr (number == 10) x[i] = std::max(v, 0.0) + std::log1p(std::exp(-std::fabs(v)));
    }
}

inline ActivationFunction<double> activation(std::int64_t number, double) {
    static constexpr ActivationFunction<double> functions[] = {activate<0>, activate<1>, activate<2>, activate<3>,
                                                               activate<4>, activate<5>, activate<6>, activate<7>,
                                                               activate<8>, activate<9>, activate<10>};
    return functions[number];
}

/// Where things lie, worked out once.
template <class T>
struct Shape {
    explicit Shape(const KernelSpec& spec)
        : gates(spec.ints[0]),
          steps(spec.operands[0].dims[0]),
          batch(spec.operands[0].dims[1]),
          hidden(spec.operands[1].dims[1]),
          first(gates == 3 ? 2 * hidden : gates * hidden),
          second(gates == 3 ? hidden : 0),
          row(padded(first) + padded(second)),
          state(padded(hidden)) {}

    std::int64_t gates, steps, batch, hidden;
    std::int64_t first;   ///< columns that the previous h multiplies
    std::int64_t second;  ///< GRU's hidden gate, which comes after the others
    std::int64_t row;     ///< elements of a row of gates; the second group begins at padded(first)
    std::int64_t state;   ///< elements of a row of h, c or scratch

    std::int64_t tiles() const { return (batch + tile - 1) / tile; }
    std::int64_t packed_elements() const { return row * hidden; }
    std::int64_t bias_elements() const { return padded(gates * hidden + hidden); }
    std::int64_t tile_elements() const { return tile * (row + 3 * state); }
};

/// R as panels of columns: [panel][unit][column], a group at a time.
template <class T>
void pack(const Shape<T>& s, const MemorySpec& spec, const T* r, T* packed) {
    std::fill(packed, packed + s.packed_elements(), T(0));
    for (std::int64_t column = 0; column < s.first + s.second; ++column) {
        const bool later = column >= s.first;
        const std::int64_t at = later ? padded(s.first) + column - s.first : column;
        T* to = packed + at / panel * panel * s.hidden + at % panel;
        for (std::int64_t k = 0; k < s.hidden; ++k) to[k * panel] = r[column * spec.strides[0] + k * spec.strides[1]];
    }
}

/// The sums of both biases, where they may be added together; a GRU's second bias of the hidden gate comes last.
template <class T>
void sum_biases(const Shape<T>& s, const KernelSpec& spec, const T* b, T* bias) {
    std::fill(bias, bias + s.bias_elements(), T(0));
    if (b == nullptr) return;
    const std::int64_t count = s.gates * s.hidden;
    const std::int64_t stride = spec.operands[2].strides[0];
    const bool apart = s.gates == 3 && spec.ints[3] != 0;
    for (std::int64_t i = 0; i < count; ++i) {
        const T second = b[(count + i) * stride];
        const bool alone = apart && i >= s.first;
        bias[i] = b[i * stride] + (alone ? T(0) : second);
        if (alone) bias[count + i - s.first] = second;
    }
}

/// What the sequences of one tile are computed with.
template <class T>
struct Job {
    const Shape<T>* shape;
    const KernelSpec* spec;
    std::byte* const* operands;
    const T* packed;
    const T* bias;
    const ActivationFunction<T>* activations;
    T* scratch;          ///< tile_elements
    std::int64_t begin;  ///< first sequence
    std::int64_t count;  ///< at most `tile`
};

/// gates[row][column] += sum over k of h[row][k] * R^T[k][column], over whole panels.
template <int lanes, int rows, class T>
[[gnu::always_inline]] inline void multiply(const T* packed, std::int64_t columns, std::int64_t units, const T* h,
                                            std::int64_t h_stride, T* gates, std::int64_t gates_stride) {
    constexpr int bytes = lanes * static_cast<int>(sizeof(float));
    using Register [[gnu::vector_size(bytes)]] = T;
    using Unaligned [[gnu::vector_size(bytes), gnu::aligned(alignof(T)), gnu::may_alias]] = T;
    constexpr int width = bytes / static_cast<int>(sizeof(T));
    constexpr int registers = 4;
    for (std::int64_t column = 0; column < columns; column += registers * width) {
        const T* from = packed + column / panel * panel * units + column % panel;
        Register sums[rows][registers];
        for (int i = 0; i < rows; ++i)
            for (int j = 0; j < registers; ++j)
                sums[i][j] = *reinterpret_cast<const Unaligned*>(gates + i * gates_stride + column + j * width);
        for (std::int64_t k = 0; k < units; ++k)
            for (int j = 0; j < registers; ++j) {
                const Register r = *reinterpret_cast<const Unaligned*>(from + k * panel + j * width);
                for (int i = 0; i < rows; ++i) sums[i][j] += h[i * h_stride + k] * r;
            }
        for (int i = 0; i < rows; ++i)
            for (int j = 0; j < registers; ++j)
                *reinterpret_cast<Unaligned*>(gates + i * gates_stride + column + j * width) = sums[i][j];
    }
}

template <class T>
class TileRun {
public:
    explicit TileRun(const Job<T>& job)
        : job_(job),
          s_(*job.shape),
          spec_(*job.spec),
          units_(s_.hidden),
          gates_(job.scratch),
          h_(gates_ + tile * s_.row),
          c_(h_ + tile * s_.state),
          other_(c_ + tile * s_.state) {}

    template <int lanes>
    [[gnu::always_inline]] inline void run() {
        for (std::int64_t i = 0; i < job_.count; ++i) {
            load_state(4, h_, i);
            load_state(5, c_, i);
            lengths_[i] = length(job_.begin + i);
            zero_rest(i);
        }
        const bool reverse = spec_.ints[1] != 0;
        const std::int64_t longest = *std::max_element(lengths_, lengths_ + job_.count);
        for (std::int64_t k = 0; k < longest; ++k) {
            for (std::int64_t i = 0; i < job_.count; ++i)
                if (k < lengths_[i]) times_[i] = reverse ? lengths_[i] - 1 - k : k;
                else times_[i] = -1;
            step<lanes>();
            for (std::int64_t i = 0; i < job_.count; ++i)
                if (times_[i] >= 0) store(8, h_ + i * s_.state, job_.begin + i, times_[i]);
        }
        for (std::int64_t i = 0; i < job_.count; ++i) {
            store(9, h_ + i * s_.state, job_.begin + i, 0);
            store(10, c_ + i * s_.state, job_.begin + i, 0);
        }
    }

private:
    const T* operand(int i) const { return reinterpret_cast<const T*>(job_.operands[i]); }

    std::int64_t length(std::int64_t sequence) const {
        const auto* lengths = reinterpret_cast<const std::int32_t*>(job_.operands[3]);
        if (lengths == nullptr) return s_.steps;
        return std::clamp<std::int64_t>(lengths[sequence * spec_.operands[3].strides[0]], 0, s_.steps);
    }

    void load_state(int i, T* rows, std::int64_t row) const {
        T* to = rows + row * s_.state;
        std::fill(to, to + s_.state, T(0));
        if (operand(i) == nullptr) return;
        const std::int64_t* strides = spec_.operands[i].strides;
        const T* from = operand(i) + (job_.begin + row) * strides[0];
        for (std::int64_t k = 0; k < units_; ++k) to[k] = from[k * strides[1]];
    }

    /// Y at a time, Y_h or Y_c.
    T* destination(int i, std::int64_t sequence, std::int64_t time) const {
        const MemorySpec& memory = spec_.operands[i];
        auto* base = reinterpret_cast<T*>(job_.operands[i]);
        return i == 8 ? base + time * memory.strides[0] + sequence * memory.strides[1]
                      : base + sequence * memory.strides[0];
    }
    void store(int i, const T* row, std::int64_t sequence, std::int64_t time) const {
        if (job_.operands[i] != nullptr) std::copy(row, row + units_, destination(i, sequence, time));
    }
    void zero_rest(std::int64_t i) const {
        if (job_.operands[8] == nullptr) return;
        for (std::int64_t time = lengths_[i]; time < s_.steps; ++time) {
            T* to = destination(8, job_.begin + i, time);
            std::fill(to, to + units_, T(0));
        }
    }

    /// to = X W + bias of `count` gate columns from `begin` on.
    [[gnu::always_inline]] inline void load_gates(std::int64_t i, std::int64_t begin, std::int64_t count, T* to) const {
        const std::int64_t* strides = spec_.operands[0].strides;
        const T* from = operand(0) + times_[i] * strides[0] + (job_.begin + i) * strides[1] + begin * strides[2];
        const T* bias = job_.bias + begin;
        if (strides[2] == 1)
            for (std::int64_t k = 0; k < count; ++k) to[k] = from[k] + bias[k];
        else
            for (std::int64_t k = 0; k < count; ++k) to[k] = from[k * strides[2]] + bias[k];
    }

    /// Clipping is for gates: an LSTM's cell state is not clipped on its way through h.
    void activate(std::size_t function, T* x, std::int64_t count) const {
        const T clip = function == 2 ? T(0) : static_cast<T>(spec_.floats[0]);
        if (clip > T(0))
            for (std::int64_t k = 0; k < count; ++k) x[k] = x[k] < -clip ? -clip : x[k] > clip ? clip : x[k];
        const auto* parameters = reinterpret_cast<const float*>(job_.operands[7]) + 2 * function;
        job_.activations[function](x, count, static_cast<T>(parameters[0]), static_cast<T>(parameters[1]));
    }

    /// The rows' gates += h times a group of R's columns. A result depends on its own row only.
    template <int lanes>
    [[gnu::always_inline]] inline void add_products(const T* h, std::int64_t first_column, std::int64_t columns) {
        const T* packed = job_.packed + first_column * units_;
        T* gates = gates_ + first_column;
        constexpr int most = lanes == 16 ? 4 : 2;
        std::int64_t i = 0;
        for (; i + most <= job_.count; i += most)
            multiply<lanes, most>(packed, padded(columns), units_, h + i * s_.state, s_.state, gates + i * s_.row,
                                  s_.row);
        for (; i < job_.count; ++i)
            multiply<lanes, 1>(packed, padded(columns), units_, h + i * s_.state, s_.state, gates + i * s_.row, s_.row);
    }

    /// Sequences that have ended run along on their last gates; their states are left alone.
    template <int lanes>
    [[gnu::always_inline]] inline void step() {
        for (std::int64_t i = 0; i < job_.count; ++i)
            if (times_[i] >= 0) load_gates(i, 0, s_.first, gates_ + i * s_.row);
        add_products<lanes>(h_, 0, s_.first);
        if (s_.gates == 3) return step_gru<lanes>();
        for (std::int64_t i = 0; i < job_.count; ++i) {
            if (times_[i] < 0) continue;
            if (s_.gates == 4) step_lstm(i);
            else {
                activate(0, gates_ + i * s_.row, units_);
                std::copy(gates_ + i * s_.row, gates_ + i * s_.row + units_, h_ + i * s_.state);
            }
        }
    }

    template <int lanes>
    [[gnu::always_inline]] inline void step_gru() {
        const bool linear_before_reset = spec_.ints[3] != 0;
        const std::int64_t later = padded(s_.first);
        for (std::int64_t i = 0; i < job_.count; ++i) {
            T* gates = gates_ + i * s_.row;
            T* other = other_ + i * s_.state;
            if (times_[i] < 0) continue;
            activate(0, gates, 2 * units_);
            if (linear_before_reset) {
                std::copy(job_.bias + 3 * units_, job_.bias + 4 * units_, gates + later);
            } else {
                load_gates(i, s_.first, units_, gates + later);
                for (std::int64_t k = 0; k < units_; ++k) other[k] = gates[units_ + k] * h_[i * s_.state + k];
            }
        }
        add_products<lanes>(linear_before_reset ? h_ : other_, later, s_.second);
        for (std::int64_t i = 0; i < job_.count; ++i) {
            if (times_[i] < 0) continue;
            T* gates = gates_ + i * s_.row;
            T* candidate = gates + later;
            T* other = other_ + i * s_.state;
            T* h = h_ + i * s_.state;
            if (linear_before_reset) {
                load_gates(i, s_.first, units_, other);
                for (std::int64_t k = 0; k < units_; ++k) candidate[k] = other[k] + gates[units_ + k] * candidate[k];
            }
            activate(1, candidate, units_);
            for (std::int64_t k = 0; k < units_; ++k) h[k] = (T(1) - gates[k]) * candidate[k] + gates[k] * h[k];
        }
    }

    [[gnu::always_inline]] inline void add_peephole(T* gate, const T* c, std::int64_t number) const {
        const std::int64_t stride = spec_.operands[6].strides[0];
        const T* p = operand(6) + number * units_ * stride;
        for (std::int64_t k = 0; k < units_; ++k) gate[k] += p[k * stride] * c[k];
    }

    [[gnu::always_inline]] inline void step_lstm(std::int64_t row) {
        T* input = gates_ + row * s_.row;
        T* output = input + units_;
        T* forget = output + units_;
        T* candidate = forget + units_;
        T* c = c_ + row * s_.state;
        T* h = h_ + row * s_.state;
        const bool peepholes = operand(6) != nullptr;
        if (peepholes) {
            add_peephole(input, c, 0);
            add_peephole(forget, c, 2);
            activate(0, input, units_);
            activate(0, forget, units_);
        } else {
            activate(0, input, 3 * units_);
        }
        activate(1, candidate, units_);
        if (spec_.ints[2] != 0)
            for (std::int64_t k = 0; k < units_; ++k) forget[k] = T(1) - input[k];
        for (std::int64_t k = 0; k < units_; ++k) c[k] = forget[k] * c[k] + input[k] * candidate[k];
        if (peepholes) {
            add_peephole(output, c, 1);
            activate(0, output, units_);
        }
        std::copy(c, c + units_, h);
        activate(2, h, units_);
        for (std::int64_t k = 0; k < units_; ++k) h[k] *= output[k];
    }

    const Job<T>& job_;
    const Shape<T>& s_;
    const KernelSpec& spec_;
    std::int64_t units_;
    T* gates_;
    T* h_;
    T* c_;
    T* other_;
    std::int64_t lengths_[tile] = {};
    std::int64_t times_[tile] = {};  ///< -1: the sequence has ended
};

template <class T>
struct TileBody {
    template <int lanes>
    [[gnu::always_inline]] static void run(const Job<T>* job) {
        TileRun<T>(*job).template run<lanes>();
    }
};

template <class T>
class RecurrenceOperation final : public Operation {
public:
    RecurrenceOperation(const Builder& builder, const KernelSpec& spec)
        : spec_(spec), shape_(spec_), run_(Versions<TileBody<T>, const Job<T>*>::get()) {
        const std::int64_t functions = shape_.gates == 1 ? 1 : shape_.gates == 3 ? 2 : 3;
        for (std::int64_t i = 0; i < functions; ++i) activations_[i] = activation(spec.ints[4 + i], T());
        if (const std::byte* r = builder.constant(1)) {
            packed_ = AlignedMemory(bytes(shape_.packed_elements()));
            pack(shape_, spec_.operands[1], reinterpret_cast<const T*>(r), reinterpret_cast<T*>(packed_.get()));
        }
    }

    std::size_t scratch_bytes() const override {
        return bytes(shape_.bias_elements()) + bytes(shape_.tile_elements() * shape_.tiles()) +
               (packed_.get() == nullptr ? bytes(shape_.packed_elements()) : 0);
    }

    void run(const Frame& frame) const override {
        T* bias = reinterpret_cast<T*>(frame.scratch);
        T* tiles = bias + shape_.bias_elements();
        T* packed = reinterpret_cast<T*>(packed_.get());
        sum_biases(shape_, spec_, reinterpret_cast<const T*>(frame.operands[2]), bias);
        if (packed == nullptr) {
            packed = tiles + shape_.tile_elements() * shape_.tiles();
            pack(shape_, spec_.operands[1], reinterpret_cast<const T*>(frame.operands[1]), packed);
        }
        const std::int64_t work = tile * shape_.steps * (shape_.packed_elements() + 8 * shape_.row) + 1;
        parallel_for(shape_.tiles(), 1 + 200000 / work, [&](std::int64_t begin, std::int64_t end) {
            for (std::int64_t i = begin; i < end; ++i) {
                T* scratch = tiles + i * shape_.tile_elements();
                std::fill(scratch, scratch + shape_.tile_elements(), T(0));
                const Job<T> job{&shape_, &spec_,   frame.operands,
                                 packed,  bias,     activations_,
                                 scratch, i * tile, std::min(tile, shape_.batch - i * tile)};
                run_(&job);
            }
        });
    }

    std::vector<Constants> first_reads() const override {
        if (packed_.get() == nullptr) return {};
        return {{packed_.get(), bytes(shape_.packed_elements())}};
    }

    std::string implementation() const override { return std::string("igata:recurrence:") + name_of(detect_isa()); }

private:
    static std::size_t bytes(std::int64_t elements) { return static_cast<std::size_t>(elements) * sizeof(T); }

    KernelSpec spec_;
    Shape<T> shape_;
    void (*run_)(const Job<T>*);
    ActivationFunction<T> activations_[3] = {};
    AlignedMemory packed_;
};

}  // namespace recurrence

inline std::unique_ptr<Operation> make_recurrence(const Builder& builder, const KernelSpec& spec) {
    if (spec.operands[0].dtype == DataType::f64)
        return std::make_unique<recurrence::RecurrenceOperation<double>>(builder, spec);
    return std::make_unique<recurrence::RecurrenceOperation<float>>(builder, spec);
}

}  // namespace igata::runtime
