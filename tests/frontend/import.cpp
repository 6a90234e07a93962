#include <doctest/doctest.h>

#include "compiler/frontend/onnx_import.hpp"
#include "compiler/frontend/tensor_proto.hpp"
#include "compiler/ir/text.hpp"
#include "compiler/passes/passes.hpp"
#include "tests/onnx_models.hpp"

using namespace igata;
using namespace igata::tests;

namespace {

Graph import(const onnx::ModelProto& model, Remarks& remarks) {
    const TemporaryFolder folder;
    return import_onnx(folder.write("m.onnx", model.SerializeAsString()), remarks);
}

Graph import(const onnx::ModelProto& model) {
    Remarks remarks;
    return import(model, remarks);
}

/// What the import says, after the file's name.
std::string message(const onnx::ModelProto& model) {
    try {
        (void)import(model);
    } catch (const Error& error) {
        const std::string text = error.what();
        return std::to_string(static_cast<int>(error.code())) + text.substr(text.find("m.onnx") + 6);
    }
    return "accepted";
}

Tensor round_trip(const onnx::TensorProto& proto) { return tensor_from_proto(proto, "t", {}); }

onnx::TensorProto tensor_proto(int dtype, std::int64_t dim) {
    onnx::TensorProto proto;
    proto.set_data_type(dtype);
    proto.add_dims(dim);
    return proto;
}

}  // namespace

