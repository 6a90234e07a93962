#include "runtime/predictor_tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "runtime/small_types.hpp"

namespace igata::cli {

namespace {

struct TypeRow {
    igata_dtype dtype;
    const char* name;
    const char* npy;  ///< numpy's code; null if numpy has none
    std::size_t size;
    int onnx;  ///< TensorProto.DataType
};

constexpr TypeRow types[] = {
    {IGATA_F32, "f32", "<f4", 4, 1},
    {IGATA_F64, "f64", "<f8", 8, 11},
    {IGATA_F16, "f16", "<f2", 2, 10},
    {IGATA_BF16, "bf16", nullptr, 2, 16},
    {IGATA_I8, "i8", "|i1", 1, 3},
    {IGATA_I16, "i16", "<i2", 2, 5},
    {IGATA_I32, "i32", "<i4", 4, 6},
    {IGATA_I64, "i64", "<i8", 8, 7},
    {IGATA_U8, "u8", "|u1", 1, 2},
    {IGATA_U16, "u16", "<u2", 2, 4},
    {IGATA_U32, "u32", "<u4", 4, 12},
    {IGATA_U64, "u64", "<u8", 8, 13},
    {IGATA_BOOL, "bool", "|b1", 1, 9},
    {IGATA_F8E4M3FN, "f8e4m3fn", nullptr, 1, 17},
    {IGATA_F8E4M3FNUZ, "f8e4m3fnuz", nullptr, 1, 18},
    {IGATA_F8E5M2, "f8e5m2", nullptr, 1, 19},
    {IGATA_F8E5M2FNUZ, "f8e5m2fnuz", nullptr, 1, 20},
    {IGATA_F8E8M0, "f8e8m0", nullptr, 1, 24},
    {IGATA_F4E2M1, "f4e2m1", nullptr, 1, 23},
    {IGATA_I4, "i4", nullptr, 1, 22},
    {IGATA_U4, "u4", nullptr, 1, 21},
    {IGATA_I2, "i2", nullptr, 1, 26},
    {IGATA_U2, "u2", nullptr, 1, 25},
};

/// The runtime's type of the same name.
runtime::DataType small_type(igata_dtype dtype) {
    return static_cast<runtime::DataType>(static_cast<int>(runtime::DataType::f8e4m3fn) + (dtype - IGATA_F8E4M3FN));
}

const TypeRow& row_of(igata_dtype dtype) { return types[static_cast<int>(dtype) - 1]; }

double half_to_double(std::uint16_t half) {
    const int exponent = (half >> 10) & 31;
    const int mantissa = half & 1023;
    double value = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(mantissa + 1024, exponent - 25);
    if (exponent == 31)
        value = mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
    return (half & 0x8000) != 0 ? -value : value;
}

template <class T>
T load(const std::byte* from) {
    T value{};
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class T>
void save(std::byte* to, double value) {
    const T converted = static_cast<T>(value);
    std::memcpy(to, &converted, sizeof converted);
}

/// The number of elements; a Failure if a file claims more than fits.
std::int64_t checked_count(const std::vector<std::int64_t>& dims, const std::string& path) {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) {
        if (dim < 0 || (dim > 0 && count > (std::int64_t{1} << 40) / dim))
            throw Failure(4, path + ": impossible shape");
        count *= dim;
    }
    return count;
}

}  // namespace

std::int64_t Tensor::count() const {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) count *= dim;
    return count;
}

double Tensor::at(std::int64_t i) const {
    const std::byte* element = bytes.data() + static_cast<std::size_t>(i) * size_of(dtype);
    switch (dtype) {
        case IGATA_F32: return static_cast<double>(load<float>(element));
        case IGATA_F64: return load<double>(element);
        case IGATA_F16: return half_to_double(load<std::uint16_t>(element));
        case IGATA_BF16: {
            const std::uint32_t bits = static_cast<std::uint32_t>(load<std::uint16_t>(element)) << 16U;
            float value = 0.0F;
            std::memcpy(&value, &bits, sizeof value);
            return static_cast<double>(value);
        }
        case IGATA_I8: return load<std::int8_t>(element);
        case IGATA_I16: return load<std::int16_t>(element);
        case IGATA_I32: return load<std::int32_t>(element);
        case IGATA_I64: return static_cast<double>(load<std::int64_t>(element));
        case IGATA_U8:
        case IGATA_BOOL: return load<std::uint8_t>(element);
        case IGATA_U16: return load<std::uint16_t>(element);
        case IGATA_U32: return load<std::uint32_t>(element);
        case IGATA_U64: return static_cast<double>(load<std::uint64_t>(element));
        default: break;
    }
    double value = 0.0;
    runtime::with_small_type(small_type(dtype), [&](auto small) {
        std::memcpy(&small, element, sizeof small);
        value = static_cast<double>(small.value());
    });
    return value;
}

