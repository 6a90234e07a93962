#include "compiler/frontend/tensor_proto.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <system_error>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "compiler/diagnostics.hpp"
#include "compiler/frontend/protobuf_file.hpp"

namespace igata {

namespace {

using onnx::TensorProto;

constexpr std::int64_t most_elements = std::int64_t{1} << 42;
constexpr std::int64_t most_dense_elements = std::int64_t{1} << 28;  ///< that few values of a sparse tensor may make

std::span<const std::byte> as_bytes(const std::string& text) {
    return std::as_bytes(std::span<const char>(text.data(), text.size()));
}

/// Bytes in a file: types of fewer than 8 bits are packed.
std::size_t packed_bytes(DataType dtype, const Dims& dims) {
    return (static_cast<std::size_t>(element_count(dims)) * static_cast<std::size_t>(runtime::packed_bits(dtype)) + 7) /
           8;
}

Tensor from_packed(DataType dtype, const Dims& dims, std::span<const std::byte> raw) {
    if (!is_small(dtype)) return Tensor::from_bytes(dtype, dims, raw);
    Tensor tensor(dtype, dims);
    const auto* packed = reinterpret_cast<const unsigned char*>(raw.data());
    visit_any_dtype(dtype, [&]<class T>() {
        if constexpr (is_small_type<T>) {
            std::size_t i = 0;
            for (T& element : tensor.mutable_values<T>()) element = T::unpack(packed, i++);
        }
    });
    return tensor;
}

Tensor from_raw(DataType dtype, const Dims& dims, std::span<const std::byte> raw, const std::string& what) {
    const std::size_t needed = packed_bytes(dtype, dims);
    if (raw.size() != needed)
        throw BadInput(fmt::format("{}: {} needs {} bytes of data but has {}", what, to_string(ValueType{dtype, dims}),
                                   needed, raw.size()));
    return from_packed(dtype, dims, raw);
}

/// Small types lie in int32_data a byte an entry.
template <class Field>
Tensor from_byte_field(DataType dtype, const Dims& dims, const Field& field, const std::string& what) {
    std::vector<std::byte> bytes;
    for (const auto entry : field) bytes.push_back(static_cast<std::byte>(entry & 0xff));
    return from_raw(dtype, dims, bytes, what);
}

/// Elements of a typed field; a field of fewer bits than its storage (int32_data for i8, f16, ...) is narrowed.
template <class Field>
Tensor from_field(DataType dtype, const Dims& dims, const Field& field, const std::string& what) {
    if (static_cast<std::int64_t>(field.size()) != element_count(dims))
        throw BadInput(fmt::format("{}: {} needs {} elements of data but has {}", what,
                                   to_string(ValueType{dtype, dims}), element_count(dims), field.size()));
    Tensor tensor(dtype, dims);
    visit_dtype(dtype, [&]<class T>() {
        const auto target = tensor.mutable_values<T>();
        for (int i = 0; i < field.size(); ++i) {
            T& element = target[static_cast<std::size_t>(i)];
            if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
                element.bits = static_cast<std::uint16_t>(field.Get(i));
            else if constexpr (std::is_same_v<T, bool>) element = field.Get(i) != 0;
            else element = static_cast<T>(field.Get(i));
        }
    });
    return tensor;
}

std::int64_t parse_count(const std::string& text, const std::string& what, const char* key) {
    std::int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0)
        throw BadInput(fmt::format("{}: external data has {} '{}', which is not a size", what, key, text));
    return value;
}

std::filesystem::path external_file(const std::string& location, const std::string& what,
                                    const std::filesystem::path& folder) {
    const std::filesystem::path relative = location;
    const bool climbs = std::find(relative.begin(), relative.end(), "..") != relative.end();
    if (location.empty() || relative.is_absolute() || climbs || location.find('\0') != std::string::npos)
        throw BadInput(fmt::format("{}: external data '{}' lies outside the model's folder", what, location));
    std::error_code error;
    const auto root = std::filesystem::canonical(folder.empty() ? "." : folder, error);
    const auto file = std::filesystem::canonical(root / relative, error);
    if (error) throw BadInput(fmt::format("{}: external data '{}': {}", what, location, error.message()));
    if (std::mismatch(root.begin(), root.end(), file.begin(), file.end()).first != root.end())
        throw BadInput(fmt::format("{}: external data '{}' lies outside the model's folder", what, location));
    return file;
}

Tensor from_external(const TensorProto& proto, DataType dtype, const Dims& dims, const std::string& what,
                     const std::filesystem::path& folder) {
    std::string location;
    std::int64_t offset = 0;
    const auto needed = static_cast<std::int64_t>(packed_bytes(dtype, dims));
    std::int64_t length = needed;
    for (const auto& entry : proto.external_data()) {
        if (entry.key() == "location") location = entry.value();
        if (entry.key() == "offset") offset = parse_count(entry.value(), what, "offset");
        if (entry.key() == "length") length = parse_count(entry.value(), what, "length");
    }
    const auto file = external_file(location, what, folder);
    std::error_code error;
    const auto size = static_cast<std::int64_t>(std::filesystem::file_size(file, error));
    if (error) throw BadInput(fmt::format("{}: external data '{}': {}", what, location, error.message()));
    if (length != needed)
        throw BadInput(fmt::format("{}: {} needs {} bytes of data but its external data has {}", what,
                                   to_string(ValueType{dtype, dims}), needed, length));
    if (offset > size || length > size - offset)
        throw BadInput(fmt::format("{}: external data '{}' has {} bytes, too few for {} bytes at offset {}", what,
                                   location, size, length, offset));
    std::vector<std::byte> bytes(static_cast<std::size_t>(length));
    std::ifstream stream(file, std::ios::binary);
    stream.seekg(offset);
    if (!stream.read(reinterpret_cast<char*>(bytes.data()), length))
        throw BadInput(fmt::format("{}: external data '{}' cannot be read", what, location));
    return from_packed(dtype, dims, bytes);
}

}  // namespace

