// Calls of model-local functions are replaced by the functions' nodes, under names of their own.
//
//     function twice(a) -> (b) { h = Add(a, a)  b = Relu(h) }      y = local.twice(x)
//     y/h = Add(x, x)  y = Relu(y/h)
//
// Attributes that the body takes from the call (ref_attr_name) get their value, or the function's default, or vanish.
// Where a function has another opset of a domain than the model, its nodes' domain says so (`ai.onnx@11`).
#include "compiler/frontend/inline_functions.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <google/protobuf/unknown_field_set.h>
#include <onnx/onnx_pb.h>

#include "compiler/diagnostics.hpp"

namespace igata {

namespace {

using onnx::AttributeProto;
using onnx::FunctionProto;
using onnx::GraphProto;
using onnx::ModelProto;
using onnx::NodeProto;
using Names = std::map<std::string, std::string>;
using Attributes = std::map<std::string, AttributeProto>;
using Nodes = google::protobuf::RepeatedPtrField<NodeProto>;

/// Strings of a field that protobuf classes older than the field keep among the unknown ones.
template <class Proto>
std::vector<std::string> unknown_field(const Proto& proto, int number) {
    std::vector<std::string> values;
    const auto& fields = proto.unknown_fields();
    for (int i = 0; i < fields.field_count(); ++i)
        if (fields.field(i).number() == number &&
            fields.field(i).type() == google::protobuf::UnknownField::TYPE_LENGTH_DELIMITED)
            values.push_back(fields.field(i).length_delimited());
    return values;
}

template <class Proto>
std::string overload_of(const Proto& proto, int number) {
    if constexpr (requires { proto.overload(); }) return proto.overload();
    const auto values = unknown_field(proto, number);
    return values.empty() ? "" : values.back();
}

/// Defaults of a function's attributes.
template <class Function>
Attributes defaults_of(const Function& function) {
    Attributes defaults;
    if constexpr (requires { function.attribute_proto(); }) {
        for (const AttributeProto& attribute : function.attribute_proto()) defaults[attribute.name()] = attribute;
    } else {
        for (const std::string& bytes : unknown_field(function, 11)) {
            AttributeProto attribute;
            if (attribute.ParseFromString(bytes)) defaults[attribute.name()] = attribute;
        }
    }
    return defaults;
}

class Inliner {
public:
    Inliner(ModelProto& model, std::string file) : model_(model), file_(std::move(file)) {
        for (const FunctionProto& function : model.functions())
            functions_[{canonical(function.domain()), function.name(), overload_of(function, 13)}] = &function;
    }

    void run() {
        if (functions_.empty()) return;
        take_names(model_.graph());
        inline_graph(*model_.mutable_graph());
        import_opsets();
    }

private:
    static constexpr std::size_t most_nested = 64;
    static constexpr std::size_t most_nodes = 1'000'000;

    static std::string canonical(const std::string& domain) { return domain == "ai.onnx" ? "" : domain; }

    [[noreturn]] void fail(const std::string& message) const { throw BadInput(fmt::format("{}: {}", file_, message)); }

    void take_names(const GraphProto& graph) {
        for (const auto& input : graph.input()) taken_.insert(input.name());
        for (const auto& initializer : graph.initializer()) taken_.insert(initializer.name());
        for (const NodeProto& node : graph.node()) {
            taken_.insert(node.output().begin(), node.output().end());
            for (const AttributeProto& attribute : node.attribute())
                if (attribute.has_g()) take_names(attribute.g());
        }
    }

    std::string fresh(const std::string& wanted) {
        std::string name = wanted;
        for (int suffix = 1; !taken_.insert(name).second; ++suffix) name = fmt::format("{}__{}", wanted, suffix);
        return name;
    }

    void inline_graph(GraphProto& graph) {
        Nodes nodes;
        nodes.Swap(graph.mutable_node());
        for (NodeProto& node : nodes) emit(node, *graph.mutable_node());
    }

