#include <doctest/doctest.h>

#include "compiler/frontend/npy.hpp"
#include "tests/errors/command_line.hpp"

using namespace igata;
using namespace igata::tests;

TEST_CASE("bad flags are usage errors, with exit code 2") {
    const TemporaryFolder folder;
    CHECK(run_igata(folder, "") == fails(2, "A subcommand is required; see `igata --help`"));
    CHECK(run_igata(folder, "frob") == fails(2, "there is no command 'frob'; see `igata --help`"));
    CHECK(run_igata(folder, "check") == fails(2, "model is required; see `igata check --help`"));
    CHECK(run_igata(folder, "compile m.onnx") == fails(2, "--output is required; see `igata compile --help`"));
    CHECK(run_igata(folder, "check m.onnx --frob") ==
          fails(2, "The following argument was not expected: --frob; see `igata check --help`"));
    CHECK(run_igata(folder, "verify m.onnx --data . --engine fast") ==
          fails(2, "--engine: fast not in {generated,plan,interpreter}; see `igata verify --help`"));
    CHECK(run_igata(folder, "profile m.onnx --runs 0") ==
          fails(2, "--runs: Value 0 not in range 1 to 1000000; see `igata profile --help`"));
    CHECK(run_igata(folder, "compile m.onnx -o out --weights zip") ==
          fails(2, "--weights: zip not in {literal,incbin,file}; see `igata compile --help`"));
}

TEST_CASE("--version and --help are no errors") {
    const TemporaryFolder folder;
    CHECK(run_igata(folder, "--version") == Outcome{0, "igata " IGATA_VERSION "\n", ""});
    CHECK(run_igata(folder, "--help").code == 0);
    for (const std::string command :
         {"compile", "check", "run", "verify", "conformance", "report", "profile", "tune", "onednn-flags", "ops"}) {
        const Outcome help = run_igata(folder, command + " --help");
        CHECK(help.code == 0);
        CHECK(help.out.find("Examples:\n  igata " + command) != std::string::npos);
    }
}

TEST_CASE("dims that the model leaves open must be bound, and bound rightly") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    add_value(*model.mutable_graph()->add_input(), "image", {"1", "3", "H", ""});
    folder.write("m.onnx", model.SerializeAsString());
    CHECK(run_igata(folder, "compile m.onnx -o out") ==
          fails(2,
                "m.onnx: the model leaves open H (image:2), image:3; choose them, for example: "
                "--bind H=224 image:3=224"));
    CHECK(run_igata(folder, "compile m.onnx -o out --bind K=1") ==
          fails(2, "m.onnx: --bind K=1 names no dim of the model; it has N (x:0), H (image:2), image:3"));
    CHECK(run_igata(folder, "compile m.onnx -o out --bind x:1=5") ==
          fails(2, "m.onnx: --bind x:1=5: the model fixes this dim at 4"));
    const std::string how =
        ": write DIM=VALUE with a dim's symbol or INPUT:AXIS, as in `--bind N=1` or `--bind image:0=1`, or several "
        "values, as in `--bind N=1,8`";
    for (const std::string bad :
         {"H=", "H=x", "H=0", "H=1x", "H", "=1", "H=99999999999999999999", "H=1,", "H=,1", "H=1,x", "H=1,0"})
        CHECK(run_igata(folder, "compile m.onnx -o out --bind " + bad) == fails(2, "--bind " + bad + how));
    CHECK(run_igata(folder, "compile m.onnx -o out --bind H=1,2,1") == fails(2, "--bind H=1,2,1: 1 is given twice"));
    CHECK(
        run_igata(folder, "compile m.onnx -o out --bind H=1,2,3,4,5,6 image:3=1,2,3,4,5,6") ==
        fails(
            2,
            "--bind image:3=1,2,3,4,5,6: every combination of the values becomes a plan, 36 so far; there may be 32"));
    CHECK(run_igata(folder, "profile m.onnx --bind H=1,2") ==
          fails(2, "--bind: this command takes one value for each dim"));
    CHECK(run_igata(folder, "compile m.onnx -o out --bind H=1 H=2") == fails(2, "--bind H=2: H is bound twice"));
    CHECK(!std::filesystem::exists(folder / "out"));
    CHECK(run_igata(folder, "compile --bind H=8 image:3=8 m.onnx -o out").code == 0);
}

