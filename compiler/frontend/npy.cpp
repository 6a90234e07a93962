#include "compiler/frontend/npy.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/diagnostics.hpp"
#include "compiler/frontend/protobuf_file.hpp"
#include "compiler/frontend/tensor_proto.hpp"

namespace igata {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view magic = "\x93NUMPY"sv;

constexpr std::array<std::pair<DataType, std::string_view>, 12> descriptions{{
    {DataType::f32, "<f4"},
    {DataType::f64, "<f8"},
    {DataType::f16, "<f2"},
    {DataType::i8, "|i1"},
    {DataType::i16, "<i2"},
    {DataType::i32, "<i4"},
    {DataType::i64, "<i8"},
    {DataType::u8, "|u1"},
    {DataType::u16, "<u2"},
    {DataType::u32, "<u4"},
    {DataType::u64, "<u8"},
    {DataType::boolean, "|b1"},
}};

struct Header {
    DataType dtype = DataType::undefined;
    bool fortran_order = false;
    Dims dims;
};

/// The text after `'key':` in the header's dictionary, up to its end.
std::optional<std::string_view> entry(std::string_view header, std::string_view key) {
    for (const char quote : {'\'', '"'}) {
        const auto at = header.find(fmt::format("{}{}{}", quote, key, quote));
        if (at == std::string_view::npos) continue;
        std::string_view rest = header.substr(at + key.size() + 2);
        const auto begin = rest.find_first_not_of(": ");
        return begin == std::string_view::npos ? std::string_view{} : rest.substr(begin);
    }
    return std::nullopt;
}

std::optional<Dims> parse_shape(std::string_view text) {
    if (!text.starts_with('(')) return std::nullopt;
    Dims dims;
    const auto close = text.find(')');
    if (close == std::string_view::npos) return std::nullopt;
    const char* at = text.data() + 1;
    const char* const end = text.data() + close;
    while (at != end) {
        if (*at == ' ' || *at == ',') {
            ++at;
            continue;
        }
        const auto [next, error] = std::from_chars(at, end, dims.emplace_back());
        if (error != std::errc{}) return std::nullopt;
        at = next;
    }
    return dims;
}

Header parse_header(std::string_view text, const std::string& file) {
    const auto descr = entry(text, "descr");
    const auto order = entry(text, "fortran_order");
    const auto shape = entry(text, "shape");
    const auto dims = shape ? parse_shape(*shape) : std::nullopt;
    if (!descr || descr->empty() || !order || !dims) throw BadInput(fmt::format("{}: damaged .npy header", file));
    const std::string_view name = descr->substr(1, descr->find_first_of("'\"", 1) - 1);
    const auto* known =
        std::find_if(descriptions.begin(), descriptions.end(), [&](const auto& row) { return row.second == name; });
    if (known == descriptions.end())
        throw BadInput(
            fmt::format("{}: element type '{}' is not supported; save little-endian numbers or bool", file, name));
    check_dims(*dims, file);
    return {known->first, order->starts_with("True"), *dims};
}

}  // namespace

Tensor read_npy(const std::filesystem::path& path) {
    const std::string bytes = read_file(path);
    const std::string file = path.string();
    const auto byte = [&](std::size_t at) { return static_cast<std::size_t>(static_cast<unsigned char>(bytes[at])); };
    if (!std::string_view(bytes).starts_with(magic) || bytes.size() < 10)
        throw BadInput(fmt::format("{}: not a .npy file", file));
    const std::size_t version = byte(6);
    if (version < 1 || version > 3) throw BadInput(fmt::format("{}: .npy version {} is not supported", file, version));
    const std::size_t begin = version == 1 ? 10 : 12;
    std::size_t length = byte(8) | byte(9) << 8U;
    if (version > 1 && bytes.size() >= begin) length |= byte(10) << 16U | byte(11) << 24U;
    if (bytes.size() < begin || bytes.size() - begin < length) throw BadInput(fmt::format("{}: truncated", file));
    const Header header = parse_header(std::string_view(bytes).substr(begin, length), file);
    const std::size_t needed = static_cast<std::size_t>(element_count(header.dims)) * size_of(header.dtype);
    const std::size_t present = bytes.size() - begin - length;
    if (present != needed)
        throw BadInput(fmt::format("{}: {} needs {} bytes of data but has {}", file,
                                   to_string(ValueType{header.dtype, header.dims}), needed, present));
    const auto data = std::as_bytes(std::span<const char>(bytes.data() + begin + length, present));
    if (!header.fortran_order || header.dims.size() < 2) return Tensor::from_bytes(header.dtype, header.dims, data);
    const Dims reversed(header.dims.rbegin(), header.dims.rend());
    std::vector<std::int64_t> perm(header.dims.size());
    for (std::size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<std::int64_t>(perm.size() - 1 - i);
    return Tensor::from_bytes(header.dtype, reversed, data).transposed(perm);
}

void write_npy(const std::filesystem::path& file, const Tensor& tensor) {
    if (tensor.dtype() == DataType::bf16) return write_npy(file, tensor.cast(DataType::f32));
    if (is_small(tensor.dtype())) {
        const DataType wide = is_floating(tensor.dtype()) ? DataType::f32
                              : is_signed(tensor.dtype()) ? DataType::i8
                                                          : DataType::u8;
        return write_npy(file, tensor.cast(wide));
    }
    const auto* known = std::find_if(descriptions.begin(), descriptions.end(),
                                     [&](const auto& row) { return row.first == tensor.dtype(); });
    std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", known->second,
                                     fmt::join(tensor.dims(), ", "), tensor.dims().size() == 1 ? "," : "");
    const std::size_t aligned = (magic.size() + 4 + header.size() + 1 + 63) / 64 * 64;
    header.resize(aligned - magic.size() - 4 - 1, ' ');
    header += '\n';
    std::ofstream stream(file, std::ios::binary);
    stream << magic << '\x01' << '\0' << static_cast<char>(header.size() & 0xffU)
           << static_cast<char>(header.size() >> 8U) << header;
    const auto data = tensor.bytes();
    stream.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
    if (!stream.flush()) throw BadInput(fmt::format("{}: cannot be written", file.string()));
}

}  // namespace igata
