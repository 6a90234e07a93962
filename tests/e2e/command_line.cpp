// The standalone predictor's command line: what it prints, its exit codes, its messages.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/wait.h>

#include "compiler/frontend/npy.hpp"
#include "tests/e2e/cast_model.hpp"

using namespace igata;
using test::models;

namespace {

struct Said {
    int code;
    std::string out, err;
};

/// A predictor's executable in a folder of its own.
class Executable {
public:
    explicit Executable(const std::string& name, const std::vector<Bindings>& bindings = {{}}) : name_(name) {
        test::write_files(folder_.path(), test::cast_plans(models / name / "model.onnx", name, bindings));
        std::string main = test::read_file(IGATA_SOURCE_DIR "/cmake/predictor_main.cpp.in");
        for (std::size_t at = 0; (at = main.find("@name@", at)) != std::string::npos;) main.replace(at, 6, name);
        test::write_file(path("main.cpp"), main);
        std::string sources = name + ".cpp main.cpp";
        for (const char* source : {"cli", "arguments", "image", "tensor", "profile", "peak"})
            sources += fmt::format(" {}/runtime/predictor_{}.cpp", IGATA_SOURCE_DIR, source);
        test::run_command(
            fmt::format("{} -fopenmp -I. -I{} {} -o {} -ldnnl", test::strict, IGATA_SOURCE_DIR, sources, name),
            folder_.path());
    }

    std::filesystem::path path(const std::string& file) const { return folder_.path() / file; }

    Said run(const std::string& arguments) const {
        const std::string command =
            fmt::format("cd {} && ./{} {} >out.txt 2>err.txt", folder_.path().string(), name_, arguments);
        const int status = std::system(command.c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, test::read_file(path("out.txt")),
                test::read_file(path("err.txt"))};
    }

    void refuses(const std::string& arguments, int code, const std::string& message) const {
        const Said said = run(arguments);
        CHECK_MESSAGE(said.code == code, arguments);
        CHECK(said.err == name_ + ": " + message + "\n");
        CHECK(said.out.empty());
    }

private:
    test::TemporaryFolder folder_;
    std::string name_;
};

/// A picture of one colour.
std::string plain_picture(int width, int height, unsigned char red, unsigned char green, unsigned char blue) {
    std::string picture = fmt::format("P6\n{} {}\n255\n", width, height);
    for (int i = 0; i < width * height; ++i)
        picture += {static_cast<char>(red), static_cast<char>(green), static_cast<char>(blue)};
    return picture;
}

}  // namespace

TEST_CASE("a predictor classifies pictures") {
    const Executable classifier("tiny_classifier");
    test::write_file(classifier.path("a.ppm"), plain_picture(50, 40, 200, 100, 0));
    test::write_file(classifier.path("long_name.ppm"), plain_picture(32, 32, 200, 100, 0));
    test::write_file(classifier.path("labels.txt"), "zero\none\ntwo\nthree\nfour\n");

    const Said two = classifier.run("a.ppm long_name.ppm --labels labels.txt --top 2 --scale 0.01");
    CHECK(two.code == 0);
    const std::string first = two.out.substr(0, two.out.find('\n'));
    CHECK(two.out == first + "\n" + "long_name.ppm  " + first.substr(15) + "\n");  // one colour, whatever the size

    // The same picture as a tensor.
    Tensor image(DataType::f32, {1, 3, 32, 32});
    const auto values = image.mutable_values<float>();
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = i < 1024 ? 2.0F : i < 2048 ? 1.0F : 0.0F;
    write_npy(classifier.path("image.npy"), image);
    CHECK(classifier.run("image=image.npy --labels labels.txt --top 2").out == "scores  " + first.substr(15) + "\n");
    const Said bgr = classifier.run("a.ppm --channels bgr --scale 0.01");
    CHECK(bgr.code == 0);
    CHECK(bgr.out.substr(7) != first.substr(15));

    CHECK(classifier.run("image=image.npy --output scores=scores.npy").code == 0);
    CHECK(read_npy(classifier.path("scores.npy")).dims() == Dims{1, 5});
    CHECK(
        classifier.run("--describe")
            .out.find("input   image  f32[1,3,32,32]\noutput  scores  f32[1,5]\nbatch   any multiple of the above\n") !=
        std::string::npos);
    const std::string timed = classifier.run("--benchmark 3 --threads 1").out;
    CHECK(timed.find("(runs 3, threads 1)\npeak memory ") != std::string::npos);
    const std::string profiled = classifier.run("--benchmark 3 --threads 1 --per-step").out;
    CHECK(profiled.find("  GFLOP/s  ") != std::string::npos);
    CHECK(profiled.find("the machine's peak ") != std::string::npos);
    CHECK(classifier.run("--help").out.rfind("usage: tiny_classifier PICTURE...\n", 0) == 0);

    const std::string data = (models / "tiny_classifier").string();
    CHECK(classifier.run("--verify " + data).code == 0);
    CHECK(classifier.run("--verify " + data + " --rtol 0 --atol 0").code == 1);

    test::write_file(classifier.path("broken.png"), "no picture");
    classifier.refuses("--per-step", 2, "--per-step goes with --benchmark N");
    classifier.refuses("broken.png", 4, "broken.png: not a picture that can be read (unknown image type)");
    classifier.refuses("absent.png", 4, "absent.png: cannot open");
    classifier.refuses("a.ppm --mean 1,2", 2, "--mean and --std take 1 or 3 numbers for input 'image' f32[1,3,32,32]");
    classifier.refuses("a.ppm --layout nhwc", 2,
                       "input 'image' f32[1,3,32,32] has no axis of 1, 3 or 4 channels: pass image=FILE.npy");
    classifier.refuses("a.ppm image=image.npy", 2,
                       "pass either pictures or NAME=FILE.npy, not both ('a.ppm' was taken for a picture)");
}

