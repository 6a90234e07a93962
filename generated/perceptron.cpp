// perceptron: a predictor cast from an ONNX model by Igata 0.1.0. Generated: to change it, cast again.
// Needs oneDNN and the C++ runtime; -fopenmp gives it threads. Order: Igata's runtime, the weights, the steps, the C interface.
#include "perceptron.h"

// ... the runtime ...

namespace {
namespace igata::runtime::model {

// The weights -------------------------------------------------------------------------------------------------------

alignas(64) const char weights_data[] =
"\256Y\344>\347\226^>\1\243(\276\276m0\275\257\373\230>\237;\310>Id\37\277Vt\222>a4O\2752(\323=(\244|>\376\265\322\275r\327\10>\220\370\34\77\225\25\356>c\10\241\276\375\203\35>\20\352\306\276\12\14\237\276\276\243I>=\216r\276R\25\356\2758ei=\355d/>U\340\232\276\335P[\276\340;c\274\345\267\250\276^ E>o\213_>\374\300\242>_\354J\276\25\370\15>\177\311\261\276\244\24\7\274\214\336_\276\25\225\242=5H\231\275\24\205\314\2768.\212>\332\263\341\276\227*\274>\16x\212>\16\134u>\322vl=\1\272->\217\360*\276\255\223X\276\224\347\26\277\205$\366=\334\221\253\276\355\275\23\276X'Z\276\362\217O>h\177o=\327\321\1\277Wd\257=\201!*>!(1\276\346\13\233\276\3471\222=\267h\215\276\257\305\371\273/\372\315=\273\205\242>\314\4\10\277\261\205\340\275->\311\276\354\2320\275y\266\227\276\260\355\311\276\7`,\276\312s\353={\366s\276|\22\2\276\26\213\304\275\237\315\12\77\341\355\206>\301\304\346\276@)\334\275\2473\10>\315\237|>\257\16\300>\17o\222>NS5\276\300!\276\275=\24\314>3#f\276\256;\247\276]\307\342:\372\2541\276\327\310\373\275\2244\300\275\362n\12>\264\7\270>\225\226'\276\22a\300\275\2345\0\276\277\216!\276h\27\17>\3\336S\276s\246\325>\7\345\243\276\251Oc>\310:\5\77\222VP>\364\324\320\275OCY\276\222[\252\276\372\353\314\275\260T\346\274\223\2219\276D\226\204>`&\374\275iQ\220\274\207\2\363\275'\32\232=,\337\264<\273\335\267\276pZ\263\276s\22#>\331\242\0>zs\200\275\257\344\353\276|\337\3>x\2016>\331\322\2\77{\361K\275\23\315\20\275\23\267\240>\223\26\26\276\352\27L>\25\376\275\275\17\305\341=\255[n>\377\372L\276g\364\227=;\213\31>b\26-\276\26\330\33>\200t\35>2N\341\275\315\352|\276\10\301(>_'\233\275\366\3435=\14\224\366>\227\36\300\275\245\365\262>\333\33\177>\211\30\323=\272\202\214\2761]*\275\272O!=\212\256\254<\372\257)\275m\1\272\276\345>!\277\30\2!\276j\345\363\276-\331\214\276\275\223\373\275\205\16\356=\7\36\267\275\307\307E\276\340G\345\274p\203\3\277\323\32\213<T\34H\276(\254b\274\256\334\200\273\24b\322\275\232\214\336>`(\11\276^\213\30=\301\326)>Jw4=UH\30\77U\363\2\276\374_r\275,{{\275\6]X>3\234[\276\352\367\347\275h\42\355\275\220D#>Zg\370=\341\1\211=\206\367->\346~C>\330\26\245\275.5z\272\0177\210>\6\0h\77\332\263\305\276\360\251\256=a\211\235\276\243\22\250<\253\345@>\337\364\205\275A\331\224\77\254\236z>\320\371\220\277\350O$\276\273\353\326\276\255\334\236\77V\260\205\276\17\352=>{i\232\276\212Wc\275\320\7.\276\26'C\276\7\10\351\276\202\266\37\77\361\204j>\205\256\236=\16\27\2\77\211\314\251>{.\246\275\226-.>+\216K>3Y\21\277\24\244$\277f\345\201\275\310+\2\277x\21\353>\323\212\216>G\376\316\276#\200\206>R\24u\276\364u\24\77\267w\263\276\221e\17\277\35\331w\77>\233e\277\337NU=K\220\16\277v\230a>/\241\242\275\300y\351>\2753\330>\12\347=\277~\350\250\276\370G%\277N'\217\277D\356\261\276@i\357\276R|7\277\321\253)\77\331z\42\77)@T\276r\271\224>\0027c\77\355R\12\275\323o\211\276;\11\377=\241P\134\274\3413\2\77$\324\345<\240a\3\277\201\264\236\276\334\276\372\275%\341\12\277\42sZ\276\11@\211\277\274TS>\3246\303>W\277\205>\276\245Q\277\256)\336\276\253\233\347=\357\211\264\277\273\337\35<\6\353\233>\331\31\247>\364\364\22\277\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

struct Weights {
    explicit Weights(const igata_options&) {}
    const std::byte* data() const { return reinterpret_cast<const std::byte*>(weights_data); }
};

// The steps ---------------------------------------------------------------------------------------------------------

// m0
constexpr MatMulSpec m0_spec{
    /*a*/ {DataType::f32, 2, {1, 12}, {12, 1}},
    /*b*/ {DataType::f32, 2, {12, 16}, {16, 1}},
    /*bias*/ {DataType::f32, 2, {1, 16}, {16, 1}},
    /*dst*/ {DataType::f32, 2, {1, 16}, {16, 1}},
    /*b_is_constant*/ true,
    /*bf16*/ false,
    /*epilogue*/ {1, {{PostOp::Kind::eltwise, Eltwise::relu, Binary::add, 0.0F, 0.0F, {}, -1}}},
    /*implementation*/ Implementation::automatic,
};

// head
constexpr MatMulSpec head_spec{
    /*a*/ {DataType::f32, 2, {1, 16}, {16, 1}},
    /*b*/ {DataType::f32, 2, {16, 4}, {4, 1}},
    /*bias*/ {DataType::f32, 2, {1, 4}, {4, 1}},
    /*dst*/ {DataType::f32, 2, {1, 4}, {4, 1}},
    /*b_is_constant*/ true,
    /*bf16*/ false,
    /*epilogue*/ {0, {}},
    /*implementation*/ Implementation::automatic,
};

constexpr StepSpec steps[] = {
    {StepKind::matmul, &m0_spec, "m0", 4, {{Space::input, 0, 0}, {Space::weights, 0, 0}, {Space::weights, 0, 768}, {Space::output, 1, 0}}},
    {StepKind::matmul, &head_spec, "head", 4, {{Space::output, 1, 0}, {Space::weights, 0, 832}, {Space::weights, 0, 1088}, {Space::output, 0, 0}}},
};

constexpr ProgramSpec programs[] = {
    {steps, 2, 0, 1152},
};

// The interface -----------------------------------------------------------------------------------------------------

constexpr std::int64_t input_0_dims[] = {1, 12};
constexpr igata_tensor_info inputs[] = {
    {"x", IGATA_F32, 2, input_0_dims, 48, -1, 0},
};
constexpr std::int64_t output_0_dims[] = {1, 4};
constexpr std::int64_t output_1_dims[] = {1, 16};
constexpr igata_tensor_info outputs[] = {
    {"logits", IGATA_F32, 2, output_0_dims, 16, -1, 0},
    {"hidden", IGATA_F32, 2, output_1_dims, 64, -1, 0},
};
constexpr igata_step_info step_infos[] = {
    {"m0", "matmul", "m0", "[1,12] x [12,16] relu", 384, 944},
    {"head", "matmul", "head", "[1,16] x [16,4]", 128, 352},
};
constexpr igata_predictor_info plans[1] = {
    {"perceptron", 1, 2, inputs, outputs, 1, 0, 2, 1152, 0, step_infos, 1, plans},
};

}  // namespace igata::runtime::model
}  // namespace

