// What the documents say of the operators is what the tool says.
#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

namespace {

std::string read(const std::string& file) {
    std::ifstream stream(file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

std::string output_of(const std::string& command) {
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
    std::string text;
    char buffer[4096];
    while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe.get())) text.append(buffer, count);
    return text;
}

}  // namespace

TEST_CASE("README's operator table is what `igata ops` prints") {
    const std::string readme = read(IGATA_SOURCE_DIR "/README.md");
    const std::string begin = "<!-- made by `igata ops`; a test compares -->\n";
    const std::size_t from = readme.find(begin);
    REQUIRE(from != std::string::npos);
    const std::size_t to = readme.find("<!-- end -->", from);
    REQUIRE(to != std::string::npos);
    const std::string table = output_of(IGATA_TOOL " ops");
    REQUIRE(!table.empty());
    CHECK_MESSAGE(readme.substr(from + begin.size(), to - from - begin.size()) == table,
                  "paste the output of `igata ops` into README.md");
}
