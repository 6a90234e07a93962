// oneDNN 2.6 and 3.x behind one face: the only place that knows the major version.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "runtime/specs.hpp"

namespace igata::runtime::onednn {

using Desc = dnnl::memory::desc;

/// oneDNN's name of the implementation that it chose.
inline std::string implementation(const_dnnl_primitive_desc_t pd) {
    const char* name = nullptr;
    dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, static_cast<void*>(&name));
    return name != nullptr ? name : "";
}
inline std::string implementation(const dnnl::primitive_desc_base& pd) { return implementation(pd.get()); }
inline std::string implementation(const dnnl::primitive& primitive) {
    return implementation(primitive.get_primitive_desc());
}

/// Unfolding the source and multiplying: `gemm:jit`, `x64:gemm:jit`, but not `brgemm:avx512_core`.
inline bool is_gemm(const std::string& implementation) {
    return (':' + implementation).find(":gemm") != std::string::npos;
}

/// For processors without AVX: `jit_dw:sse41`.
inline bool is_sse(const std::string& implementation) { return implementation.find(":sse") != std::string::npos; }

/// Plain loops, hundreds of times as slow as the rest.
inline bool is_reference(const std::string& implementation) { return implementation.find("ref") != std::string::npos; }

/// A fallback of oneDNN that is worth avoiding.
inline bool is_slow(const std::string& implementation) {
    return is_reference(implementation) || is_gemm(implementation);
}

inline dnnl::memory::data_type data_type(DataType dtype) {
    switch (dtype) {
        case DataType::f32: return dnnl::memory::data_type::f32;
        case DataType::f16: return dnnl::memory::data_type::f16;
        case DataType::bf16: return dnnl::memory::data_type::bf16;
        case DataType::i32: return dnnl::memory::data_type::s32;
        case DataType::i8: return dnnl::memory::data_type::s8;
        case DataType::u8: return dnnl::memory::data_type::u8;
        default: throw std::runtime_error("oneDNN has no such element type");
    }
}

inline dnnl::memory::dims dims_of(const MemorySpec& spec) { return {spec.dims, spec.dims + spec.rank}; }

inline Desc memory_desc(const MemorySpec& spec) {
    return {dims_of(spec), data_type(spec.dtype), dnnl::memory::dims(spec.strides, spec.strides + spec.rank)};
}

/// Whether oneDNN multiplies bf16 by instructions for it, AVX512_BF16 or AMX: a processor with AMX has both.
inline bool has_bf16() {
    constexpr auto wanted = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);  // a bit for each extension
    return (static_cast<unsigned>(dnnl::get_effective_cpu_isa()) & wanted) == wanted;
}

/// The type that factors are multiplied in.
inline DataType type_of_factors(bool bf16) { return bf16 ? DataType::bf16 : DataType::f32; }

inline MemorySpec with_type(MemorySpec spec, DataType dtype) {
    spec.dtype = dtype;
    return spec;
}

/// Same dims, layout left to the primitive.
inline Desc any_layout(const MemorySpec& spec) {
    return {dims_of(spec), data_type(spec.dtype), dnnl::memory::format_tag::any};
}

/// The spec with leading dims of one up to `rank`, for broadcasting.
inline MemorySpec with_rank(const MemorySpec& spec, int rank) {
    MemorySpec result = spec;
    const int shift = rank - spec.rank;
    result.rank = rank;
    for (int i = rank - 1; i >= 0; --i) {
        result.dims[i] = i >= shift ? spec.dims[i - shift] : 1;
        result.strides[i] = i >= shift ? spec.strides[i - shift] : (spec.rank > 0 ? spec.dims[0] * spec.strides[0] : 1);
    }
    return result;
}

inline void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm algorithm, float alpha = 0.0F, float beta = 0.0F) {
#if DNNL_VERSION_MAJOR >= 3
    ops.append_eltwise(algorithm, alpha, beta);
#else
    ops.append_eltwise(1.0F, algorithm, alpha, beta);
#endif
}

