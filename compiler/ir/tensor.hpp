// A constant: element type, dims and row-major bytes, shared between copies.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "compiler/ir/type.hpp"

namespace igata {

/// Dense row-major tensor. Copies share the bytes; `mutable_values` detaches first, so a copy never changes under its
/// owner. Storage is 64-byte aligned.
class Tensor {
public:
    Tensor() = default;
    /// Zero-filled.
    Tensor(DataType dtype, Dims dims);
    template <class T>
    static Tensor of(Dims dims, const std::vector<T>& values) {
        Tensor tensor(data_type_of<T>(), std::move(dims));
        tensor.assign(values);
        return tensor;
    }
    template <class T>
    static Tensor scalar(T value) {
        return of<T>({}, {value});
    }
    /// 1-D i64, as ONNX passes axes and shapes.
    static Tensor of_dims(const Dims& values);
    /// From raw little-endian bytes (any byte but 0 is true); throws std::invalid_argument if the size does not fit.
    static Tensor from_bytes(DataType dtype, Dims dims, std::span<const std::byte> bytes);

    DataType dtype() const { return type_.dtype; }
    const Dims& dims() const { return type_.dims; }
    const ValueType& type() const { return type_; }
    std::int64_t count() const { return element_count(type_.dims); }
    std::size_t byte_size() const { return static_cast<std::size_t>(count()) * size_of(dtype()); }
    bool empty() const { return !type_.known(); }

    std::span<const std::byte> bytes() const;
    std::span<std::byte> mutable_bytes();
    /// Throws std::logic_error if T is not the element type.
    template <class T>
    std::span<const T> values() const {
        require(data_type_of<T>());
        return {reinterpret_cast<const T*>(bytes().data()), static_cast<std::size_t>(count())};
    }
    template <class T>
    std::span<T> mutable_values() {
        require(data_type_of<T>());
        return {reinterpret_cast<T*>(mutable_bytes().data()), static_cast<std::size_t>(count())};
    }

    /// Every element converted; for reading integer arguments (axes, shapes, ...) of any integer type.
    std::vector<std::int64_t> to_i64() const;
    std::vector<double> to_f64() const;
    /// The single element; throws std::invalid_argument unless count() == 1.
    double scalar_f64() const;

    /// Same bytes under other dims of equal count.
    Tensor reshaped(Dims dims) const;
    /// Converted element by element: floats to integers as x86 does (scalar.hpp); to bool: != 0.
    Tensor cast(DataType dtype) const;
    /// Axes permuted as by ONNX Transpose.
    Tensor transposed(std::span<const std::int64_t> perm) const;

    /// Type and bytes are equal.
    bool operator==(const Tensor& other) const;

private:
    void require(DataType dtype) const;
    template <class T>
    void assign(const std::vector<T>& values);

    ValueType type_;
    std::shared_ptr<std::byte> data_;
};

template <class T>
void Tensor::assign(const std::vector<T>& values) {
    auto target = mutable_values<T>();
    if (target.size() != values.size()) throw std::invalid_argument("Tensor::of: dims do not fit the values");
    for (std::size_t i = 0; i < values.size(); ++i) target[i] = values[i];
}

}  // namespace igata