    /// Appends the node, or what it stands for.
    void emit(NodeProto& node, Nodes& out) {
        if (outermost_ != nullptr && ++nodes_ > most_nodes)
            fail(fmt::format("function '{}' stands for too many nodes: all calls together may stand for {} at most",
                             outermost_->name(), most_nodes));
        const auto function = functions_.find({canonical(node.domain()), node.op_type(), overload_of(node, 8)});
        if (function != functions_.end()) return call(*function->second, node, out);
        for (AttributeProto& attribute : *node.mutable_attribute())
            if (attribute.has_g()) inline_graph(*attribute.mutable_g());
        *out.Add() = std::move(node);
    }

    void call(const FunctionProto& function, const NodeProto& node, Nodes& out) {
        const std::string prefix = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
        if (callers_.size() == most_nested)
            fail(fmt::format("function '{}' is called through {} others, which is too deep", function.name(),
                             most_nested));
        if (!callers_.insert(&function).second) fail(fmt::format("function '{}' calls itself", function.name()));
        if (callers_.size() == 1) outermost_ = &function;
        if (node.input_size() > function.input_size() || node.output_size() > function.output_size())
            fail(fmt::format("'{}' calls function '{}' with {} inputs and {} outputs; it has {} and {}", prefix,
                             function.name(), node.input_size(), node.output_size(), function.input_size(),
                             function.output_size()));
        Names names;
        for (int i = 0; i < function.input_size(); ++i)
            names[function.input(i)] = i < node.input_size() ? node.input(i) : "";
        Names copies;  // outputs that are inputs, or named twice
        for (int i = 0; i < function.output_size(); ++i) {
            const std::string target = i < node.output_size() ? node.output(i) : "";
            if (target.empty()) continue;
            if (!names.emplace(function.output(i), target).second) copies[target] = function.output(i);
        }
        Attributes attributes = defaults_of(function);
        for (const AttributeProto& attribute : node.attribute()) attributes[attribute.name()] = attribute;
        for (const NodeProto& inner : function.node())
            for (const std::string& output : inner.output())
                if (!output.empty() && !names.contains(output)) names[output] = fresh(prefix + "/" + output);
        const std::map<std::string, std::int64_t> opsets = own_opsets(function);
        for (NodeProto inner : function.node()) {
            set_opset(inner, opsets);
            fill_in(inner, names, attributes, prefix, function.name());
            emit(inner, out);
        }
        for (const auto& [target, source] : copies) {
            NodeProto& identity = *out.Add();
            identity.set_op_type("Identity");
            identity.set_name(target);
            identity.add_input(names[source]);
            identity.add_output(target);
        }
        callers_.erase(&function);
        if (callers_.empty()) outermost_ = nullptr;
    }

    /// By domain, those of a function's opsets that are not the model's, which gets them under a domain of their own.
    std::map<std::string, std::int64_t> own_opsets(const FunctionProto& function) {
        std::map<std::string, std::int64_t> opsets;
        for (const auto& own : function.opset_import()) {
            const std::string domain = canonical(own.domain());
            const auto differs = [&](const auto& other) {
                return canonical(other.domain()) == domain && other.version() != own.version();
            };
            const auto& known = model_.opset_import();
            if (std::any_of(known.begin(), known.end(), differs)) opsets[domain] = own.version();
        }
        for (const auto& [domain, version] : opsets) {
            const std::string versioned = versioned_domain(domain, version);
            const auto& known = model_.opset_import();
            if (std::any_of(known.begin(), known.end(), [&](const auto& o) { return o.domain() == versioned; }))
                continue;
            auto& added = *model_.add_opset_import();
            added.set_domain(versioned);
            added.set_version(version);
        }
        return opsets;
    }