/// False if this version of oneDNN has no such eltwise algorithm.
inline bool append(dnnl::post_ops& ops, const PostOp& op) {
    using dnnl::algorithm;
    const float a = op.alpha;
    const float b = op.beta;
    switch (op.eltwise) {
        case Eltwise::relu: append_eltwise(ops, algorithm::eltwise_relu, a); return true;
        case Eltwise::linear: append_eltwise(ops, algorithm::eltwise_linear, a, b); return true;
        case Eltwise::clip: append_eltwise(ops, algorithm::eltwise_clip, a, b); return true;
        case Eltwise::sigmoid: append_eltwise(ops, algorithm::eltwise_logistic); return true;
        case Eltwise::swish: append_eltwise(ops, algorithm::eltwise_swish, a); return true;
        case Eltwise::tanh: append_eltwise(ops, algorithm::eltwise_tanh); return true;
        case Eltwise::elu: append_eltwise(ops, algorithm::eltwise_elu, a); return true;
        case Eltwise::hardsigmoid:
            append_eltwise(ops, algorithm::eltwise_linear, a, b);
            append_eltwise(ops, algorithm::eltwise_clip, 0.0F, 1.0F);
            return true;
        case Eltwise::gelu_erf: append_eltwise(ops, algorithm::eltwise_gelu_erf); return true;
        case Eltwise::gelu_tanh: append_eltwise(ops, algorithm::eltwise_gelu_tanh); return true;
        case Eltwise::abs: append_eltwise(ops, algorithm::eltwise_abs); return true;
        case Eltwise::sqrt: append_eltwise(ops, algorithm::eltwise_sqrt); return true;
        case Eltwise::square: append_eltwise(ops, algorithm::eltwise_square); return true;
        case Eltwise::exp: append_eltwise(ops, algorithm::eltwise_exp); return true;
        case Eltwise::log: append_eltwise(ops, algorithm::eltwise_log); return true;
#if DNNL_VERSION_MAJOR >= 3
        case Eltwise::hardswish: append_eltwise(ops, algorithm::eltwise_hardswish, a, b); return true;
        case Eltwise::softplus: append_eltwise(ops, algorithm::eltwise_soft_relu, 1.0F); return true;
#else
        case Eltwise::hardswish: return false;  // alpha and beta are fixed there
        case Eltwise::softplus: append_eltwise(ops, algorithm::eltwise_soft_relu); return true;
#endif
        case Eltwise::mish: append_eltwise(ops, algorithm::eltwise_mish); return true;
    }
    return false;
}

inline dnnl::algorithm binary_algorithm(Binary binary) {
    switch (binary) {
        case Binary::add: return dnnl::algorithm::binary_add;
        case Binary::sub: return dnnl::algorithm::binary_sub;
        case Binary::mul: return dnnl::algorithm::binary_mul;
        case Binary::div: return dnnl::algorithm::binary_div;
        case Binary::min: return dnnl::algorithm::binary_min;
        case Binary::max: return dnnl::algorithm::binary_max;
    }
    return dnnl::algorithm::undef;
}

/// The scratchpad is the caller's: a primitive with one of its own belongs to one thread.
inline dnnl::primitive_attr user_scratchpad() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
}

/// What a convolution is, once layouts are chosen. `weights` are [oc, ic, k...] in either direction, with the group as
/// first dim if there are groups.
struct ConvolutionDescs {
    Desc src, weights, bias, dst;  ///< an empty bias: none
    dnnl::memory::dims strides, dilations, pads_begin, pads_end;
};

/// Primitive: dnnl::convolution_forward or dnnl::deconvolution_forward.
template <class Primitive>
typename Primitive::primitive_desc make_convolution(const dnnl::engine& engine, const ConvolutionDescs& d,
                                                    const dnnl::primitive_attr& attr) {
    constexpr auto prop = dnnl::prop_kind::forward_inference;
    constexpr auto algorithm = std::is_same_v<Primitive, dnnl::convolution_forward>
                                   ? dnnl::algorithm::convolution_direct
                                   : dnnl::algorithm::deconvolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    return {engine, prop,      algorithm,   d.src,        d.weights,  d.bias,
            d.dst,  d.strides, d.dilations, d.pads_begin, d.pads_end, attr};
#else
    return {{prop, algorithm, d.src, d.weights, d.bias, d.dst, d.strides, d.dilations, d.pads_begin, d.pads_end},
            attr,
            engine};
#endif
}

