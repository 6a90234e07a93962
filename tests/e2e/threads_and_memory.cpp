// What `run` must not do: allocate, or touch what another context touches.
#include <doctest/doctest.h>

#include "tests/e2e/cast_model.hpp"

using namespace igata;
using test::models;

namespace {

/// Compiles programs/<program> with the predictors `a` and `b` into it and runs it.
void build_and_run(const std::string& program, const std::string& flags, const std::string& command = "./program") {
    const test::TemporaryFolder folder;
    test::write_files(folder.path(), test::cast_model(models / "tiny_classifier" / "model.onnx", "a"));
    test::write_files(folder.path(), test::cast_model(models / "statistics" / "model.onnx", "b"));
    test::run_command(test::strict + flags + " -I. a.cpp b.cpp " IGATA_SOURCE_DIR "/tests/e2e/programs/" + program +
                          " -o program -ldnnl -lpthread && " + command,
                      folder.path());
}

}  // namespace

TEST_CASE("run allocates nothing") { CHECK_NOTHROW(build_and_run("count_allocations.cpp", "-fopenmp")); }

TEST_CASE("four contexts of one model run at the same time without a data race") {
    CHECK_NOTHROW(build_and_run("four_threads.cpp", "-g -fsanitize=thread"));
}

TEST_CASE("compiled without OpenMP, a run never leaves the calling thread") {
    CHECK_NOTHROW(
        build_and_run("count_threads.cpp", "", "! readelf -d program | grep libgomp && OMP_NUM_THREADS=3 ./program"));
    CHECK_NOTHROW(build_and_run("count_threads.cpp", "-fopenmp", "OMP_NUM_THREADS=3 ./program several"));
}