TEST_CASE("every storage form of a tensor is read") {
    auto floats = tensor_proto(onnx::TensorProto::FLOAT, 2);
    floats.add_float_data(1.5F);
    floats.add_float_data(-2.0F);
    CHECK(round_trip(floats) == Tensor::of<float>({2}, {1.5F, -2.0F}));
    auto raw = tensor_proto(onnx::TensorProto::INT16, 2);
    raw.set_raw_data(std::string("\x01\x00\xff\xff", 4));
    CHECK(round_trip(raw) == Tensor::of<std::int16_t>({2}, {1, -1}));
    auto half = tensor_proto(onnx::TensorProto::FLOAT16, 1);
    half.add_int32_data(0x3c00);
    CHECK(round_trip(half).to_f64() == std::vector<double>{1.0});
    auto brain = tensor_proto(onnx::TensorProto::BFLOAT16, 1);
    brain.add_int32_data(0x3f80);
    CHECK(round_trip(brain).to_f64() == std::vector<double>{1.0});
    auto flags = tensor_proto(onnx::TensorProto::BOOL, 2);
    flags.add_int32_data(0);
    flags.add_int32_data(1);
    CHECK(round_trip(flags) == Tensor::of<bool>({2}, {false, true}));
    auto small = tensor_proto(onnx::TensorProto::INT8, 1);
    small.add_int32_data(-5);
    CHECK(round_trip(small) == Tensor::of<std::int8_t>({1}, {-5}));
    auto longs = tensor_proto(onnx::TensorProto::INT64, 1);
    longs.add_int64_data(-5'000'000'000);
    CHECK(round_trip(longs) == Tensor::of<std::int64_t>({1}, {-5'000'000'000}));
    auto doubles = tensor_proto(onnx::TensorProto::DOUBLE, 1);
    doubles.add_double_data(0.1);
    CHECK(round_trip(doubles) == Tensor::of<double>({1}, {0.1}));
    auto words = tensor_proto(onnx::TensorProto::UINT32, 1);
    words.add_uint64_data(4'000'000'000U);
    CHECK(round_trip(words) == Tensor::of<std::uint32_t>({1}, {4'000'000'000U}));
}

TEST_CASE("tensors of impossible dims are refused before any memory is taken") {
    auto proto = tensor_proto(onnx::TensorProto::FLOAT, std::int64_t{1} << 40);
    proto.add_dims(std::int64_t{1} << 40);
    CHECK_THROWS_WITH_AS(round_trip(proto), "t: dims [1099511627776,1099511627776] are too large", BadInput);
    CHECK_THROWS_WITH_AS(round_trip(tensor_proto(onnx::TensorProto::FLOAT, -1)), "t: dims [-1] are negative", BadInput);
    CHECK_THROWS_WITH_AS(round_trip(tensor_proto(onnx::TensorProto::FLOAT, std::int64_t{1} << 40)),
                         "t: f32[1099511627776] needs 1099511627776 elements of data but has 0", BadInput);
}

TEST_CASE("nodes come out sorted, and initialisers that are also inputs are constants") {
    onnx::ModelProto model = make_model(9, 3);
    add_value(*model.mutable_graph()->add_input(), "x", {"2"});
    add_value(*model.mutable_graph()->add_input(), "w", {"2"});
    add_value(*model.mutable_graph()->add_output(), "y", {"2"});
    add_floats(model, "w", {2}, {1, 2});
    add_node(model, "Relu", {"t"}, {"y"});
    add_node(model, "Add", {"x", "w"}, {"t"});
    const Graph graph = import(model);
    CHECK(graph.inputs.size() == 1);
    REQUIRE(graph.nodes.size() == 2);
    CHECK(graph.nodes.front().op == "Add");
    CHECK(graph.constant(graph.find_value("w"))->to_f64() == std::vector<double>{1, 2});
}

TEST_CASE("an attribute of the first opsets that spoke of memory is dropped, of any operator") {
    onnx::ModelProto model = make_model(1, 3);
    add_value(*model.mutable_graph()->add_input(), "x", {"2"});
    add_value(*model.mutable_graph()->add_output(), "z", {"2"});
    for (onnx::NodeProto* node : {&add_node(model, "Relu", {"x"}, {"y"}), &add_node(model, "Max", {"y", "x"}, {"z"})}) {
        onnx::AttributeProto& attribute = *node->add_attribute();
        attribute.set_name("consumed_inputs");
        attribute.set_type(onnx::AttributeProto::INTS);
        attribute.add_ints(0);
    }
    Graph graph = import(model);
    for (const Node& node : graph.nodes) CHECK_FALSE(node.attrs.has("consumed_inputs"));
    Remarks remarks;
    infer_types(graph, remarks);
}

TEST_CASE("sparse initialisers and constants become dense") {
    for (const bool flat : {true, false}) {
        onnx::SparseTensorProto sparse;
        sparse.add_dims(2);
        sparse.add_dims(3);
        *sparse.mutable_values() = tensor_proto(onnx::TensorProto::FLOAT, 2);
        sparse.mutable_values()->set_name("w");
        for (const float value : {5.0F, 7.0F}) sparse.mutable_values()->add_float_data(value);
        onnx::TensorProto& indices = *sparse.mutable_indices();
        indices = tensor_proto(onnx::TensorProto::INT64, 2);
        if (!flat) indices.add_dims(2);
        for (const int index : flat ? std::vector<int>{1, 5} : std::vector<int>{0, 1, 1, 2})
            indices.add_int64_data(index);
        onnx::ModelProto model = relu_model();
        *model.mutable_graph()->add_sparse_initializer() = sparse;
        auto& attribute = *add_node(model, "Constant", {}, {"c"}).add_attribute();
        attribute.set_name("sparse_value");
        attribute.set_type(onnx::AttributeProto::SPARSE_TENSOR);
        *attribute.mutable_sparse_tensor() = sparse;
        const Graph graph = import(model);
        const Tensor dense = Tensor::of<float>({2, 3}, {0, 5, 0, 0, 0, 7});
        CHECK(*graph.constant(graph.find_value("w")) == dense);
        CHECK(*graph.constant(graph.find_value("c")) == dense);
        onnx::SparseTensorProto& wrong = *model.mutable_graph()->mutable_sparse_initializer(0);
        wrong.set_dims(1, 2);
        CHECK(message(model) == "4: sparse initializer 'w': index 1 lies outside dims [2,2]");
        wrong.set_dims(0, std::int64_t{1} << 40);
        CHECK(message(model) == "3: sparse initializer 'w': dims [1099511627776,2] are too large to make it dense");
        wrong.mutable_values()->set_dims(0, 1);
        wrong.set_dims(0, 2);
        wrong.mutable_values()->mutable_float_data()->RemoveLast();
        CHECK(message(model).find("4: sparse initializer 'w': values f32[1] and indices i64[2") == 0);
    }
}

TEST_CASE("Constant nodes of every form become constants") {
    onnx::ModelProto model = relu_model();
    auto& reals = *add_node(model, "Constant", {}, {"reals"}).add_attribute();
    reals.set_name("value_floats");
    reals.set_type(onnx::AttributeProto::FLOATS);
    reals.add_floats(0.5F);
    auto& integer = *add_node(model, "Constant", {}, {"integer"}).add_attribute();
    integer.set_name("value_int");
    integer.set_type(onnx::AttributeProto::INT);
    integer.set_i(7);
    const Graph graph = import(model);
    CHECK(*graph.constant(graph.find_value("reals")) == Tensor::of<float>({1}, {0.5F}));
    CHECK(*graph.constant(graph.find_value("integer")) == Tensor::scalar<std::int64_t>(7));
    CHECK(graph.nodes.size() == 1);
}

TEST_CASE("both spellings of ONNX's own domain are read, and a newer opset gets a remark") {
    onnx::ModelProto model = relu_model();
    model.mutable_opset_import(0)->set_domain("ai.onnx");
    model.mutable_opset_import(0)->set_version(newest_opset + 1);
    Remarks remarks;
    const Graph graph = import(model, remarks);
    CHECK(graph.nodes.front().op == "Relu");
    REQUIRE(remarks.all().size() == 1);
    CHECK(remarks.all()[0].message ==
          "opset 29 is newer than the newest known, 28: its operators are read as of that one");
}

namespace {

/// y = local.twice(x) {slope}: h = Add(a, a)  b = LeakyRelu(h) {alpha = slope}, where `slope` may be left out.
onnx::ModelProto model_with_function() {
    onnx::ModelProto model = make_model();
    auto& opset = *model.add_opset_import();
    opset.set_domain("local");
    opset.set_version(1);
    add_value(*model.mutable_graph()->add_input(), "x", {"4"});
    add_value(*model.mutable_graph()->add_output(), "y", {"4"});
    onnx::FunctionProto& function = *model.add_functions();
    function.set_domain("local");
    function.set_name("twice");
    function.add_input("a");
    function.add_output("b");
    function.add_attribute("slope");
    auto& add = *function.add_node();
    add.set_op_type("Add");
    for (const char* name : {"a", "a"}) add.add_input(name);
    add.add_output("h");
    auto& relu = *function.add_node();
    relu.set_op_type("LeakyRelu");
    relu.add_input("h");
    relu.add_output("b");
    auto& alpha = *relu.add_attribute();
    alpha.set_name("alpha");
    alpha.set_ref_attr_name("slope");
    alpha.set_type(onnx::AttributeProto::FLOAT);
    return model;
}

onnx::NodeProto& call(onnx::ModelProto& model, const std::string& from, const std::string& to) {
    onnx::NodeProto& node = add_node(model, "twice", {from}, {to}, "call_" + to);
    node.set_domain("local");
    return node;
}

}  // namespace

TEST_CASE("calls of model-local functions become their nodes, under names of their own") {
    onnx::ModelProto model = model_with_function();
    auto& slope = *call(model, "x", "m").add_attribute();
    slope.set_name("slope");
    slope.set_f(0.5F);
    call(model, "m", "y");
    CHECK(print(import(model)) == R"(graph test opset=17 (x: f32[4]) -> (y: [4]) {
  "call_m/h" = Add(x, x)   ; call_m/h
  m = LeakyRelu("call_m/h") {alpha=0.5}   ; call_m/b
  "call_y/h" = Add(m, m)   ; call_y/h
  y = LeakyRelu("call_y/h")   ; call_y/b
}
)");
}

TEST_CASE("a function's operators are those of its own opset") {
    onnx::ModelProto model = model_with_function();
    onnx::FunctionProto& function = *model.mutable_functions(0);
    onnx::NodeProto& sum = *function.mutable_node(1);
    sum.clear_attribute();
    sum.set_op_type("ReduceSum");
    auto& axes = *sum.add_attribute();
    axes.set_name("axes");
    axes.set_type(onnx::AttributeProto::INTS);
    axes.add_ints(0);
    function.clear_opset_import();
    auto& opset = *function.add_opset_import();
    opset.set_domain("ai.onnx");
    opset.set_version(11);
    call(model, "x", "y");
    const Graph graph = import(model);
    const auto& reduce = graph.nodes.back();
    CHECK(reduce.op == "ReduceSum");
    REQUIRE(reduce.inputs.size() == 2);  // raised from opset 11, where axes are an attribute
    CHECK(graph.constant(reduce.inputs[1])->to_i64() == std::vector<std::int64_t>{0});
}

TEST_CASE("functions call functions, and hand inputs on") {
    onnx::ModelProto model = model_with_function();
    onnx::FunctionProto& outer = *model.add_functions();
    outer.set_domain("local");
    outer.set_name("outer");
    outer.add_input("p");
    for (const char* name : {"q", "p"}) outer.add_output(name);
    auto& inner = *outer.add_node();
    inner.set_op_type("twice");
    inner.set_domain("local");
    inner.add_input("p");
    inner.add_output("q");
    onnx::NodeProto& node = add_node(model, "outer", {"x"}, {"y", "z"}, "top");
    node.set_domain("local");
    add_value(*model.mutable_graph()->add_output(), "z", {"4"});
    CHECK(print(import(model)) == R"(graph test opset=17 (x: f32[4]) -> (y: [4], z: [4]) {
  "top/q/h" = Add(x, x)   ; top/q/h
  y = LeakyRelu("top/q/h")   ; top/q/b
  z = Identity(x)   ; z
}
)");
}

TEST_CASE("functions that cannot be are refused") {
    onnx::ModelProto model = model_with_function();
    call(model, "x", "y").add_input("x");
    CHECK(message(model) == "4: 'call_y' calls function 'twice' with 2 inputs and 1 outputs; it has 1 and 1");
    model = model_with_function();
    call(model, "x", "y");
    model.mutable_functions(0)->mutable_node(0)->set_input(1, "absent");
    CHECK(message(model) == "4: function 'twice' reads value 'absent', which nothing defines");
    model = model_with_function();
    call(model, "x", "y");
    auto& itself = *model.mutable_functions(0)->mutable_node(0);
    itself.set_op_type("twice");
    itself.set_domain("local");
    CHECK(message(model) == "4: function 'twice' calls itself");
    itself.mutable_input()->RemoveLast();
    auto& other = *model.add_functions();
    other = model.functions(0);
    other.set_name("other");
    itself.set_op_type("other");
    CHECK(message(model) == "4: function 'twice' calls itself");
}

namespace {

/// f0 is Relu twice; each further function calls the one before twice.
onnx::ModelProto model_of_doubling_functions(int functions) {
    onnx::ModelProto model = make_model(17, 8);
    model.add_opset_import()->set_domain("local");
    model.mutable_opset_import(1)->set_version(1);
    add_value(*model.mutable_graph()->add_input(), "x", {"4"});
    add_value(*model.mutable_graph()->add_output(), "y", {"4"});
    for (int i = 0; i < functions; ++i) {
        onnx::FunctionProto& function = *model.add_functions();
        function.set_domain("local");
        function.set_name("f" + std::to_string(i));
        function.add_input("a");
        function.add_output("c");
        for (const auto& [from, to] : {std::pair("a", "b"), std::pair("b", "c")}) {
            onnx::NodeProto& node = *function.add_node();
            node.set_op_type(i == 0 ? "Relu" : "f" + std::to_string(i - 1));
            if (i > 0) node.set_domain("local");
            node.add_input(from);
            node.add_output(to);
        }
    }
    add_node(model, "f" + std::to_string(functions - 1), {"x"}, {"y"}).set_domain("local");
    return model;
}

}  // namespace

TEST_CASE("functions that stand for too many nodes are refused by name") {
    CHECK(message(model_of_doubling_functions(10)) == "accepted");
    CHECK(message(model_of_doubling_functions(30)) ==
          "4: function 'f29' stands for too many nodes: all calls together may stand for 1000000 at most");
    CHECK(message(model_of_doubling_functions(65)) ==
          "4: function 'f0' is called through 64 others, which is too deep");
}

TEST_CASE("a broken graph is refused with the name of what is broken") {
    onnx::ModelProto twice = relu_model();
    add_node(twice, "Relu", {"x"}, {"y"});
    CHECK(message(twice) == "4: value 'y' is defined twice");
    onnx::ModelProto dangling = relu_model();
    dangling.mutable_graph()->mutable_node(0)->set_input(0, "q");
    CHECK(message(dangling) == "4: Relu 'relu' reads value 'q', which nothing defines");
    onnx::ModelProto cycle = relu_model();
    cycle.mutable_graph()->mutable_node(0)->set_input(0, "y");
    CHECK(message(cycle) == "4: the nodes form a cycle through value 'y'");
    onnx::ModelProto output = relu_model();
    output.mutable_graph()->mutable_output(0)->set_name("z");
    CHECK(message(output) == "4: the graph's output reads value 'z', which nothing defines");
    onnx::ModelProto domain = relu_model();
    domain.mutable_graph()->mutable_node(0)->set_domain("com.example");
    CHECK(message(domain) == "4: Relu 'relu': the model names no opset for its domain 'com.example'");
    onnx::ModelProto huge = relu_model();
    add_value(*huge.mutable_graph()->add_input(), "h", {"1000000000", "1000000000"});
    CHECK(message(huge) == "4: input 'h': dims [1000000000,1000000000] are too large");
    onnx::ModelProto shapeless = relu_model();
    shapeless.mutable_graph()->mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
    CHECK(message(shapeless) == "4: input 'x': has no shape, not even its number of dims");
    CHECK(message(onnx::ModelProto{}) == "4: not an ONNX model (the file is empty)");
    onnx::ModelProto empty = make_model();
    CHECK(message(empty) == "4: the graph has no outputs");
}

TEST_CASE("one value may be several results, of a body and of a model") {
    onnx::ModelProto model = make_model(17, 8);
    add_value(*model.mutable_graph()->add_input(), "c", {}, onnx::TensorProto::BOOL);
    add_value(*model.mutable_graph()->add_input(), "x", {"2"});
    onnx::NodeProto& node = add_node(model, "If", {"c"}, {"y", "z"});
    for (const char* name : {"then_branch", "else_branch"}) {
        onnx::AttributeProto& branch = *node.add_attribute();
        branch.set_name(name);
        onnx::NodeProto& relu = *branch.mutable_g()->add_node();
        relu.set_op_type("Relu");
        relu.add_input("x");
        relu.add_output("r");
        for (int i = 0; i < 2; ++i) branch.mutable_g()->add_output()->set_name("r");
    }
    for (const char* name : {"y", "z"}) add_value(*model.mutable_graph()->add_output(), name, {"2"});
    CHECK(message(model) == "accepted");
    model.mutable_graph()->mutable_output(1)->set_name("y");
    const Graph graph = import(model);
    CHECK(graph.outputs[0].name == "y");
    CHECK(graph.outputs[1].name == "y__1");
    CHECK(graph.outputs[1].value == graph.outputs[0].value);
}

TEST_CASE("what Igata has no types for is named") {
    onnx::ModelProto strings = relu_model();
    add_value(*strings.mutable_graph()->add_input(), "s", {"2"}, onnx::TensorProto::STRING);
    CHECK(message(strings) == "3: input 's': tensors of strings are not supported");
    onnx::ModelProto sequence = relu_model();
    auto& value = *sequence.mutable_graph()->add_input();
    value.set_name("q");
    value.mutable_type()->mutable_sequence_type();
    CHECK(message(sequence) ==
          "3: input 'q': only tensors are supported, not sequences, maps, optional values or sparse tensors");
    onnx::ModelProto tiny = relu_model();
    add_value(*tiny.mutable_graph()->add_input(), "f", {"2"}, 27);
    CHECK(message(tiny) == "3: input 'f': element type number 27 is not supported");
}

TEST_CASE("external data is read from the model's folder and from nowhere else") {
    const TemporaryFolder folder;
    std::filesystem::create_directory(folder / "models");
    const float values[] = {1, 2, 3};
    const std::string bytes(reinterpret_cast<const char*>(values), sizeof values);
    folder.write("models/w.bin", bytes);
    folder.write("secret.bin", bytes);
    std::filesystem::create_symlink(folder / "secret.bin", folder / "models/link.bin");
    const auto read = [&](const std::string& location, const std::string& offset) -> std::string {
        auto proto = tensor_proto(onnx::TensorProto::FLOAT, 2);
        proto.set_data_location(onnx::TensorProto::EXTERNAL);
        const auto add = [&](const char* key, const std::string& value) {
            auto& entry = *proto.add_external_data();
            entry.set_key(key);
            entry.set_value(value);
        };
        add("location", location);
        add("offset", offset);
        try {
            return to_string(tensor_from_proto(proto, "w", folder / "models").type()) + " ok";
        } catch (const BadInput& error) {
            return error.what();
        }
    };
    CHECK(read("w.bin", "4") == "f32[2] ok");
    CHECK(read("w.bin", "8") == "w: external data 'w.bin' has 12 bytes, too few for 8 bytes at offset 8");
    CHECK(read("w.bin", "-4") == "w: external data has offset '-4', which is not a size");
    CHECK(read("../secret.bin", "0") == "w: external data '../secret.bin' lies outside the model's folder");
    CHECK(read((folder / "secret.bin").string(), "0") ==
          "w: external data '" + (folder / "secret.bin").string() + "' lies outside the model's folder");
    CHECK(read("link.bin", "0") == "w: external data 'link.bin' lies outside the model's folder");
    CHECK(read("absent.bin", "0") == "w: external data 'absent.bin': No such file or directory");
}