/// Activations as they lie, unless only a slow implementation takes them so, or `reordered` wishes for it: then in the
/// primitive's own layout, as weights always are.
template <class Primitive, class Spec>
typename Primitive::primitive_desc choose_layouts(const dnnl::engine& engine, const Spec& spec, const MemorySpec& src,
                                                  const MemorySpec& weights, const MemorySpec& dst,
                                                  const dnnl::primitive_attr& attr, bool reordered = false) {
    ConvolutionDescs descs;
    descs.weights = any_layout(weights);
    if (spec.bias.rank > 0) descs.bias = memory_desc(spec.bias);
    for (int i = 0; i < spec.spatial; ++i) {
        descs.strides.push_back(spec.strides[i]);
        descs.dilations.push_back(spec.dilations[i] - 1);
        descs.pads_begin.push_back(spec.pads_begin[i]);
        descs.pads_end.push_back(spec.pads_end[i]);
    }
    descs.src = memory_desc(src);
    descs.dst = memory_desc(dst);
    auto exact = make_convolution<Primitive>(engine, descs, attr);
    if (!reordered && !is_slow(implementation(exact))) return exact;
    descs.src = any_layout(src);
    descs.dst = any_layout(dst);
    auto free = make_convolution<Primitive>(engine, descs, attr);
    return is_slow(implementation(free)) ? exact : free;
}

inline dnnl::matmul::primitive_desc make_matmul(const dnnl::engine& engine, const Desc& a, const Desc& b,
                                                const Desc& bias, const Desc& dst, const dnnl::primitive_attr& attr) {
#if DNNL_VERSION_MAJOR >= 3
    return {engine, a, b, bias, dst, attr};
#else
    return {{a, b, bias, dst}, attr, engine};
#endif
}

#if DNNL_VERSION_MAJOR >= 3
using PoolingForward = dnnl::pooling_forward;
#else
using PoolingForward = dnnl::pooling_v2_forward;
#endif

inline PoolingForward::primitive_desc make_pooling(const dnnl::engine& engine, Pooling pooling, const Desc& src,
                                                   const Desc& dst, const dnnl::memory::dims& strides,
                                                   const dnnl::memory::dims& kernel,
                                                   const dnnl::memory::dims& dilations,
                                                   const dnnl::memory::dims& pads_begin,
                                                   const dnnl::memory::dims& pads_end) {
    constexpr auto prop = dnnl::prop_kind::forward_inference;
    const auto algorithm = pooling == Pooling::max                       ? dnnl::algorithm::pooling_max
                           : pooling == Pooling::average_include_padding ? dnnl::algorithm::pooling_avg_include_padding
                                                                         : dnnl::algorithm::pooling_avg_exclude_padding;
#if DNNL_VERSION_MAJOR >= 3
    return {engine, prop, algorithm, src, dst, strides, kernel, dilations, pads_begin, pads_end, user_scratchpad()};
#else
    return {{prop, algorithm, src, dst, strides, kernel, dilations, pads_begin, pads_end}, user_scratchpad(), engine};
#endif
}

/// src and dst are laid out alike.
inline dnnl::lrn_forward::primitive_desc make_lrn(const dnnl::engine& engine, const Desc& data, const LrnSpec& spec) {
    constexpr auto prop = dnnl::prop_kind::forward_inference;
    constexpr auto algorithm = dnnl::algorithm::lrn_across_channels;
#if DNNL_VERSION_MAJOR >= 3
    return {engine, prop, algorithm, data, data, spec.size, spec.alpha, spec.beta, spec.bias, user_scratchpad()};
#else
    return {{prop, algorithm, data, spec.size, spec.alpha, spec.beta, spec.bias}, user_scratchpad(), engine};
#endif
}

}  // namespace igata::runtime::onednn
