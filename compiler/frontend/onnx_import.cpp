#include "compiler/frontend/onnx_import.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <onnx/onnx_pb.h>

#include "compiler/frontend/inline_functions.hpp"
#include "compiler/frontend/protobuf_file.hpp"
#include "compiler/frontend/tensor_proto.hpp"
#include "compiler/ir/subgraphs.hpp"
#include "compiler/ops/op.hpp"

namespace igata {

namespace {

using onnx::AttributeProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using onnx::ValueInfoProto;

std::string canonical_domain(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

/// One graph of the model; subgraphs have an importer each, which knows the one around it.
class GraphImporter {
public:
    struct Model {
        std::filesystem::path file;
        std::int64_t ir_version = 0;
        std::map<std::string, int> opsets;  ///< by domain
        Remarks& remarks;
    };

    GraphImporter(const Model& model, const GraphImporter* outer) : model_(model), outer_(outer) {}

    Graph import(const GraphProto& proto) {
        graph_.name = proto.name();
        import_initializers(proto);
        for (const ValueInfoProto& input : proto.input()) import_input(input);
        for (const NodeProto& node : proto.node())
            for (const std::string& output : node.output())
                if (!output.empty()) define(output);
        for (const NodeProto& node : proto.node()) import_node(node);
        for (const ValueInfoProto& output : proto.output()) import_output(output);
        if (const std::string on_cycle = sort_nodes(graph_); !on_cycle.empty())
            fail(fmt::format("the nodes form a cycle through value '{}'", on_cycle));
        raise_nodes();
        return std::move(graph_);
    }

private:
    [[noreturn]] void fail(const std::string& message) const {
        throw BadInput(fmt::format("{}: {}", model_.file.string(), message));
    }
    [[noreturn]] void unsupported(const std::string& message) const {
        throw Unsupported(fmt::format("{}: {}", model_.file.string(), message));
    }

    Tensor tensor(const onnx::TensorProto& proto, const std::string& what) const {
        return tensor_from_proto(proto, fmt::format("{}: {}", model_.file.string(), what), model_.file.parent_path());
    }

    Tensor sparse_tensor(const onnx::SparseTensorProto& proto, const std::string& what) const {
        return tensor_from_sparse_proto(proto, fmt::format("{}: {}", model_.file.string(), what),
                                        model_.file.parent_path());
    }

    ValueId define(const std::string& name) {
        if (name.empty()) fail("a value has no name");
        if (!defined_.insert(name).second) fail(fmt::format("value '{}' is defined twice", name));
        return graph_.add_value(name);
    }

    /// A value by name, also of a graph around this one, which then stands here under its name as a value that no node
    /// makes, until the node that holds this graph captures it.
    ValueId find(const std::string& name, const std::string& reader) {
        if (const ValueId id = graph_.find_value(name); id != no_value) return id;
        for (const GraphImporter* scope = outer_; scope != nullptr; scope = scope->outer_)
            if (scope->defined_.contains(name)) return graph_.add_value(name);
        fail(fmt::format("{} reads value '{}', which nothing defines", reader, name));
    }

    void import_initializers(const GraphProto& proto) {
        for (const onnx::SparseTensorProto& initializer : proto.sparse_initializer()) {
            const std::string& name = initializer.values().name();
            set_constant(define(name), sparse_tensor(initializer, fmt::format("sparse initializer '{}'", name)));
        }
        for (const onnx::TensorProto& initializer : proto.initializer()) {
            Tensor value = tensor(initializer, fmt::format("initializer '{}'", initializer.name()));
            set_constant(define(initializer.name()), std::move(value));
        }
    }

    void set_constant(ValueId id, Tensor value) {
        graph_.value(id).type = value.type();
        graph_.value(id).constant = std::move(value);
    }

    void import_input(const ValueInfoProto& proto) {
        if (graph_.is_constant(graph_.find_value(proto.name()))) {
            if (model_.ir_version >= 4)
                model_.remarks.done("import_onnx", proto.name(), "input with a default value: made a constant");
            return;
        }
        const std::string what = fmt::format("input '{}'", proto.name());
        Graph::Input input;
        input.value = define(proto.name());
        const bool typed = proto.type().value_case() != onnx::TypeProto::VALUE_NOT_SET;
        if (typed || outer_ == nullptr) {  // what enters a subgraph is typed by the node that holds it
            const auto& type = tensor_type(proto, what);
            input.dtype = data_type_from_onnx(type.elem_type(), fmt::format("{}: {}", model_.file.string(), what));
            if (outer_ == nullptr && !type.has_shape()) fail(what + ": has no shape, not even its number of dims");
            input.dims = import_dims(type, what);
        }
        graph_.inputs.push_back(std::move(input));
    }

    const onnx::TypeProto::Tensor& tensor_type(const ValueInfoProto& proto, const std::string& what) const {
        if (proto.type().value_case() == onnx::TypeProto::VALUE_NOT_SET) fail(what + ": has no type");
        if (!proto.type().has_tensor_type())
            unsupported(what + ": only tensors are supported, not sequences, maps, optional values or sparse tensors");
        return proto.type().tensor_type();
    }

    std::vector<SymbolicDim> import_dims(const onnx::TypeProto::Tensor& type, const std::string& what) const {
        std::vector<SymbolicDim> dims;
        Dims known;
        for (const auto& dim : type.shape().dim()) {
            SymbolicDim& result = dims.emplace_back();
            if (dim.has_dim_value() && dim.dim_value() >= 0) {
                result.value = dim.dim_value();
                known.push_back(result.value);
            } else if (dim.has_dim_param()) result.symbol = dim.dim_param();
        }
        if (dims.size() > static_cast<std::size_t>(runtime::max_rank))
            unsupported(
                fmt::format("{}: has {} dims, more than the {} supported", what, dims.size(), runtime::max_rank));
        check_dims(known, fmt::format("{}: {}", model_.file.string(), what));
        return dims;
    }

    void import_output(const ValueInfoProto& proto) {
        Graph::Output output;
        output.name = proto.name();
        const std::string what = fmt::format("output '{}'", proto.name());
        output.value = find(proto.name(), "the graph's output");
        if (outer_ == nullptr) output.name = distinct(output.name);  // its caller tells outputs apart by their names
        if (proto.type().value_case() != onnx::TypeProto::VALUE_NOT_SET)
            output.dims = import_dims(tensor_type(proto, what), what);
        graph_.outputs.push_back(std::move(output));
    }

    /// The name, or where another output has it, one of its own.
    std::string distinct(const std::string& name) const {
        const auto taken = [this](const std::string& text) {
            return std::any_of(graph_.outputs.begin(), graph_.outputs.end(),
                               [&](const Graph::Output& other) { return other.name == text; });
        };
        std::string result = name;
        for (int suffix = 1; taken(result); ++suffix) result = fmt::format("{}__{}", name, suffix);
        if (result != name)
            model_.remarks.done("import_onnx", name, fmt::format("listed again as an output: is called '{}'", result));
        return result;
    }

    static std::string what(const NodeProto& proto) {
        const std::string& name = proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
        return fmt::format("{} '{}'", proto.op_type(), name);
    }

    void import_node(const NodeProto& proto) {
        Node node;
        const std::string domain = canonical_domain(proto.domain());
        const std::string unversioned = domain_of(domain);
        node.op = unversioned.empty() ? proto.op_type() : unversioned + "." + proto.op_type();
        node.name = proto.name().empty() && proto.output_size() > 0 ? proto.output(0) : proto.name();
        const auto opset = model_.opsets.find(domain);
        if (opset == model_.opsets.end())
            fail(fmt::format("{}: the model names no opset for its domain '{}'", what(proto), domain));
        node.version = opset->second;
        for (const AttributeProto& attribute : proto.attribute())
            if (!node.attrs.emplace(attribute.name(), import_attribute(attribute, what(proto))).second)
                fail(fmt::format("{}: attribute '{}' is given twice", what(proto), attribute.name()));
        if (node.op == "Constant") return import_constant(proto, node.attrs);
        for (const std::string& input : proto.input())
            node.inputs.push_back(input.empty() ? no_value : find(input, what(proto)));
        for (const std::string& output : proto.output())
            node.outputs.push_back(output.empty() ? no_value : graph_.find_value(output));
        close_subgraphs(graph_, node);
        graph_.nodes.push_back(std::move(node));
    }

    void import_constant(const NodeProto& proto, const Attrs& attrs) {
        if (proto.output_size() != 1 || proto.output(0).empty() || attrs.size() != 1)
            fail(what(proto) + ": needs one attribute and one output");
        const auto& [name, attr] = *attrs.begin();
        Tensor value;
        if (const auto* given = std::get_if<Tensor>(&attr)) value = *given;
        else if (const auto* real = std::get_if<float>(&attr)) value = Tensor::scalar(*real);
        else if (const auto* integer = std::get_if<std::int64_t>(&attr)) value = Tensor::scalar(*integer);
        else if (const auto* integers = std::get_if<std::vector<std::int64_t>>(&attr))
            value = Tensor::of_dims(*integers);
        else if (const auto* reals = std::get_if<std::vector<float>>(&attr))
            value = Tensor::of<float>({static_cast<std::int64_t>(reals->size())}, *reals);
        else unsupported(fmt::format("{}: a constant given by '{}' is not supported", what(proto), name));
        set_constant(graph_.find_value(proto.output(0)), std::move(value));
    }

    Attr import_attribute(const AttributeProto& proto, const std::string& node) const {
        switch (attribute_type(proto)) {
            case AttributeProto::FLOAT: return proto.f();
            case AttributeProto::INT: return std::int64_t{proto.i()};
            case AttributeProto::STRING: return proto.s();
            case AttributeProto::TENSOR:
                return tensor(proto.t(), fmt::format("{}: attribute '{}'", node, proto.name()));
            case AttributeProto::SPARSE_TENSOR:
                return sparse_tensor(proto.sparse_tensor(), fmt::format("{}: attribute '{}'", node, proto.name()));
            case AttributeProto::GRAPH: return std::make_shared<Graph>(GraphImporter(model_, this).import(proto.g()));
            case AttributeProto::FLOATS: return std::vector<float>(proto.floats().begin(), proto.floats().end());
            case AttributeProto::INTS: return std::vector<std::int64_t>(proto.ints().begin(), proto.ints().end());
            case AttributeProto::STRINGS:
                return std::vector<std::string>(proto.strings().begin(), proto.strings().end());
            default:
                unsupported(fmt::format("{}: attribute '{}' has a type that is not supported", node, proto.name()));
        }
    }

    /// Models of the first IR versions do not say the type.
    static AttributeProto::AttributeType attribute_type(const AttributeProto& proto) {
        if (proto.type() != AttributeProto::UNDEFINED) return proto.type();
        if (proto.has_f()) return AttributeProto::FLOAT;
        if (proto.has_i()) return AttributeProto::INT;
        if (proto.has_s()) return AttributeProto::STRING;
        if (proto.has_t()) return AttributeProto::TENSOR;
        if (proto.has_g()) return AttributeProto::GRAPH;
        if (proto.floats_size() > 0) return AttributeProto::FLOATS;
        if (proto.strings_size() > 0) return AttributeProto::STRINGS;
        if (proto.has_sparse_tensor()) return AttributeProto::SPARSE_TENSOR;
        return proto.tensors_size() > 0 ? AttributeProto::UNDEFINED : AttributeProto::INTS;
    }

    void raise_nodes() {
        for (auto node = graph_.nodes.begin(); node != graph_.nodes.end();) {
            const auto current = node++;  // raise may put nodes before or after it
            if (current->version < 6) current->attrs.erase("consumed_inputs");  // of many operators: spoke of memory
            const OpDef* op = Registry::instance().find(current->op);
            if (op == nullptr || !op->raise || current->version < op->since || current->version >= op->newest) continue;
            const std::string node_as_given = describe(*current);
            try {
                op->raise(graph_, current);
            } catch (const std::invalid_argument& error) {
                fail(fmt::format("{}: {}", node_as_given, error.what()));
            }
        }
        for (Node& node : graph_.nodes)  // what raise put in is of the newest form
            if (const OpDef* op = Registry::instance().find(node.op);
                node.version == 0 && op != nullptr && !op->is_internal)
                node.version = op->newest;
    }

    const Model& model_;
    const GraphImporter* outer_;
    Graph graph_;
    std::unordered_set<std::string> defined_;
};

std::map<std::string, int> read_opsets(const ModelProto& proto, const std::filesystem::path& file, Remarks& remarks) {
    std::map<std::string, int> opsets;
    for (const auto& opset : proto.opset_import()) {
        const std::string domain = canonical_domain(opset.domain());
        if (opset.version() < 1 || opset.version() > 1'000'000)
            throw BadInput(fmt::format("{}: opset {} of domain '{}' does not exist", file.string(), opset.version(),
                                       domain_of(domain)));
        opsets[domain] = static_cast<int>(opset.version());
        if (domain.empty() && opset.version() > newest_opset)
            remarks.refused(
                "import_onnx", "",
                fmt::format("opset {} is newer than the newest known, {}: its operators are read as of that one",
                            opset.version(), newest_opset));
    }
    if (opsets.empty() && proto.ir_version() < 3) opsets[""] = 1;
    return opsets;
}

}  // namespace

Graph import_onnx(const std::filesystem::path& file, Remarks& remarks) {
    ModelProto proto;
    parse_protobuf(file, "an ONNX model", proto);
    if (!proto.has_graph()) throw BadInput(fmt::format("{}: not an ONNX model (it has no graph)", file.string()));
    inline_functions(proto, file.string());
    const GraphImporter::Model model{file, proto.ir_version(), read_opsets(proto, file, remarks), remarks};
    Graph graph = GraphImporter(model, nullptr).import(proto.graph());
    if (graph.outputs.empty()) throw BadInput(fmt::format("{}: the graph has no outputs", file.string()));
    return graph;
}

}  // namespace igata