    void set_opset(NodeProto& node, const std::map<std::string, std::int64_t>& opsets) const {
        const std::string domain = canonical(node.domain());
        const auto own = opsets.find(domain);
        const bool calls = functions_.contains({domain, node.op_type(), overload_of(node, 8)});
        if (own != opsets.end() && !calls) node.set_domain(versioned_domain(domain, own->second));
        for (AttributeProto& attribute : *node.mutable_attribute())
            if (attribute.has_g())
                for (NodeProto& inner : *attribute.mutable_g()->mutable_node()) set_opset(inner, opsets);
    }

    /// The function's names and attributes become those of the call.
    void fill_in(NodeProto& node, const Names& names, const Attributes& attributes, const std::string& prefix,
                 const std::string& function) {
        const std::string own = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
        node.set_name(prefix + "/" + own);
        for (std::string& input : *node.mutable_input()) input = renamed(input, names, function);
        for (std::string& output : *node.mutable_output()) output = renamed(output, names, function);
        google::protobuf::RepeatedPtrField<AttributeProto> given;
        given.Swap(node.mutable_attribute());
        for (AttributeProto& attribute : given) {
            if (!attribute.ref_attr_name().empty()) {
                const auto found = attributes.find(attribute.ref_attr_name());
                if (found == attributes.end()) continue;
                const std::string name = attribute.name();
                attribute = found->second;
                attribute.set_name(name);
            } else if (attribute.has_g()) {
                fill_in(*attribute.mutable_g(), names, attributes, prefix, function);
            }
            *node.add_attribute() = std::move(attribute);
        }
    }

    void fill_in(GraphProto& graph, Names names, const Attributes& attributes, const std::string& prefix,
                 const std::string& function) {
        const auto define = [&](const std::string& name) {
            if (!name.empty()) names[name] = fresh(prefix + "/" + name);
        };
        for (auto& input : *graph.mutable_input()) define(input.name());
        for (auto& initializer : *graph.mutable_initializer()) define(initializer.name());
        for (const NodeProto& node : graph.node())
            for (const std::string& output : node.output()) define(output);
        for (auto& input : *graph.mutable_input()) input.set_name(names[input.name()]);
        for (auto& initializer : *graph.mutable_initializer()) initializer.set_name(names[initializer.name()]);
        for (NodeProto& node : *graph.mutable_node()) fill_in(node, names, attributes, prefix, function);
        for (auto& output : *graph.mutable_output()) output.set_name(renamed(output.name(), names, function));
    }

    std::string renamed(const std::string& name, const Names& names, const std::string& function) const {
        if (name.empty()) return name;
        const auto found = names.find(name);
        if (found == names.end())
            fail(fmt::format("function '{}' reads value '{}', which nothing defines", function, name));
        return found->second;
    }

    /// Domains that only functions name.
    void import_opsets() {
        std::set<std::string> known;
        for (const auto& opset : model_.opset_import()) known.insert(canonical(opset.domain()));
        for (const FunctionProto& function : model_.functions())
            for (const auto& opset : function.opset_import())
                if (known.insert(canonical(opset.domain())).second) *model_.add_opset_import() = opset;
    }

    ModelProto& model_;
    std::string file_;
    std::map<std::tuple<std::string, std::string, std::string>, const FunctionProto*> functions_;
    std::unordered_set<std::string> taken_;
    std::set<const FunctionProto*> callers_;
    const FunctionProto* outermost_ = nullptr;  ///< of the callers
    std::size_t nodes_ = 0;                     ///< that calls stand for, calls in between counted
};

}  // namespace

std::string versioned_domain(const std::string& domain, std::int64_t version) {
    return fmt::format("{}@{}", domain.empty() ? "ai.onnx" : domain, version);
}

std::string domain_of(const std::string& versioned) {
    const std::string domain = versioned.substr(0, versioned.find('@'));
    return domain == "ai.onnx" ? "" : domain;
}

void inline_functions(ModelProto& model, const std::string& file) { Inliner(model, file).run(); }

}  // namespace igata
