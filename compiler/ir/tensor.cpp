#include "compiler/ir/tensor.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <stdexcept>

#include <fmt/format.h>

#include "compiler/ir/scalar.hpp"

namespace igata {

namespace {

constexpr std::size_t alignment = 64;

std::shared_ptr<std::byte> allocate(std::size_t bytes) {
    const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
    auto* memory = static_cast<std::byte*>(std::aligned_alloc(alignment, rounded));
    if (memory == nullptr) throw std::bad_alloc();
    std::memset(memory, 0, rounded);
    return {memory, [](std::byte* p) { std::free(p); }};
}

template <class To, class From>
To convert(From value) {
    if constexpr (is_small_type<From>) return convert<To>(value.value());
    else if constexpr (is_small_type<To>) {
        if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>)
            return To::of(static_cast<float>(value));
        else return To::of(value);
    } else if constexpr (std::is_same_v<To, bool>) return value != From{};
    else if constexpr (std::is_same_v<To, Half> || std::is_same_v<To, BFloat16>) return To(static_cast<float>(value));
    else if constexpr (std::is_same_v<From, Half> || std::is_same_v<From, BFloat16>)
        return convert<To>(static_cast<float>(value));
    else return scalar::convert<To>(value);
}

}  // namespace

Tensor::Tensor(DataType dtype, Dims dims) : type_{dtype, std::move(dims)}, data_(allocate(byte_size())) {}

Tensor Tensor::of_dims(const Dims& values) {
    return of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

Tensor Tensor::from_bytes(DataType dtype, Dims dims, std::span<const std::byte> bytes) {
    Tensor tensor(dtype, std::move(dims));
    if (tensor.byte_size() != bytes.size())
        throw std::invalid_argument(fmt::format("tensor {} needs {} bytes but has {}", to_string(tensor.type()),
                                                tensor.byte_size(), bytes.size()));
    std::memcpy(tensor.data_.get(), bytes.data(), bytes.size());
    if (dtype == DataType::boolean)  // any other byte is no C++ bool
        for (std::byte& byte : tensor.mutable_bytes()) byte = byte == std::byte{0} ? byte : std::byte{1};
    return tensor;
}

std::span<const std::byte> Tensor::bytes() const { return {data_.get(), byte_size()}; }

std::span<std::byte> Tensor::mutable_bytes() {
    if (data_.use_count() > 1) {
        auto copy = allocate(byte_size());
        std::memcpy(copy.get(), data_.get(), byte_size());
        data_ = std::move(copy);
    }
    return {data_.get(), byte_size()};
}

std::vector<std::int64_t> Tensor::to_i64() const {
    const Tensor wide = cast(DataType::i64);
    const auto values = wide.values<std::int64_t>();
    return {values.begin(), values.end()};
}

std::vector<double> Tensor::to_f64() const {
    const Tensor wide = cast(DataType::f64);
    const auto values = wide.values<double>();
    return {values.begin(), values.end()};
}

double Tensor::scalar_f64() const {
    if (count() != 1) throw std::invalid_argument(fmt::format("expected one element, got {}", to_string(type_)));
    return to_f64().front();
}

Tensor Tensor::reshaped(Dims dims) const {
    if (element_count(dims) != count())
        throw std::invalid_argument(fmt::format("cannot reshape {} to {}", to_string(type_), to_string(dims)));
    Tensor result = *this;
    result.type_.dims = std::move(dims);
    return result;
}

Tensor Tensor::cast(DataType dtype) const {
    if (dtype == type_.dtype) return *this;
    Tensor result(dtype, type_.dims);
    visit_any_dtype(type_.dtype, [&]<class From>() {
        const auto source = values<From>();
        visit_any_dtype(dtype, [&]<class To>() {
            std::transform(source.begin(), source.end(), result.mutable_values<To>().begin(), convert<To, From>);
        });
    });
    return result;
}

Tensor Tensor::transposed(std::span<const std::int64_t> perm) const {
    const std::size_t rank = dims().size();
    const Dims source_strides = row_major_strides(dims());
    Dims target_dims(rank);
    Dims strides(rank);
    for (std::size_t i = 0; i < rank; ++i) {
        target_dims[i] = dims().at(static_cast<std::size_t>(perm[i]));
        strides[i] = source_strides[static_cast<std::size_t>(perm[i])];
    }
    Tensor result(dtype(), target_dims);
    const std::size_t width = size_of(dtype());
    const std::byte* source = bytes().data();
    std::byte* target = result.mutable_bytes().data();
    Dims index(rank, 0);
    std::int64_t offset = 0;
    for (std::int64_t n = count(); n > 0; --n, target += width) {
        std::memcpy(target, source + static_cast<std::size_t>(offset) * width, width);
        for (std::size_t axis = rank; axis-- > 0;) {
            offset += strides[axis];
            if (++index[axis] < target_dims[axis]) break;
            offset -= strides[axis] * target_dims[axis];
            index[axis] = 0;
        }
    }
    return result;
}

bool Tensor::operator==(const Tensor& other) const {
    if (type_ != other.type_) return false;
    const auto a = bytes();
    const auto b = other.bytes();
    return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void Tensor::require(DataType dtype) const {
    if (dtype != type_.dtype)
        throw std::logic_error(fmt::format("tensor is {}, read as {}", name_of(type_.dtype), name_of(dtype)));
}

}  // namespace igata
