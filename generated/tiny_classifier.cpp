// tiny_classifier: a predictor cast from an ONNX model by Igata 0.1.0. Generated: to change it, cast again.
// Needs oneDNN and the C++ runtime; -fopenmp gives it threads. Order: Igata's runtime, the weights, the steps, the C interface.
#include "tiny_classifier.h"

// ... the runtime ...

namespace {
namespace igata::runtime::model {

// The weights -------------------------------------------------------------------------------------------------------

alignas(64) const char weights_data[] =
"25\210=V\352!>\334<\202=\347g\200\276\340j2>\337\356\257=1\242\323\275e\12\345=\27\261\217=\203\333g=\211<\263;\361z\327=\327!\21\276\376j\0\275}\5\276\275&\7\354=\350~\372;Y\211f\275\377\26\32\276\5\275J\275\221b\315:D@Y\275\14\5\177>\340dF>J\222\5\277\4\42\272\276\301\304\11\275\265f\246\275\331h(=@O+=\31\256\320>\13%[\276\22\324\224\275\213H\311>\335\343\376=N\253\2>\336\226\312\275fd\242\276$\2\4=\305\335\253<w\337q\276\211\244\6\276=)c\274`.:\276y\355\232\274\254\210\226<\2j\340;v\214\307\275\300\4\352=\14\237/>\271\352|=k\77!\276\227/\20>\357\242\305\275UA->I7S\276\21264>j\14}\273\355\26v\276upw\275\13\227*<\345\10W=\11\217A\276\221:Z\276\336S\35=\262\366\267\275\261\2449=|\255\25>]v\242\276'\207H=\376Vq>|\210j\275M\311\37\276m>\24>#\311G=\372\2140>\4\20\210\275\231\2\222\276\6p\255\274\275\267\257\275\316\312\30>\324\242\30=\340\261\240\276\213\207k\276\326*.>\346\365\5>\27X\374\275G\245S\271\14\236\257=\250\235\270=\32\256,>m.J=q\200\225\274*\13L\275\327\15P>d\311\335\276\343\230\332\274\374\32\320;+r\214\276\247,\203=\344X\0\276\7\366)>\232\0\306\274\212\336\3>72p>Q\355\226=\320\223,\276j6\225\276\314\304\254>5u\257\274\332\261\7\276\276m\343<\207\342\26\275D\356'>C\365\325;Vj-;I\322\14\276\24\23\271=3\276K\276\3419\3>\14)\226>\356;\226\276/\2\363\276\236\42\363=B\16\373>K@E\276%yv\276\211\42\350=\31\256%\276\232q\307\275\3154\211\275\240\256\321=\267\276\237\275Z\14[=((\13\275Zu&\276y\34|\275QK;\276\337V\244:\244z]\276 `W\276\231\217\217>\376\261'\274g\365)\274\247\235\311=*\340\245\275\33&4\2753\221\247=\33\237^=\31vd\276\3259$>u\266\350\275\315\36P\276\244t1\276\276\355\231\275ZX\240>\134\251g\276*^\374<;\246\322\2768\32\236\271\314F1>P\216:\275t\15\370\275\231~6=g\372\11>H\311\2>K[\302>\261\341$=\300}\351\275\326\234\306\274g\230d\274\27n\253<\215\134\275\273\23\42\11=\344\242\244\276{~#>\306\206\342\275n1g\276\241\134\373=O\315\201>/R\302=n\23\376<-\2667\276by\15\77\272x->\0\205`\276s\244\31\276\222 \211<\3171\231\276_\355\4=\374\357\264\275\350\250q>Z\234=>\327\223\5\277\26~\3<S`\237\276\325\254Z>\205\203\4=\266%\330=(\347Q\276\322)\264>\374\13\307>P\325Q\276\306\360\222=\335\257\4\276\10\243\224\273\355jy\276h\372\267>\301\376>\276Hei\275C\247\305=g:\377\275\346\244<\275\332&\336\275_h\322\274s\255f\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\371\77`\276\275\333\323\275#\336*\276\2723\350<~\21\26\276v\322\300>\360y%\276\337\355\213\275\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0{\351b\276\222\2673\276\210\316\327\276\36\0241>`\375\302\276\355\225~\276\216>\365=fi\11>\217\222\10\276\211O,\277\3\211\17>\0012\261=\340\13\361\276\343w\203>\11Oo\276\3513\300\276O\264\2=\360\253s\275\34S\212=\32\6\11\277\305\244\32\77\35\265M\276_b\3\277A;S>\2046\362\275#\305\335=\340\326\347\275\212!\243\274\353\307\247=\206\333~\276,\255g>\177d \2766m\224\276\221Y\322<M\350\27>\204b\234\275\0214\223\276\260\215S>\3706\26\277$\357\257\276\2\331W<\230I\350\276\321\342\30<\31\320\225\274\212b\231>\315\37\234\276\214\244U\276\270s\343=L\266Q\277\273D\204\77\10yn\276\366\35y\276<\367\222>\363\210Y\2746\330\27\277\300\375U>\7\374\221>\350\224\31\276;=\300\275\373\341%>7\31\233\276\372\242\25>\360\15\210=\203`f\276\334\225\355\276z\3\232\275\310g\225\276H\350\252>}\271D=\313y\205>\307\3157=My\263=\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\236r\310\276(\5\253>\376pd\77^\217\36\276\22\300\227\276\362\237\241\275_jv\276&\224\263\276\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0003 H=\224\245\322\275b;\2\77\134\202\2258\216\211\352=\231U\254>\77\305\331\275\336\11\2\77M\17e\276\254R\222\276S\232\4\276\347 &\275k\252\375\276lJK\274u\354\26\277\4\1\374>\234\227\352\274\335ih\276@m\244\276\277-\13\276\334\206\241\275\241\23\275\276.\200\246\276x\207\207\275:\213<\276\7\4\252>\376\371\315>\5\234\271;\34v+>\346\261\361\276\26\305f>\214(1\274\373w/>\3\331\20\77\217pN\277Y\362\274=9\366\306\276\352eV>1\274\355\276\223Z3\276\200\313\222=7\35^>w\240\330<\212\204\217\276kfH\276\264\34\240>\200\333\376\272\310f\30\277\42\270\230>\263\262\26>\350\32\236>\214\276\363\275\217\351\225>\302\22\300\276\252\134N>a\2111\2763$t>\201\12\266>|:\205\276]`\224\2749\246a<3Z\327>\360\237\200>{\266\334\276\241Kj>+\276\276>p\354\207\77\134\356V\277bN\211\276\350\253*\77\362r-\277\355\207\31\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0)4;>\6Z\270>\224\26r\276\3\214C>\214^)=#v\11\77\134\273\14\272\0A\263>W{\243\276\331\335\205\275\3\13\14\275X3\316>\243\327Q>\364\24\210\276\21\346v>\311\177\213>'\256!\275D\221\272\275\33T\214\275\307i\31\277\37\252\210=B\332\251=j\255\234\276\252e\206>\230\210\370\276\20\307G\2765\14,\276\214\3433\77\333\275\20\277\244\261K>\343\212\252>S\300\10>\32\356\325>\321\203\265\276\255bN\277\22\317\212>\320w\330\276\271V\354\275\330d\325\276\205~\276>\342\233\234>oX\202\276\254\214\243>\324\240/=I\333I\275\342K\246<d\316\222\275\333\247^>4\267\340=\217\12\375\275\331&\266>\271`]\276\34\303\317=)\326\30>\251\330\5\77D\3756\276\14\304\35\0776\35\177=Lt\214\275\15vs\276\312BT>K\273\215<M\306\307\276]+\314\276\2026\216\276\273\16\255\276\7\217\13\77\244\0210\77\354Y\336>\227:7>\12B[\276\312)\337<\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0)|b\77\331a\10@\303\263i\77.\222\217\276/\300\33= \20\367\276FKH\277\357\251<\2768OH>\323\376\352\77\0 U=\351\275\255\77\25=\342\77\5f\241=[\314\315\77\2\0067\0770\307\325\276\255\305\207>Cj\273<H\352m\276O\215K\276\233\253\23>\376L\336>\236\207b\277\265\316\31\274\210\334\302\277\375\206\205>7\244\37\77\307\343'>X[\222>\203\6\27\77\15D*\2779\311t\276\311\313\2\77\313=\200\77#3\312>\14b#@@\33\273\275\277\351\177\77\42$\242\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\366\372\210\275\42\15\322\276\210_\27\277\361+\246=\14\36\16\77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

struct Weights {
    explicit Weights(const igata_options&) {}
    const std::byte* data() const { return reinterpret_cast<const std::byte*>(weights_data); }
};

// The steps ---------------------------------------------------------------------------------------------------------

/// stem
struct stem_body {
    template <int>
    [[gnu::always_inline]] static void run(std::byte* const* operands, std::int64_t begin, std::int64_t end) {
        const auto* const x0 = reinterpret_cast<const float*>(operands[0]);
        auto* const y = reinterpret_cast<float*>(operands[1]);
        for (std::int64_t i0 = begin; i0 < end; ++i0) {
            const auto* const x0_1 = x0 + i0;
            auto* const y_1 = y + i0 * 3;
            #pragma GCC ivdep
            for (std::int64_t i1 = 0; i1 < 3; ++i1) {
                const float v0 = x0_1[i1 * 1024];
                y_1[i1] = v0;
            }
        }
    }
};
constexpr LoopSpec stem_spec{run_loop<stem_body>, nullptr, 1024, 3072};

// stem
constexpr ConvolutionSpec stem_2_spec{
    /*src*/ {DataType::f32, 4, {1, 3, 32, 32}, {3072, 1, 96, 3}},
    /*weights*/ {DataType::f32, 4, {8, 3, 3, 3}, {27, 9, 3, 1}},
    /*bias*/ {DataType::f32, 1, {8}, {1}},
    /*dst*/ {DataType::f32, 4, {1, 8, 16, 16}, {2048, 1, 128, 8}},
    /*spatial*/ 2,
    /*groups*/ 1,
    /*strides*/ {2, 2, 1},
    /*dilations*/ {1, 1, 1},
    /*pads_begin*/ {0, 0, 0},
    /*pads_end*/ {1, 1, 0},
    /*epilogue*/ {1, {{PostOp::Kind::eltwise, Eltwise::swish, Binary::add, 1.0F, 0.0F, {}, -1}}},
    /*scale*/ {},
    /*mean*/ {},
    /*streamed*/ false,
    /*bf16*/ false,
    /*implementation*/ Implementation::automatic,
};

// depthwise
constexpr ConvolutionSpec depthwise_spec{
    /*src*/ {DataType::f32, 4, {1, 8, 16, 16}, {2048, 1, 128, 8}},
    /*weights*/ {DataType::f32, 4, {8, 1, 3, 3}, {9, 9, 3, 1}},
    /*bias*/ {DataType::f32, 1, {8}, {1}},
    /*dst*/ {DataType::f32, 4, {1, 8, 16, 16}, {2048, 1, 128, 8}},
    /*spatial*/ 2,
    /*groups*/ 8,
    /*strides*/ {1, 1, 1},
    /*dilations*/ {1, 1, 1},
    /*pads_begin*/ {1, 1, 0},
    /*pads_end*/ {1, 1, 0},
    /*epilogue*/ {1, {{PostOp::Kind::eltwise, Eltwise::swish, Binary::add, 1.0F, 0.0F, {}, -1}}},
    /*scale*/ {},
    /*mean*/ {{DataType::f32, 4, {1, 8, 1, 1}, {8, 1, 1, 1}}, 4},
    /*streamed*/ false,
    /*bf16*/ false,
    /*implementation*/ Implementation::automatic,
};

// gate
constexpr ConvolutionSpec gate_spec{
    /*src*/ {DataType::f32, 4, {1, 8, 1, 1}, {8, 1, 8, 8}},
    /*weights*/ {DataType::f32, 4, {8, 8, 1, 1}, {8, 1, 1, 1}},
    /*bias*/ {DataType::f32, 1, {8}, {1}},
    /*dst*/ {DataType::f32, 4, {1, 8, 1, 1}, {8, 1, 8, 8}},
    /*spatial*/ 2,
    /*groups*/ 1,
    /*strides*/ {1, 1, 1},
    /*dilations*/ {1, 1, 1},
    /*pads_begin*/ {0, 0, 0},
    /*pads_end*/ {0, 0, 0},
    /*epilogue*/ {1, {{PostOp::Kind::eltwise, Eltwise::sigmoid, Binary::add, 0.0F, 0.0F, {}, -1}}},
    /*scale*/ {},
    /*mean*/ {},
    /*streamed*/ false,
    /*bf16*/ false,
    /*implementation*/ Implementation::automatic,
};

// project
constexpr ConvolutionSpec project_spec{
    /*src*/ {DataType::f32, 4, {1, 8, 16, 16}, {2048, 1, 128, 8}},
    /*weights*/ {DataType::f32, 4, {8, 8, 1, 1}, {8, 1, 1, 1}},
    /*bias*/ {DataType::f32, 1, {8}, {1}},
    /*dst*/ {DataType::f32, 4, {1, 8, 16, 16}, {2048, 1, 128, 8}},
    /*spatial*/ 2,
    /*groups*/ 1,
    /*strides*/ {1, 1, 1},
    /*dilations*/ {1, 1, 1},
    /*pads_begin*/ {0, 0, 0},
    /*pads_end*/ {0, 0, 0},
    /*epilogue*/ {1, {{PostOp::Kind::sum, Eltwise::relu, Binary::add, 0.0F, 0.0F, {}, -1}}},
    /*scale*/ {{DataType::f32, 4, {1, 8, 1, 1}, {8, 1, 1, 1}}, 4},
    /*mean*/ {{DataType::f32, 4, {1, 8, 1, 1}, {8, 1, 1, 1}}, 5},
    /*streamed*/ false,
    /*bf16*/ false,
    /*implementation*/ Implementation::automatic,
};

// dense
constexpr MatMulSpec dense_spec{
    /*a*/ {DataType::f32, 2, {1, 8}, {8, 1}},
    /*b*/ {DataType::f32, 2, {8, 5}, {1, 8}},
    /*bias*/ {DataType::f32, 2, {1, 5}, {5, 1}},
    /*dst*/ {DataType::f32, 2, {1, 5}, {5, 1}},
    /*b_is_constant*/ true,
    /*bf16*/ false,
    /*epilogue*/ {0, {}},
    /*implementation*/ Implementation::automatic,
};

// softmax
constexpr SoftmaxSpec softmax_spec{
    /*src*/ {DataType::f32, 2, {1, 5}, {5, 1}},
    /*dst*/ {DataType::f32, 2, {1, 5}, {5, 1}},
    /*axis*/ 1,
    /*logarithm*/ false,
};

constexpr StepSpec steps[] = {
    {StepKind::loop, &stem_spec, "stem", 2, {{Space::input, 0, 0}, {Space::arena, 0, 0}}},
    {StepKind::convolution, &stem_2_spec, "stem.2", 4, {{Space::arena, 0, 0}, {Space::weights, 0, 0}, {Space::weights, 0, 896}, {Space::arena, 0, 12288}}},
    {StepKind::convolution, &depthwise_spec, "depthwise", 5, {{Space::arena, 0, 12288}, {Space::weights, 0, 960}, {Space::weights, 0, 1280}, {Space::arena, 0, 0}, {Space::arena, 0, 8192}}},
    {StepKind::convolution, &gate_spec, "gate", 4, {{Space::arena, 0, 8192}, {Space::weights, 0, 1344}, {Space::weights, 0, 1600}, {Space::arena, 0, 8256}}},
    {StepKind::convolution, &project_spec, "project", 6, {{Space::arena, 0, 0}, {Space::weights, 0, 1664}, {Space::weights, 0, 1920}, {Space::arena, 0, 12288}, {Space::arena, 0, 8256}, {Space::arena, 0, 8192}}},
    {StepKind::matmul, &dense_spec, "dense", 4, {{Space::arena, 0, 8192}, {Space::weights, 0, 1984}, {Space::weights, 0, 2176}, {Space::arena, 0, 0}}},
    {StepKind::softmax, &softmax_spec, "softmax", 2, {{Space::arena, 0, 0}, {Space::output, 0, 0}}},
};

constexpr ProgramSpec programs[] = {
    {steps, 7, 20480, 2240},
};

// The interface -----------------------------------------------------------------------------------------------------

constexpr std::int64_t input_0_dims[] = {1, 3, 32, 32};
constexpr igata_tensor_info inputs[] = {
    {"image", IGATA_F32, 4, input_0_dims, 12288, -1, 0},
};
constexpr std::int64_t output_0_dims[] = {1, 5};
constexpr igata_tensor_info outputs[] = {
    {"scores", IGATA_F32, 2, output_0_dims, 20, -1, 0},
};
constexpr igata_step_info step_infos[] = {
    {"stem", "loop", "stem", "[1024,3] -> [1024,3]", 0, 24576},
    {"stem.2", "convolution", "stem", "3x3 s2 3x32x32 -> 8x16x16 swish", 110592, 21376},
    {"depthwise", "convolution", "depthwise", "3x3 depthwise 8x16x16 -> 8x16x16 swish mean", 36864, 16736},
    {"gate", "convolution", "gate", "1x1 8x1x1 -> 8x1x1 sigmoid", 128, 352},
    {"project", "convolution", "project", "1x1 scaled 8x16x16 -> 8x16x16 sum mean", 32768, 24928},
    {"dense", "matmul", "dense", "[1,8] x [8,5]", 80, 232},
    {"softmax", "softmax", "softmax", "[1,5]", 0, 40},
};
constexpr igata_predictor_info plans[1] = {
    {"tiny_classifier", 1, 1, inputs, outputs, 1, 0, 7, 2240, 20480, step_infos, 1, plans},
};

}  // namespace igata::runtime::model
}  // namespace