void Tensor::set(std::int64_t i, double value) {
    std::byte* element = bytes.data() + static_cast<std::size_t>(i) * size_of(dtype);
    switch (dtype) {
        case IGATA_F32: return save<float>(element, value);
        case IGATA_F64: return save<double>(element, value);
        case IGATA_I8: return save<std::int8_t>(element, value);
        case IGATA_I16: return save<std::int16_t>(element, value);
        case IGATA_I32: return save<std::int32_t>(element, value);
        case IGATA_I64: return save<std::int64_t>(element, value);
        case IGATA_U8: return save<std::uint8_t>(element, value);
        case IGATA_U16: return save<std::uint16_t>(element, value);
        case IGATA_U32: return save<std::uint32_t>(element, value);
        case IGATA_U64: return save<std::uint64_t>(element, value);
        case IGATA_BOOL: return save<std::uint8_t>(element, value != 0.0 ? 1.0 : 0.0);
        default: break;
    }
    throw Failure(2, std::string("cannot make values of type ") + name_of(dtype) + ": pass a .npy file");
}

std::size_t size_of(igata_dtype dtype) { return row_of(dtype).size; }
const char* name_of(igata_dtype dtype) { return row_of(dtype).name; }

Tensor make_tensor(igata_dtype dtype, std::vector<std::int64_t> dims) {
    Tensor tensor{dtype, std::move(dims), {}};
    tensor.bytes.resize(static_cast<std::size_t>(tensor.count()) * size_of(dtype));
    return tensor;
}

Tensor cropped(const Tensor& tensor, int axis, std::int64_t size) {
    std::vector<std::int64_t> dims = tensor.dims;
    const auto whole = std::exchange(dims[static_cast<std::size_t>(axis)], size);
    Tensor result = make_tensor(tensor.dtype, std::move(dims));
    auto block = static_cast<std::int64_t>(size_of(tensor.dtype));
    for (auto i = static_cast<std::size_t>(axis) + 1; i < tensor.dims.size(); ++i) block *= tensor.dims[i];
    if (size * block == 0) return result;
    const auto blocks = static_cast<std::int64_t>(result.bytes.size()) / (size * block);
    for (std::int64_t i = 0; i < blocks; ++i)
        std::copy_n(tensor.bytes.begin() + i * whole * block, size * block, result.bytes.begin() + i * size * block);
    return result;
}

std::string describe(igata_dtype dtype, const std::vector<std::int64_t>& dims) {
    std::string text = std::string(name_of(dtype)) + "[";
    for (std::size_t i = 0; i < dims.size(); ++i) text += (i > 0 ? "," : "") + std::to_string(dims[i]);
    return text + "]";
}

std::string read_file(const std::string& path) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"), std::fclose);
    if (!file) throw Failure(4, path + ": cannot open");
    std::string bytes;
    char buffer[65536];
    for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, file.get())) > 0;) bytes.append(buffer, got);
    if (std::ferror(file.get()) != 0) throw Failure(4, path + ": cannot read");
    return bytes;
}

// .npy ----------------------------------------------------------------------------------------------------------------

