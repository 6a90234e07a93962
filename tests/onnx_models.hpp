// Small ONNX files made on the spot, and a folder to put them in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <stdlib.h>

#include <onnx/onnx_pb.h>

namespace igata::tests {

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string pattern = (std::filesystem::temp_directory_path() / "igata_test_XXXXXX").string();
        path_ = mkdtemp(pattern.data());
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;

    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    std::filesystem::path write(const std::string& name, const std::string& bytes) const {
        std::ofstream(path_ / name, std::ios::binary) << bytes;
        return path_ / name;
    }
    const std::filesystem::path& path() const { return path_; }

private:
    std::filesystem::path path_;
};

/// A dim is a number or a symbol; "" leaves it open.
inline void add_value(onnx::ValueInfoProto& value, const std::string& name, const std::vector<std::string>& dims,
                      int dtype = onnx::TensorProto::FLOAT) {
    value.set_name(name);
    auto& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(dtype);
    type.mutable_shape();
    for (const std::string& dim : dims) {
        auto& target = *type.mutable_shape()->add_dim();
        if (dim.empty()) continue;
        if (dim.find_first_not_of("-0123456789") == std::string::npos) target.set_dim_value(std::stoll(dim));
        else target.set_dim_param(dim);
    }
}

inline onnx::ModelProto make_model(int opset = 17, int ir_version = 8) {
    onnx::ModelProto model;
    model.set_ir_version(ir_version);
    model.add_opset_import()->set_version(opset);
    model.mutable_graph()->set_name("test");
    return model;
}

inline onnx::NodeProto& add_node(onnx::ModelProto& model, const std::string& op, const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs, const std::string& name = "") {
    onnx::NodeProto& node = *model.mutable_graph()->add_node();
    node.set_op_type(op);
    node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    for (const std::string& output : outputs) node.add_output(output);
    return node;
}

inline onnx::TensorProto& add_floats(onnx::ModelProto& model, const std::string& name,
                                     const std::vector<std::int64_t>& dims, const std::vector<float>& values) {
    onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(onnx::TensorProto::FLOAT);
    for (const std::int64_t dim : dims) tensor.add_dims(dim);
    for (const float value : values) tensor.add_float_data(value);
    return tensor;
}

/// y = Relu(x), x: f32[N,4]
inline onnx::ModelProto relu_model() {
    onnx::ModelProto model = make_model();
    add_value(*model.mutable_graph()->add_input(), "x", {"N", "4"});
    add_value(*model.mutable_graph()->add_output(), "y", {"N", "4"});
    add_node(model, "Relu", {"x"}, {"y"}, "relu");
    return model;
}

}  // namespace igata::tests