struct tiny_classifier_model {
    explicit tiny_classifier_model(const igata_options& options)
        : weights(options), programs(igata::runtime::model::programs, 1, weights.data(), igata::runtime::threads_of(options)) {}

    igata::runtime::model::Weights weights;
    igata::runtime::Programs programs;
};

struct tiny_classifier_context {
    explicit tiny_classifier_context(const tiny_classifier_model& model) : contexts(model.programs) {}

    igata::runtime::Contexts contexts;
};

const igata_predictor_info* tiny_classifier_info(void) { return igata::runtime::model::plans; }

igata_status tiny_classifier_model_create(const igata_options* options, tiny_classifier_model** model) {
    return igata::runtime::guarded([&] {
        igata::runtime::require(model != nullptr, "model is null");
        *model = nullptr;
        *model = new tiny_classifier_model(options != nullptr ? *options : igata_options{0, nullptr});
    });
}

void tiny_classifier_model_destroy(tiny_classifier_model* model) { delete model; }

igata_status tiny_classifier_context_create(const tiny_classifier_model* model, tiny_classifier_context** context) {
    return igata::runtime::guarded([&] {
        igata::runtime::require(model != nullptr && context != nullptr, "model or context is null");
        *context = nullptr;
        *context = new tiny_classifier_context(*model);
    });
}

