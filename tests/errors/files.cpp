#include <doctest/doctest.h>

#include "tests/errors/command_line.hpp"

using namespace igata::tests;

TEST_CASE("a file that is no model is named, with exit code 4") {
    const TemporaryFolder folder;
    const std::string model = relu_model().SerializeAsString();
    folder.write("empty.onnx", "");
    folder.write("picture.onnx", "\x89PNG\r\n\x1a\n and so on");
    folder.write("truncated.onnx", model.substr(0, model.size() - 5));
    std::filesystem::create_directory(folder / "folder.onnx");
    CHECK(run_igata(folder, "check absent.onnx") == fails(4, "absent.onnx: no such file"));
    CHECK(run_igata(folder, "check folder.onnx") == fails(4, "folder.onnx: is a directory, not a file"));
    CHECK(run_igata(folder, "check empty.onnx") == fails(4, "empty.onnx: not an ONNX model (the file is empty)"));
    for (const std::string name : {"picture", "truncated"})
        CHECK(run_igata(folder, "check " + name + ".onnx") ==
              fails(4, name + ".onnx: not an ONNX model (truncated, damaged, or of another format)"));
}

TEST_CASE("unknown operators are listed all at once, with exit code 3") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    auto& domain = *model.add_opset_import();
    domain.set_domain("com.example");
    domain.set_version(2);
    add_node(model, "Frobnicate", {"x"}, {"a"}, "block1/frob");
    add_node(model, "Frobnicate", {"a"}, {"b"});
    add_node(model, "Gelu", {"b"}, {"c"}, "act").set_domain("com.example");
    add_node(model, "Map", {"c"}, {"d"}, "ours");
    folder.write("m.onnx", model.SerializeAsString());
    const Outcome expected = fails(3,
                                   "m.onnx: not supported:\n"
                                   "  Frobnicate (opset 17): 'block1/frob', 'b'\n"
                                   "  Map (opset 17): 'ours'\n"
                                   "  com.example.Gelu (opset 2): 'act'\n"
                                   "`igata ops` lists the operators that are.");
    CHECK(run_igata(folder, "check m.onnx") == expected);
    CHECK(run_igata(folder, "compile m.onnx -o out") == expected);
    CHECK(!std::filesystem::exists(folder / "out"));
}

TEST_CASE("a supported model is said to be, with exit code 0") {
    const TemporaryFolder folder;
    folder.write("m.onnx", relu_model().SerializeAsString());
    CHECK(run_igata(folder, "check m.onnx") == Outcome{0, "m.onnx: all 1 nodes are supported\n", ""});
    CHECK(run_igata(folder, "check m.onnx --int8") ==
          Outcome{0,
                  "m.onnx: all 1 nodes are supported\n"
                  "0 layers of integers; 0 could saturate in 8-bit instructions without VNNI (Igata's do not)\n",
                  ""});
}

TEST_CASE("check refuses what compile would, and says when it cannot know") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    model.mutable_graph()->mutable_node(0)->set_op_type("Shape");
    add_node(model, "Expand", {"x", "s"}, {"z"}, "wide");
    auto& shape = *model.mutable_graph()->add_input();
    add_value(shape, "s", {"2"}, onnx::TensorProto::INT64);
    add_value(*model.mutable_graph()->add_output(), "z", {});
    folder.write("m.onnx", model.SerializeAsString());
    const Outcome refused = fails(3, "m.onnx: Expand 'wide' (opset 17): shape must be known at compile time");
    CHECK(run_igata(folder, "check m.onnx") == refused);
    CHECK(run_igata(folder, "compile m.onnx -o out") == refused);
    shape.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_param("R");
    folder.write("m.onnx", model.SerializeAsString());
    CHECK(run_igata(folder, "check m.onnx") ==
          Outcome{
              0,
              "m.onnx: all 2 nodes are supported by their operators; --bind the dims that are open (R) to check "
              "their shapes\n",
              ""});
}

TEST_CASE("external data outside the model's folder is refused") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    onnx::TensorProto& weights = add_floats(model, "w", {2}, {});
    weights.set_data_location(onnx::TensorProto::EXTERNAL);
    auto& location = *weights.add_external_data();
    location.set_key("location");
    location.set_value("../../etc/passwd");
    folder.write("m.onnx", model.SerializeAsString());
    CHECK(run_igata(folder, "check m.onnx") ==
          fails(4, "m.onnx: initializer 'w': external data '../../etc/passwd' lies outside the model's folder"));
}