TEST_CASE("a predictor of several plans takes what they serve") {
    const Executable perceptron("perceptron", {{{"batch", 2}}, {{"batch", 3}}});
    const std::string described = perceptron.run("--describe").out;
    CHECK(described.rfind("perceptron: 2 plans\nplan    0 of 2 steps\ninput   x  f32[2,12]\n", 0) == 0);
    CHECK(described.find("plan    1 of 2 steps\ninput   x  f32[3,12]\n") != std::string::npos);
    CHECK(described.find("batch   any that those above make up\n") != std::string::npos);
    write_npy(perceptron.path("eight.npy"), Tensor(DataType::f32, {8, 12}));
    write_npy(perceptron.path("one.npy"), Tensor(DataType::f32, {1, 12}));
    write_npy(perceptron.path("wide.npy"), Tensor(DataType::f32, {2, 13}));
    CHECK(perceptron.run("x=eight.npy --output logits=logits.npy").code == 0);
    CHECK(read_npy(perceptron.path("logits.npy")).dims() == Dims{8, 4});
    const std::string there = "; there is x [2,12]; x [3,12]; and batches made up of these";
    perceptron.refuses("x=one.npy", 4, "one.npy: no plan serves x [1,12]" + there);
    perceptron.refuses("x=wide.npy", 4, "wide.npy: no plan serves x [2,13]" + there);
    CHECK(perceptron.run("--benchmark 2 --batch 5 --threads 1 --per-step").code == 0);
    CHECK(perceptron.run("--benchmark 2 --shape 3,12 --threads 1").code == 0);
    CHECK(perceptron.run("--benchmark 2 --shape x=4,12 --threads 1").code == 0);
    perceptron.refuses("--benchmark 2 --batch 1", 2, "no plan serves x [1,12]" + there);
    perceptron.refuses("--benchmark 2 --shape 3", 2, "--shape: input 'x' has 2 dims, not 1");
    perceptron.refuses("--benchmark 2 --shape 3,1.5", 2, "--shape takes whole numbers of at least 1, not '3,1.5'");
    perceptron.refuses("x=eight.npy --batch 8", 2, "--shape and --batch are for inputs that no file gives");
}

TEST_CASE("a predictor runs on files, and says what is wrong with them") {
    const Executable statistics("statistics");
    write_npy(statistics.path("a.npy"), test::read_tensors(models / "statistics" / "test_data_set_0", "input_")[0]);
    write_npy(statistics.path("b.npy"), Tensor::of<std::int64_t>({2}, {1, 100000}));
    write_npy(statistics.path("b32.npy"), Tensor::of<std::int32_t>({2}, {1, 2}));
    write_npy(statistics.path("long.npy"), Tensor::of<std::int64_t>({3}, {1, 2, 3}));
    test::write_file(statistics.path("cut.npy"), test::read_file(statistics.path("a.npy")).substr(0, 500));
    test::write_file(statistics.path("text.npy"), "some text that is no array");

    CHECK(statistics.run("a=a.npy b=b.npy --output above=above.npy --output best=best.npy").code == 0);
    CHECK(read_npy(statistics.path("above.npy")) == Tensor::of<bool>({2}, {false, true}));
    CHECK(read_npy(statistics.path("best.npy")) ==
          test::read_tensors(models / "statistics" / "test_data_set_0", "output_")[1]);

    statistics.refuses("a=a.npy", 2, "input 'b' is missing: pass b=FILE.npy");
    statistics.refuses("a=a.npy c=b.npy", 2, "no input is called 'c'; there is: a, b");
    statistics.refuses("a=a.npy b=b.npy --output z=z.npy", 2,
                       "no output is called 'z'; there is: variance, best, above");
    statistics.refuses("a=a.npy b=b32.npy", 4, "b32.npy: i32[2] does not fit 'b', which is i64[2]");
    statistics.refuses("a=a.npy b=long.npy", 4, "long.npy: i64[3] does not fit 'b', which is i64[2]");
    statistics.refuses("a=cut.npy b=b.npy", 4, "cut.npy: truncated");
    statistics.refuses("a=text.npy b=b.npy", 4, "text.npy: not a .npy file");
    statistics.refuses("a=absent.npy b=b.npy", 4, "absent.npy: cannot open");
    statistics.refuses("picture.png", 2, "this predictor has 2 inputs: pass each as NAME=FILE.npy");
    statistics.refuses("--fast", 2, "unknown option --fast; see --help");
    statistics.refuses("--benchmark", 2, "--benchmark needs a value: N");
    statistics.refuses("--benchmark many", 2, "--benchmark takes a number, not 'many'");
    statistics.refuses("--threads -1", 2, "--threads takes a whole number of at least 0, not '-1'");
    statistics.refuses("--resize zoom", 2, "--resize takes stretch, crop or fit, not 'zoom'");
    statistics.refuses("--verify .", 4, ".: no test_data_set_* in it");
    CHECK(statistics.run("").code == 2);
}