void tiny_classifier_context_destroy(tiny_classifier_context* context) { delete context; }

size_t tiny_classifier_context_bytes(const tiny_classifier_model* model) { return model != nullptr ? model->programs.arena_bytes() : 0; }

namespace {

void run(tiny_classifier_context* context, const void* const* inputs, const igata::runtime::InputDims& dims, void* const* outputs) {
    igata::runtime::require(context != nullptr, "context is null");
    igata::runtime::run_plans<1, 1>(
        *tiny_classifier_info(), inputs, dims, outputs, [&](std::size_t plan, const void* const* in, void* const* out) {
            context->contexts[plan].run(in, out);
        });
}

void profile(tiny_classifier_context* context, const void* const* inputs, const igata::runtime::InputDims& dims, void* const* outputs,
             double* seconds) {
    igata::runtime::require(context != nullptr && seconds != nullptr, "context or seconds is null");
    igata::runtime::run_plans<1, 1>(
        *tiny_classifier_info(), inputs, dims, outputs, [&](std::size_t plan, const void* const* in, void* const* out) {
            context->contexts[plan].profile(in, out, seconds + igata::runtime::first_step(*tiny_classifier_info(), plan));
        });
}

}  // namespace

igata_status tiny_classifier_run(tiny_classifier_context* context, const void* const* inputs, void* const* outputs, int64_t batch) {
    return igata::runtime::guarded(
        [&] { run(context, inputs, igata::runtime::batch_dims(*tiny_classifier_info(), batch), outputs); });
}