DataType data_type_from_onnx(int number, const std::string& what) {
    if (const DataType known = data_type_from_code(number); known != DataType::undefined) return known;
    switch (number) {
        case TensorProto::STRING: throw Unsupported(what + ": tensors of strings are not supported");
        case TensorProto::COMPLEX64:
        case TensorProto::COMPLEX128: throw Unsupported(what + ": complex numbers are not supported");
        case TensorProto::UNDEFINED: throw BadInput(what + ": has no element type");
        default: throw Unsupported(fmt::format("{}: element type number {} is not supported", what, number));
    }
}

void check_dims(const Dims& dims, const std::string& what) {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) {
        if (dim < 0) throw BadInput(fmt::format("{}: dims {} are negative", what, to_string(dims)));
        if (dim > most_elements / count)
            throw BadInput(fmt::format("{}: dims {} are too large", what, to_string(dims)));
        count *= std::max<std::int64_t>(dim, 1);
    }
}

Tensor tensor_from_proto(const TensorProto& proto, const std::string& what, const std::filesystem::path& folder) {
    const DataType dtype = data_type_from_onnx(proto.data_type(), what);
    const Dims dims(proto.dims().begin(), proto.dims().end());
    check_dims(dims, what);
    if (proto.has_segment()) throw Unsupported(what + ": segmented tensors are not supported");
    if (proto.data_location() == TensorProto::EXTERNAL) return from_external(proto, dtype, dims, what, folder);
    if (proto.has_raw_data()) return from_raw(dtype, dims, as_bytes(proto.raw_data()), what);
    if (is_small(dtype)) return from_byte_field(dtype, dims, proto.int32_data(), what);
    switch (dtype) {
        case DataType::f32: return from_field(dtype, dims, proto.float_data(), what);
        case DataType::f64: return from_field(dtype, dims, proto.double_data(), what);
        case DataType::i64: return from_field(dtype, dims, proto.int64_data(), what);
        case DataType::u32:
        case DataType::u64: return from_field(dtype, dims, proto.uint64_data(), what);
        default: return from_field(dtype, dims, proto.int32_data(), what);
    }
}

Tensor tensor_from_sparse_proto(const onnx::SparseTensorProto& proto, const std::string& what,
                                const std::filesystem::path& folder) {
    const Dims dims(proto.dims().begin(), proto.dims().end());
    check_dims(dims, what);
    if (element_count(dims) > most_dense_elements)
        throw Unsupported(fmt::format("{}: dims {} are too large to make it dense", what, to_string(dims)));
    const Tensor values = tensor_from_proto(proto.values(), what + ": values", folder);
    const Tensor indices = tensor_from_proto(proto.indices(), what + ": indices", folder);
    const bool flat = indices.dims() == values.dims();
    const std::int64_t rank = static_cast<std::int64_t>(dims.size());
    if (values.dims().size() != 1 || indices.dtype() != DataType::i64 ||
        (!flat && indices.dims() != Dims{values.count(), rank}))
        throw BadInput(fmt::format("{}: values {} and indices {} do not fit dims {}", what, to_string(values.type()),
                                   to_string(indices.type()), to_string(dims)));
    Tensor result(values.dtype(), dims);
    const auto size = static_cast<std::int64_t>(size_of(values.dtype()));
    const Dims strides = row_major_strides(dims);
    const std::int64_t* places = indices.values<std::int64_t>().data();
    for (std::int64_t i = 0; i < values.count(); ++i) {
        std::int64_t offset = flat ? places[i] : 0;
        bool inside = !flat || (offset >= 0 && offset < result.count());
        for (std::int64_t axis = 0; !flat && axis < rank; ++axis) {
            const std::int64_t place = places[i * rank + axis];
            inside = inside && place >= 0 && place < dims.data()[axis];
            offset += inside ? place * strides.data()[axis] : 0;
        }
        if (!inside) throw BadInput(fmt::format("{}: index {} lies outside dims {}", what, i, to_string(dims)));
        std::memcpy(result.mutable_bytes().data() + offset * size, values.bytes().data() + i * size,
                    size_of(values.dtype()));
    }
    return result;
}

Tensor read_tensor_proto(const std::filesystem::path& file, std::string* name) {
    TensorProto proto;
    parse_protobuf(file, "a recorded tensor", proto);
    if (name != nullptr) *name = proto.name();
    return tensor_from_proto(proto, file.string(), file.parent_path());
}

}  // namespace igata
