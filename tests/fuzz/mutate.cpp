// Damaged models must end in an Error, never in a crash, a hang, another exception or a huge allocation.
#include <doctest/doctest.h>

#include <new>
#include <random>

#include <sys/resource.h>
#include <unistd.h>

#include "compiler/frontend/onnx_import.hpp"
#include "compiler/ops/op.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/first_seed.hpp"
#include "tests/onnx_models.hpp"

using namespace igata;
using namespace igata::tests;

namespace {

using Random = std::mt19937;

onnx::AttributeProto& add_ints(onnx::NodeProto& node, const std::string& name,
                               const std::vector<std::int64_t>& values) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const std::int64_t value : values) attribute.add_ints(value);
    return attribute;
}

void add_integers(onnx::ModelProto& model, const std::string& name, const std::vector<std::int64_t>& values) {
    onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::INT64);
    tensor.add_dims(static_cast<std::int64_t>(values.size()));
    for (const std::int64_t value : values) tensor.add_int64_data(value);
}

/// Pad, Conv, swish, pooling, shape arithmetic, Reshape, Gemm, Softmax.
onnx::ModelProto classifier() {
    onnx::ModelProto model = make_model(13);
    add_value(*model.mutable_graph()->add_input(), "x", {"N", "2", "6", "6"});
    add_value(*model.mutable_graph()->add_output(), "y", {"N", "3"});
    add_integers(model, "pads", {0, 0, 0, 1, 0, 0, 1, 1});
    add_floats(model, "w", {4, 2, 3, 3}, std::vector<float>(72, 0.1F));
    add_floats(model, "b", {4}, {1, 2, 3, 4});
    add_floats(model, "k", {16, 3}, std::vector<float>(48, 0.2F));
    add_integers(model, "zero", {0});
    add_integers(model, "rest", {-1});
    add_node(model, "Pad", {"x", "pads"}, {"p"});
    add_ints(add_node(model, "Conv", {"p", "w", "b"}, {"c"}), "strides", {2, 2});
    add_node(model, "Sigmoid", {"c"}, {"s"});
    add_node(model, "Mul", {"c", "s"}, {"m"});
    add_ints(add_node(model, "MaxPool", {"m"}, {"q"}), "kernel_shape", {2, 2});
    add_node(model, "Shape", {"q"}, {"shape"});
    add_node(model, "Gather", {"shape", "zero"}, {"n"});
    onnx::AttributeProto& axis = *add_node(model, "Concat", {"n", "rest"}, {"target"}).add_attribute();
    axis.set_name("axis");
    axis.set_type(onnx::AttributeProto::INT);
    add_node(model, "Reshape", {"q", "target"}, {"r"});
    add_node(model, "MatMul", {"r", "k"}, {"g"});
    add_node(model, "Softmax", {"g"}, {"y"});
    return model;
}

/// Views and reductions on small constants and an input.
onnx::ModelProto movement() {
    onnx::ModelProto model = make_model(12);
    add_value(*model.mutable_graph()->add_input(), "x", {"2", "3", "4"});
    add_value(*model.mutable_graph()->add_output(), "y", {"2"});
    add_integers(model, "starts", {0, 1});
    add_integers(model, "ends", {2, 3});
    add_integers(model, "repeats", {1, 2, 1});
    add_floats(model, "half", {1}, {0.5F});
    add_ints(add_node(model, "Transpose", {"x"}, {"t"}), "perm", {2, 0, 1});
    add_node(model, "Slice", {"t", "starts", "ends"}, {"s"});
    add_node(model, "Tile", {"s", "repeats"}, {"u"});
    add_ints(add_node(model, "Unsqueeze", {"u"}, {"v"}), "axes", {0});
    add_node(model, "Mul", {"v", "half"}, {"w"});
    add_ints(add_node(model, "ReduceMean", {"w"}, {"z"}), "axes", {0, 2, 3});
    add_node(model, "Exp", {"z"}, {"y"});
    return model;
}

std::int64_t extreme(Random& random) {
    constexpr std::int64_t values[] = {0,     1,         -1,        2,         -2,        7,
                                       65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, std::int64_t{1} << 33};
    return values[random() % std::size(values)];
}

template <class T>
T& pick(google::protobuf::RepeatedPtrField<T>& field, Random& random) {
    return field[static_cast<int>(random() % static_cast<unsigned>(field.size()))];
}