struct perceptron_model {
    explicit perceptron_model(const igata_options& options)
        : weights(options), programs(igata::runtime::model::programs, 1, weights.data(), igata::runtime::threads_of(options)) {}

    igata::runtime::model::Weights weights;
    igata::runtime::Programs programs;
};

struct perceptron_context {
    explicit perceptron_context(const perceptron_model& model) : contexts(model.programs) {}

    igata::runtime::Contexts contexts;
};

const igata_predictor_info* perceptron_info(void) { return igata::runtime::model::plans; }

igata_status perceptron_model_create(const igata_options* options, perceptron_model** model) {
    return igata::runtime::guarded([&] {
        igata::runtime::require(model != nullptr, "model is null");
        *model = nullptr;
        *model = new perceptron_model(options != nullptr ? *options : igata_options{0, nullptr});
    });
}

void perceptron_model_destroy(perceptron_model* model) { delete model; }

igata_status perceptron_context_create(const perceptron_model* model, perceptron_context** context) {
    return igata::runtime::guarded([&] {
        igata::runtime::require(model != nullptr && context != nullptr, "model or context is null");
        *context = nullptr;
        *context = new perceptron_context(*model);
    });
}

void perceptron_context_destroy(perceptron_context* context) { delete context; }

size_t perceptron_context_bytes(const perceptron_model* model) { return model != nullptr ? model->programs.arena_bytes() : 0; }

