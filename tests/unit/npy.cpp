#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "compiler/diagnostics.hpp"
#include "compiler/frontend/npy.hpp"

using namespace igata;

namespace {

struct Folder {
    Folder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "igata_npy_XXXXXX").string();
        path = mkdtemp(pattern.data());
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::filesystem::path path;
};

std::filesystem::path write(const Folder& folder, const std::string& header, const std::string& data,
                            char version = 1) {
    const auto file = folder.path / "t.npy";
    std::ofstream stream(file, std::ios::binary);
    stream << "\x93NUMPY" << version << '\0' << static_cast<char>(header.size()) << '\0';
    if (version > 1) stream << '\0' << '\0';
    stream << header << data;
    return file;
}

}  // namespace

TEST_CASE("a tensor written as .npy reads back equal") {
    const Folder folder;
    for (const Tensor& tensor :
         {Tensor::of<float>({2, 3}, {1, 2, 3, 4, 5, 6}), Tensor::of<std::int64_t>({1}, {-7}),
          Tensor::of<bool>({2}, {true, false}), Tensor::scalar(2.5), Tensor(DataType::u8, {0, 4})}) {
        write_npy(folder.path / "t.npy", tensor);
        CHECK(read_npy(folder.path / "t.npy") == tensor);
    }
}

TEST_CASE("a .npy in Fortran order is reordered") {
    const Folder folder;
    for (const char version : {'\1', '\2', '\3'}) {
        const auto file =
            write(folder, "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "\1\4\2\5\3\6", version);
        CHECK(read_npy(file) == Tensor::of<std::uint8_t>({2, 3}, {1, 2, 3, 4, 5, 6}));
    }
}

TEST_CASE("a broken .npy says what is wrong with it") {
    const Folder folder;
    const auto text = [&](const std::filesystem::path& file) -> std::string {
        try {
            (void)read_npy(file);
        } catch (const BadInput& error) {
            return std::string(error.what()).substr(file.string().size());
        }
        return "accepted";
    };
    CHECK(text(write(folder, "{'descr': '>f4', 'fortran_order': False, 'shape': (1,)}", "1234")) ==
          ": element type '>f4' is not supported; save little-endian numbers or bool");
    CHECK(text(write(folder, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "1234")) ==
          ": f32[2] needs 8 bytes of data but has 4");
    CHECK(text(write(folder, "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999, 99999999999)}", "")) ==
          ": dims [99999999999,99999999999] are too large");
    CHECK(text(write(folder, "{'descr': '<f4', 'shape': (1,)}", "1234")) == ": damaged .npy header");
    CHECK(text(write(folder, "{'descr':", "")) == ": damaged .npy header");
    CHECK(text(write(folder, "", "", 4)) == ": .npy version 4 is not supported");
    std::ofstream(folder.path / "t.npy", std::ios::trunc) << "P6 1 1 255";
    CHECK(text(folder.path / "t.npy") == ": not a .npy file");
}
