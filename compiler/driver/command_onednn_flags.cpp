#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/driver/driver.hpp"

namespace igata {

namespace {

/// What a plan's steps may ask of oneDNN. Own kernels take many of them, but which ones is decided at run time.
struct OnednnNeeds {
    /// Layouts are converted by reorders wherever a primitive wants another one.
    std::set<std::string> primitives{"REORDER"};
    bool only_f32 = true;

    void add(const char* primitive, const runtime::MemorySpec& data, bool bf16 = false) {
        primitives.insert(primitive);
        only_f32 = only_f32 && data.dtype == DataType::f32 && !bf16;
    }
};

/// A batch of images, each as large as the kernel: oneDNN may hand it to its inner product
/// (src/cpu/x64/ip_convolution.hpp).
bool is_inner_product(const runtime::ConvolutionSpec& spec) {
    std::int64_t taps = 1;
    for (int i = 0; i < spec.spatial; ++i) {
        taps *= spec.weights.dims[i + 2];
        const bool whole = spec.dst.dims[i + 2] == 1 && spec.src.dims[i + 2] == spec.weights.dims[i + 2];
        if (!whole || spec.strides[i] != 1 || spec.pads_begin[i] != 0 || spec.pads_end[i] != 0) return false;
    }
    return spec.groups == 1 && spec.dst.dims[0] > 1 && taps > 1;
}

struct Collect {
    OnednnNeeds& needs;

    void operator()(const runtime::ConvolutionSpec& spec) const {
        needs.add("CONVOLUTION", spec.src, spec.bf16);
        if (is_inner_product(spec)) needs.add("INNER_PRODUCT", spec.src);
    }
    /// oneDNN builds it on convolutions.
    void operator()(const runtime::DeconvolutionSpec& spec) const {
        needs.add("CONVOLUTION", spec.src);
        needs.add("DECONVOLUTION", spec.src);
    }
    void operator()(const runtime::MatMulSpec& spec) const { needs.add("MATMUL", spec.a, spec.bf16); }
    void operator()(const runtime::PoolingSpec& spec) const { needs.add("POOLING", spec.src); }
    void operator()(const runtime::LrnSpec& spec) const { needs.add("LRN", spec.src); }
    void operator()(const runtime::SoftmaxSpec&) const {}
    void operator()(const runtime::KernelSpec&) const {}
    void operator()(const runtime::ControlSpec&) const {}
    void operator()(const Loop&) const {}
};

/// The names with DNNL_ are known to every version; 2.6 has nothing to switch off under the other two.
void print(const OnednnNeeds& needs, const std::string& threading) {
    const char* isa = needs.only_f32 ? "AVX512" : "ALL";  // what lies above it, AMX, computes in narrower types
    fmt::print("-DDNNL_LIBRARY_TYPE=STATIC\n");
    fmt::print("-DDNNL_CPU_RUNTIME={}\n", threading == "seq" ? "SEQ" : "OMP");
    fmt::print("-DDNNL_GPU_RUNTIME=NONE\n");
    fmt::print("-DDNNL_ENABLE_WORKLOAD=INFERENCE\n");
    fmt::print("-DDNNL_ENABLE_PRIMITIVE={}\n", fmt::join(needs.primitives, ";"));
    fmt::print("-DDNNL_ENABLE_PRIMITIVE_CPU_ISA={}\n", isa);
    fmt::print("-DONEDNN_ENABLE_GEMM_KERNELS_ISA={}\n", isa);
    fmt::print("-DDNNL_ARCH_OPT_FLAGS=\n");  // else -msse4.1, which not every x86-64 has
    for (const char* off :
         {"DNNL_BUILD_EXAMPLES", "DNNL_BUILD_TESTS", "ONEDNN_BUILD_GRAPH", "DNNL_VERBOSE", "DNNL_ENABLE_MAX_CPU_ISA",
          "DNNL_ENABLE_CPU_ISA_HINTS", "DNNL_ENABLE_JIT_PROFILING", "DNNL_ENABLE_ITT_TASKS"})
        fmt::print("-D{}=OFF\n", off);
}

}  // namespace

ExitCode command_onednn_flags(const OnednnFlags& flags) {
    const std::vector<Bindings> bindings = parse_bindings(flags.pipeline.bind);
    OnednnNeeds needs;
    for (const std::filesystem::path& model : flags.models) {
        Remarks remarks;
        for (const Plan& plan : make_plans(model, load_model(model, remarks), flags.pipeline, bindings, remarks))
            for (const Step& step : plan.steps) std::visit(Collect{needs}, step.spec);
    }
    print(needs, flags.threading);
    return ExitCode::fine;
}

}  // namespace igata