namespace {

void run(perceptron_context* context, const void* const* inputs, const igata::runtime::InputDims& dims, void* const* outputs) {
    igata::runtime::require(context != nullptr, "context is null");
    igata::runtime::run_plans<1, 2>(
        *perceptron_info(), inputs, dims, outputs, [&](std::size_t plan, const void* const* in, void* const* out) {
            context->contexts[plan].run(in, out);
        });
}

void profile(perceptron_context* context, const void* const* inputs, const igata::runtime::InputDims& dims, void* const* outputs,
             double* seconds) {
    igata::runtime::require(context != nullptr && seconds != nullptr, "context or seconds is null");
    igata::runtime::run_plans<1, 2>(
        *perceptron_info(), inputs, dims, outputs, [&](std::size_t plan, const void* const* in, void* const* out) {
            context->contexts[plan].profile(in, out, seconds + igata::runtime::first_step(*perceptron_info(), plan));
        });
}

}  // namespace

igata_status perceptron_run(perceptron_context* context, const void* const* inputs, void* const* outputs, int64_t batch) {
    return igata::runtime::guarded(
        [&] { run(context, inputs, igata::runtime::batch_dims(*perceptron_info(), batch), outputs); });
}

igata_status perceptron_run_shaped(perceptron_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                 void* const* outputs) {
    return igata::runtime::guarded(
        [&] { run(context, inputs, igata::runtime::given_dims(*perceptron_info(), input_dims), outputs); });
}

igata_status perceptron_output_dims(const int64_t* const* input_dims, int64_t* const* output_dims) {
    return igata::runtime::guarded([&] { igata::runtime::tell_output_dims(*perceptron_info(), input_dims, output_dims); });
}

igata_status perceptron_profile(perceptron_context* context, const void* const* inputs, void* const* outputs, int64_t batch,
                              double* seconds) {
    return igata::runtime::guarded(
        [&] { profile(context, inputs, igata::runtime::batch_dims(*perceptron_info(), batch), outputs, seconds); });
}

igata_status perceptron_profile_shaped(perceptron_context* context, const void* const* inputs, const int64_t* const* input_dims,
                                     void* const* outputs, double* seconds) {
    return igata::runtime::guarded(
        [&] { profile(context, inputs, igata::runtime::given_dims(*perceptron_info(), input_dims), outputs, seconds); });
}

const char* perceptron_implementation(const perceptron_model* model, int step) {
    return model != nullptr ? igata::runtime::implementation_of(*perceptron_info(), model->programs, step) : nullptr;
}

const char* perceptron_status_message(igata_status status) { return igata::runtime::status_message(status); }

const char* perceptron_last_error(void) { return igata::runtime::last_error; }