namespace {

/// The text after `'key':` in the header, blanks skipped.
std::string header_value(const std::string& header, const std::string& key, const std::string& path) {
    const std::size_t found = header.find("'" + key + "'");
    const std::size_t colon = found == std::string::npos ? found : header.find(':', found);
    if (colon == std::string::npos) throw Failure(4, path + ": not a valid .npy file (no '" + key + "')");
    const std::size_t begin = header.find_first_not_of(' ', colon + 1);
    return begin == std::string::npos ? "" : header.substr(begin);
}

std::vector<std::int64_t> parse_shape(const std::string& text, const std::string& path) {
    std::vector<std::int64_t> dims;
    const std::size_t end = text.find(')');
    if (text.empty() || text[0] != '(' || end == std::string::npos)
        throw Failure(4, path + ": not a valid .npy file (bad shape)");
    for (std::size_t i = 1; i < end;) {
        if (text[i] < '0' || text[i] > '9') {
            ++i;
            continue;
        }
        std::int64_t dim = 0;
        for (; i < end && text[i] >= '0' && text[i] <= '9'; ++i) {
            if (dim > (std::int64_t{1} << 40)) throw Failure(4, path + ": impossible shape");
            dim = dim * 10 + (text[i] - '0');
        }
        dims.push_back(dim);
    }
    return dims;
}

/// From Fortran's order to C's.
Tensor transposed(const Tensor& from) {
    Tensor to = make_tensor(from.dtype, from.dims);
    const std::size_t size = size_of(from.dtype);
    std::vector<std::int64_t> index(from.dims.size(), 0);
    for (std::int64_t i = 0; i < from.count(); ++i) {
        std::int64_t source = 0;
        for (std::size_t axis = index.size(); axis-- > 0;) source = source * from.dims[axis] + index[axis];
        std::memcpy(to.bytes.data() + static_cast<std::size_t>(i) * size,
                    from.bytes.data() + static_cast<std::size_t>(source) * size, size);
        for (std::size_t axis = index.size(); axis-- > 0 && ++index[axis] == from.dims[axis];) index[axis] = 0;
    }
    return to;
}

}  // namespace

Tensor read_npy(const std::string& path) {
    const std::string file = read_file(path);
    if (file.size() < 12 || file.compare(0, 6, "\x93NUMPY") != 0) throw Failure(4, path + ": not a .npy file");
    const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(file[i])); };
    const bool wide = byte(6) >= 2;
    const std::size_t start = wide ? 12 : 10;
    const std::size_t length = byte(8) | byte(9) << 8U | (wide ? byte(10) << 16U | byte(11) << 24U : 0);
    if (start + length > file.size()) throw Failure(4, path + ": truncated");
    const std::string header = file.substr(start, length);
    const std::string descr = header_value(header, "descr", path);
    const TypeRow* type = nullptr;
    for (const TypeRow& row : types) {
        if (row.npy == nullptr || descr.size() < 5) continue;
        const bool order_matters = row.size > 1;
        const bool order = !order_matters || descr[1] == '<' || descr[1] == '=';
        if (order && descr.compare(2, 2, row.npy + 1) == 0 && descr[4] == '\'') type = &row;
    }
    if (type == nullptr) throw Failure(4, path + ": unsupported element type " + descr.substr(0, descr.find(',')));
    Tensor tensor{type->dtype, parse_shape(header_value(header, "shape", path), path), {}};
    const std::size_t bytes = static_cast<std::size_t>(checked_count(tensor.dims, path)) * type->size;
    if (file.size() - start - length < bytes) throw Failure(4, path + ": truncated");
    tensor.bytes.resize(bytes);
    if (bytes > 0) std::memcpy(tensor.bytes.data(), file.data() + start + length, bytes);
    return header_value(header, "fortran_order", path).compare(0, 4, "True") == 0 ? transposed(tensor) : tensor;
}

void write_npy(const std::string& path, const Tensor& tensor) {
    if (row_of(tensor.dtype).npy == nullptr) {
        Tensor wide = make_tensor(IGATA_F32, tensor.dims);
        for (std::int64_t i = 0; i < tensor.count(); ++i) wide.set(i, tensor.at(i));
        return write_npy(path, wide);
    }
    std::string shape;
    for (const std::int64_t dim : tensor.dims) shape += std::to_string(dim) + ", ";
    if (tensor.dims.size() > 1) shape.resize(shape.size() - 2);
    else if (!shape.empty()) shape.pop_back();
    std::string header = std::string("{'descr': '") + row_of(tensor.dtype).npy +
                         "', 'fortran_order': False, 'shape': (" + shape + "), }";
    header.append(63 - (10 + header.size()) % 64, ' ').push_back('\n');
    const std::string length = {static_cast<char>(header.size() & 0xff), static_cast<char>(header.size() >> 8U)};
    const std::string start = std::string("\x93NUMPY\x01\x00", 8) + length + header;
    std::FILE* file = std::fopen(path.c_str(), "wb");
    if (file == nullptr) throw Failure(4, path + ": cannot write");
    const bool written = std::fwrite(start.data(), 1, start.size(), file) == start.size() &&
                         std::fwrite(tensor.bytes.data(), 1, tensor.bytes.size(), file) == tensor.bytes.size();
    if (std::fclose(file) != 0 || !written) throw Failure(4, path + ": cannot write");
}

// TensorProto ---------------------------------------------------------------------------------------------------------

namespace {

/// Protocol buffers' wire format, read forward.
class Wire {
public:
    Wire(const char* begin, std::size_t size, const std::string& path)
        : next_(begin), end_(begin + size), path_(path) {}