TEST_CASE("what a profile runs on comes from one place") {
    const TemporaryFolder folder;
    folder.write("m.onnx", relu_model().SerializeAsString());
    CHECK(run_igata(folder, "profile m.onnx --data .") == fails(4, ".: holds no test_data_set_*"));
    CHECK(run_igata(folder, "profile m.onnx --data . --bind N=1") ==
          fails(2, "--data already gives the dims: leave out --bind"));
}

TEST_CASE("a pass that does not exist is named") {
    const TemporaryFolder folder;
    folder.write("m.onnx", relu_model().SerializeAsString());
    const Outcome outcome = run_igata(folder, "compile m.onnx -o out --stop-after optimise");
    CHECK(outcome.code == 2);
    CHECK(outcome.err.starts_with(
        "igata: m.onnx: --stop-after: there is no pass 'optimise'; the passes are bind_dims, "));
}

TEST_CASE("run says what is wrong with a .npy") {
    const TemporaryFolder folder;
    folder.write("m.onnx", relu_model().SerializeAsString());
    folder.write("text.npy", "1 2 3 4");
    write_npy(folder / "shape.npy", Tensor(DataType::f32, {1, 5}));
    write_npy(folder / "rank.npy", Tensor(DataType::f32, {4}));
    write_npy(folder / "dtype.npy", Tensor(DataType::f64, {1, 4}));
    write_npy(folder / "good.npy", Tensor::of<float>({2, 4}, {-1, 2, -3, 4, 5, -6, 7, -8}));
    CHECK(run_igata(folder, "run m.onnx") == fails(2, "m.onnx needs --input x=FILE.npy"));
    CHECK(run_igata(folder, "run m.onnx --input y=good.npy") ==
          fails(2, "--input y=good.npy: write NAME=FILE.npy, where NAME is one of: x"));
    CHECK(run_igata(folder, "run m.onnx --input absent.npy") == fails(4, "absent.npy: no such file"));
    CHECK(run_igata(folder, "run m.onnx --input text.npy") == fails(4, "text.npy: not a .npy file"));
    CHECK(run_igata(folder, "run m.onnx --input shape.npy") ==
          fails(4, "m.onnx: input 'x' is f32[N,4] but got f32[1,5]"));
    CHECK(run_igata(folder, "run m.onnx --input rank.npy") == fails(4, "m.onnx: input 'x' is f32[N,4] but got f32[4]"));
    CHECK(run_igata(folder, "run m.onnx --input dtype.npy") ==
          fails(4, "m.onnx: input 'x' is f32[N,4] but got f64[1,4]"));
    CHECK(run_igata(folder, "run m.onnx --input good.npy --output y=no/where.npy").code == 4);
    CHECK(run_igata(folder, "run m.onnx --input x=good.npy --output out.npy") ==
          Outcome{0, "y f32[2,4] = 0 2 0 4 5 0 7 0\n", ""});
    CHECK(read_npy(folder / "out.npy") == Tensor::of<float>({2, 4}, {0, 2, 0, 4, 5, 0, 7, 0}));
}

TEST_CASE("tune writes what compile takes, and a file that it did not write is refused") {
    const TemporaryFolder folder;
    folder.write("m.onnx", relu_model().SerializeAsString());
    const Outcome tuned = run_igata(folder, "tune m.onnx -o m.tuned --runs 1");
    CHECK(tuned == Outcome{0, "x f32[1,4]\n  the usual choices are the fastest\n", ""});
    CHECK(read(folder / "m.tuned").starts_with("igata-tuned 1\n; what runs these steps fastest"));
    CHECK(run_igata(folder, "compile m.onnx -o out --tuned m.tuned").code == 0);
    CHECK(run_igata(folder, "compile m.onnx -o none --tuned none.tuned") == fails(4, "none.tuned: no such file"));
    CHECK(run_igata(folder, "compile m.onnx -o none --tuned m.onnx")
              .err.starts_with(
                  "igata: m.onnx: line 1: not written by `igata tune`: it would begin with 'igata-tuned 1'"));
    folder.write("bad.tuned", "igata-tuned 1\n\nwinograd3 convolution src=f32[1]\n");
    CHECK(run_igata(folder, "compile m.onnx -o none --tuned bad.tuned") ==
          fails(4, "bad.tuned: line 3: 'winograd3' is nothing that runs a step"));
    CHECK_FALSE(std::filesystem::exists(folder / "none"));
}