TEST_CASE("a wrong node is named with its operator and opset") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    add_floats(model, "w", {3}, {1, 2, 3});
    model.mutable_graph()->mutable_node(0)->set_op_type("Add");
    model.mutable_graph()->mutable_node(0)->add_input("w");
    folder.write("m.onnx", model.SerializeAsString());
    CHECK(run_igata(folder, "compile m.onnx -o out") ==
          fails(4, "m.onnx: Add 'relu' (opset 17): shapes [1,4] and [3] do not broadcast"));
}

TEST_CASE("an attribute of the wrong type is named, in a node of an older opset as well") {
    const TemporaryFolder folder;
    for (const int opset : {11, 17}) {
        onnx::ModelProto model = make_model(opset);
        add_value(*model.mutable_graph()->add_input(), "x", {"1", "4"});
        add_value(*model.mutable_graph()->add_output(), "y", {});
        onnx::AttributeProto& axes = *add_node(model, "ReduceMax", {"x"}, {"y"}, "widest").add_attribute();
        axes.set_name("axes");
        axes.set_type(onnx::AttributeProto::FLOAT);
        axes.set_f(1.0F);
        folder.write("m.onnx", model.SerializeAsString());
        CHECK(run_igata(folder, "check m.onnx") ==
              fails(4, "m.onnx: ReduceMax 'widest' (opset " + std::to_string(opset) +
                           "): attribute 'axes' has the wrong type"));
    }
}

TEST_CASE("an attribute that the operator does not have is the model's mistake, and named") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    onnx::AttributeProto& axis = *model.mutable_graph()->mutable_node(0)->add_attribute();
    axis.set_name("axis");
    axis.set_type(onnx::AttributeProto::INT);
    folder.write("m.onnx", model.SerializeAsString());
    CHECK(run_igata(folder, "compile m.onnx -o out") ==
          fails(4, "m.onnx: Relu 'relu' (opset 17): has no attribute 'axis'"));
}

TEST_CASE("a fill of several elements is the model's mistake, and named") {
    const TemporaryFolder folder;
    onnx::ModelProto model = relu_model();
    onnx::TensorProto& pads = add_floats(model, "pads", {4}, {});
    pads.set_data_type(onnx::TensorProto::INT64);
    for (const std::int64_t pad : {0, 1, 0, 1}) pads.add_int64_data(pad);
    add_floats(model, "fill", {2}, {0, 0});
    add_node(model, "Pad", {"y", "pads", "fill"}, {"padded"}, "rim");
    folder.write("m.onnx", model.SerializeAsString());
    CHECK(run_igata(folder, "compile m.onnx -o out") ==
          fails(4, "m.onnx: Pad 'rim' (opset 17): constant_value is f32[2], should be one element"));
}

TEST_CASE("an output folder that cannot be made or written leaves nothing behind") {
    const TemporaryFolder folder;
    folder.write("m.onnx", relu_model().SerializeAsString());
    folder.write("taken", "a file");
    CHECK(run_igata(folder, "compile m.onnx -o taken") == fails(4, "taken: cannot be made (Not a directory)"));
    std::filesystem::create_directories(folder / "out/m.h");  // the third file cannot take its place
    folder.write("out/m.h/x", "");
    CHECK(run_igata(folder, "compile m.onnx -o out") == fails(4, "out/m.h: cannot be written (Is a directory)"));
    for (const auto& entry : std::filesystem::directory_iterator(folder / "out"))
        CHECK(entry.path().filename() == "m.h");
    CHECK(run_igata(folder, "report m.onnx -o taken/r.html") == fails(4, "taken: cannot be made (Not a directory)"));
}

TEST_CASE("compile writes whole files under the model's name, and the same bytes again") {
    const TemporaryFolder folder;
    folder.write("my-model.onnx", relu_model().SerializeAsString());
    CHECK(run_igata(folder, "compile my-model.onnx -o a --bind N=2") == Outcome{0, "", ""});
    CHECK(run_igata(folder, "compile my-model.onnx -o b --bind N=2") == Outcome{0, "", ""});
    for (const char* name : {"my_model.cpp", "my_model.h", "my_model.hpp", "my_model.json"}) {
        const std::string a = read(folder / "a" / name);
        CHECK(!a.empty());
        CHECK(a == read(folder / "b" / name));
    }
}