    bool done() const { return next_ == end_; }

    std::uint64_t varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (done()) fail();
            const auto byte = static_cast<unsigned char>(*next_++);
            value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
            if ((byte & 0x80U) == 0) return value;
        }
        fail();
    }

    std::pair<const char*, std::size_t> take(std::uint64_t size) {
        if (size > static_cast<std::uint64_t>(end_ - next_)) fail();
        const char* begin = next_;
        next_ += size;
        return {begin, static_cast<std::size_t>(size)};
    }

    /// The bytes of a field's value, whatever its wire type; a varint's go to `number`.
    std::pair<const char*, std::size_t> value(std::uint64_t wire_type, std::uint64_t& number) {
        switch (wire_type) {
            case 0: number = varint(); return {nullptr, 0};
            case 1: return take(8);
            case 2: return take(varint());
            case 5: return take(4);
            default: fail();
        }
    }

private:
    [[noreturn]] void fail() const { throw Failure(4, path_ + ": not a serialised ONNX tensor"); }
    const char* next_;
    const char* end_;
    const std::string& path_;
};

/// Elements of fewer than 8 bits lie packed in the file.
void unpack_elements(Tensor& tensor, std::size_t count) {
    runtime::with_small_type(small_type(tensor.dtype), [&](auto small) {
        using T = decltype(small);
        if (tensor.bytes.size() != (count * T::bits_in_file + 7) / 8) return;
        std::vector<std::byte> unpacked(count);
        for (std::size_t i = 0; i < count; ++i)
            unpacked[i] =
                static_cast<std::byte>(T::unpack(reinterpret_cast<const unsigned char*>(tensor.bytes.data()), i).bits);
        tensor.bytes = std::move(unpacked);
    });
}

void append_number(std::vector<std::byte>& bytes, igata_dtype dtype, std::uint64_t number) {
    const std::size_t size = size_of(dtype);
    const auto* raw = reinterpret_cast<const std::byte*>(&number);  // little endian: the low bytes come first
    bytes.insert(bytes.end(), raw, raw + size);
}

}  // namespace

Tensor read_tensor_proto(const std::string& path, std::string& name) {
    const std::string file = read_file(path);
    enum : std::uint64_t {
        dims = 1,
        data_type = 2,
        float_data = 4,
        int32_data = 5,
        int64_data = 7,
        name_field = 8,
        raw_data = 9,
        double_data = 10,
        uint64_data = 11
    };
    Tensor tensor;
    const TypeRow* type = nullptr;
    for (int pass = 0; pass < 2; ++pass) {  // the type may come after the data
        Wire wire(file.data(), file.size(), path);
        while (!wire.done()) {
            const std::uint64_t key = wire.varint();
            const std::uint64_t field = key >> 3U;
            std::uint64_t number = 0;
            const auto [data, size] = wire.value(key & 7U, number);
            if (pass == 0) {
                if (field == name_field) name.assign(data, size);
                if (field == data_type) {
                    for (const TypeRow& row : types)
                        if (static_cast<std::uint64_t>(row.onnx) == number) type = &row;
                }
                if (field != dims) continue;
                Wire packed(data, size, path);
                if (data == nullptr) tensor.dims.push_back(static_cast<std::int64_t>(number));
                else
                    while (!packed.done()) tensor.dims.push_back(static_cast<std::int64_t>(packed.varint()));
                continue;
            }
            const auto* raw = reinterpret_cast<const std::byte*>(data);
            if (field == raw_data || field == float_data || field == double_data) {
                tensor.bytes.insert(tensor.bytes.end(), raw, raw + size);
            } else if (field == int32_data || field == int64_data || field == uint64_data) {
                Wire packed(data, size, path);
                if (data == nullptr) append_number(tensor.bytes, tensor.dtype, number);
                else
                    while (!packed.done()) append_number(tensor.bytes, tensor.dtype, packed.varint());
            }
        }
        if (type == nullptr) throw Failure(4, path + ": not a serialised ONNX tensor of a numeric type");
        tensor.dtype = type->dtype;
    }
    const auto count = static_cast<std::size_t>(checked_count(tensor.dims, path));
    if (tensor.dtype >= IGATA_F8E4M3FN) unpack_elements(tensor, count);
    if (count * type->size != tensor.bytes.size()) throw Failure(4, path + ": the data does not fit the shape");
    return tensor;
}

}  // namespace igata::cli