void mutate_tensor(onnx::TensorProto& tensor, Random& random) {
    if (random() % 3 == 0) tensor.set_data_type(static_cast<int>(random() % 20));
    else if (tensor.int64_data_size() > 0 && random() % 4 != 0)
        tensor.set_int64_data(static_cast<int>(random() % static_cast<unsigned>(tensor.int64_data_size())),
                              extreme(random));
    else if (tensor.dims_size() > 0)
        tensor.set_dims(static_cast<int>(random() % static_cast<unsigned>(tensor.dims_size())), extreme(random));
}

void mutate_node(onnx::NodeProto& node, onnx::GraphProto& graph, Random& random) {
    const auto& ops = Registry::instance().all();
    switch (random() % 5) {
        case 0: node.set_op_type(ops[random() % ops.size()].name); break;
        case 1: node.add_input(random() % 2 == 0 ? "" : pick(*graph.mutable_node(), random).output(0)); break;
        case 2:
            if (node.input_size() > 0)
                node.set_input(static_cast<int>(random() % static_cast<unsigned>(node.input_size())),
                               pick(*graph.mutable_initializer(), random).name());
            break;
        case 3: node.clear_attribute(); break;
        default:
            if (node.attribute_size() == 0) node.add_output("extra");
            else {
                onnx::AttributeProto& attribute = pick(*node.mutable_attribute(), random);
                attribute.set_i(extreme(random));
                if (attribute.ints_size() > 0 && random() % 2 == 0) attribute.set_ints(0, extreme(random));
                else attribute.add_ints(extreme(random));
            }
    }
}

/// A change that protobuf does not notice.
std::string mutate_meaning(onnx::ModelProto model, Random& random) {
    onnx::GraphProto& graph = *model.mutable_graph();
    for (unsigned changes = 1 + random() % 2; changes > 0; --changes) {
        switch (random() % 4) {
            case 0: mutate_tensor(pick(*graph.mutable_initializer(), random), random); break;
            case 1: {
                auto& shape = *graph.mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
                pick(*shape.mutable_dim(), random).set_dim_value(extreme(random));
                break;
            }
            default: mutate_node(pick(*graph.mutable_node(), random), graph, random);
        }
    }
    return model.SerializeAsString();
}

/// Bytes flipped, cut out, doubled, or the end lost.
std::string mutate_bytes(std::string bytes, Random& random) {
    const std::size_t at = random() % bytes.size();
    const std::size_t length = 1 + random() % 8;
    switch (random() % 4) {
        case 0: bytes[at] = static_cast<char>(random()); break;
        case 1: bytes.erase(at, length); break;
        case 2: bytes.insert(at, bytes.substr(random() % bytes.size(), length)); break;
        default: bytes.resize(at);
    }
    return bytes;
}

/// What happened, for the message of a failed check: "" is fine.
std::string cast(const TemporaryFolder& folder, const std::string& bytes) {
    alarm(60);  // a hang ends the test
    try {
        Remarks remarks;
        Graph graph = import_onnx(folder.write("m.onnx", bytes), remarks);
        check_supported(graph);
        (void)run_pipeline(std::move(graph), {}, remarks);
    } catch (const Error& error) {
        if (std::string(error.what()).empty()) return "an Error without a message";
    } catch (const std::bad_alloc&) {
        // "out of memory", says the tool: the model has results of that size.
    } catch (const std::exception& error) {
        return error.what();
    }
    alarm(0);
    return "";
}

}  // namespace

TEST_CASE("mutated models end in an Error or in a plan") {
    if (std::getenv("ASAN_OPTIONS") == nullptr) {
        const rlimit limit{std::uint64_t{4} << 30U, RLIM_INFINITY};
        CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    }
    const TemporaryFolder folder;
    const onnx::ModelProto models[] = {classifier(), movement()};
    for (const onnx::ModelProto& model : models) REQUIRE(cast(folder, model.SerializeAsString()) == "");
    const char* const rounds = std::getenv("IGATA_FUZZ_ROUNDS");
    const unsigned count = rounds != nullptr ? static_cast<unsigned>(std::stoul(rounds)) : 400;
    for (unsigned seed = igata::test::first_seed(), end = seed + count; seed < end; ++seed) {
        Random random(seed);
        const onnx::ModelProto& model = models[seed % 2];
        const std::string bytes =
            seed % 4 == 3 ? mutate_bytes(model.SerializeAsString(), random) : mutate_meaning(model, random);
        CAPTURE(seed);
        CHECK(cast(folder, bytes) == "");
    }
}