igata_status tiny_classifier_run_shaped(tiny_classifier_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                 void* const* outputs) {
    return igata::runtime::guarded(
        [&] { run(context, inputs, igata::runtime::given_dims(*tiny_classifier_info(), input_dims), outputs); });
}

igata_status tiny_classifier_output_dims(const int64_t* const* input_dims, int64_t* const* output_dims) {
    return igata::runtime::guarded([&] { igata::runtime::tell_output_dims(*tiny_classifier_info(), input_dims, output_dims); });
}

igata_status tiny_classifier_profile(tiny_classifier_context* context, const void* const* inputs, void* const* outputs, int64_t batch,
                              double* seconds) {
    return igata::runtime::guarded(
        [&] { profile(context, inputs, igata::runtime::batch_dims(*tiny_classifier_info(), batch), outputs, seconds); });
}

igata_status tiny_classifier_profile_shaped(tiny_classifier_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                     void* const* outputs, double* seconds) {
    return igata::runtime::guarded(
        [&] { profile(context, inputs, igata::runtime::given_dims(*tiny_classifier_info(), input_dims), outputs, seconds); });
}

const char* tiny_classifier_implementation(const tiny_classifier_model* model, int step) {
    return model != nullptr ? igata::runtime::implementation_of(*tiny_classifier_info(), model->programs, step) : nullptr;
}

const char* tiny_classifier_status_message(igata_status status) { return igata::runtime::status_message(status); }

const char* tiny_classifier_last_error(void) { return igata::runtime::last_error; }
