// The text form of Graph.
//
//     graph name opset=13 (x: f32[N,3,224,224], y: i64[2]) -> (out, other = v3: [N,8]) {
//       w = constant f32[2,2] {1,2,3,4}
//       a: f32[1,8], b = Op:11(x, w, _, y) {attr=1, axes=[0,1], mode="edge", value=f32[2] {1,2}}   ; node name
//       c = Conv(x, k, b | r) {strides=[2,2]} => max(x0 + x1, 0)
//     }
//
// `_` is an absent input or output. What follows `|` are the operands of the epilogue. An opset after `graph` is that
// of all nodes that name none; version 0 is an operator's newest form. Values that a nested graph does not make are
// captured by name; its inputs need no types.
#include "compiler/ir/text.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <stdexcept>
#include <tuple>
#include <unordered_set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/ir/scanner.hpp"
#include "compiler/ir/subgraphs.hpp"

namespace igata {

namespace {

// Printing ------------------------------------------------------------------------------------------------------------

std::string print_dims(const std::vector<SymbolicDim>& dims) {
    std::vector<std::string> texts;
    for (const SymbolicDim& dim : dims)
        texts.push_back(dim.known() ? std::to_string(dim.value) : dim.symbol.empty() ? "?" : print_name(dim.symbol));
    return fmt::format("[{}]", fmt::join(texts, ","));
}

class GraphPrinter {
public:
    GraphPrinter(const Graph& graph, std::string indent) : graph_(graph), indent_(std::move(indent)) {}

    std::string print() {
        find_opset();
        for (const Node& node : graph_.nodes)
            for (const ValueId id : node.outputs) printed_.insert(id);
        for (const Graph::Input& input : graph_.inputs) printed_.insert(input.value);
        std::string out = header();
        if (has_subgraphs())
            for (std::size_t id = 0; id < graph_.value_count(); ++id) out += constant_line(static_cast<ValueId>(id));
        for (const Node& node : graph_.nodes) {
            for (const ValueId id : node.inputs) out += constant_line(id);
            out += node_line(node);
        }
        for (const Graph::Output& output : graph_.outputs) out += constant_line(output.value);
        return out + indent_ + "}";
    }

private:
    void find_opset() {
        std::map<int, int> counts;
        for (const Node& node : graph_.nodes)
            if (!node.is_map()) ++counts[node.version];
        int most = 0;
        for (const auto& [version, count] : counts)
            if (count >= most) std::tie(opset_, most) = std::tie(version, count);
    }

    bool has_subgraphs() const {
        return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [](const Node& node) {
            return std::any_of(node.attrs.begin(), node.attrs.end(), [](const auto& attr) {
                return std::holds_alternative<std::shared_ptr<Graph>>(attr.second);
            });
        });
    }

    std::string header() const {
        std::vector<std::string> inputs;
        for (const Graph::Input& input : graph_.inputs)
            inputs.push_back(
                input.dtype == DataType::undefined
                    ? name(input.value)
                    : fmt::format("{}: {}{}", name(input.value), name_of(input.dtype), print_dims(input.dims)));
        std::vector<std::string> outputs;
        for (const Graph::Output& output : graph_.outputs) {
            const std::string value = name(output.value);
            std::string text = print_name(output.name);
            if (text != value) text += " = " + value;
            if (!output.dims.empty()) text += ": " + print_dims(output.dims);
            outputs.push_back(std::move(text));
        }
        return fmt::format("graph {}{}({}) -> ({}) {{\n", graph_.name.empty() ? "" : print_name(graph_.name) + " ",
                           opset_ == 0 ? "" : fmt::format("opset={} ", opset_), fmt::join(inputs, ", "),
                           fmt::join(outputs, ", "));
    }

    std::string name(ValueId id) const { return id == no_value ? "_" : print_name(graph_.value(id).name); }

    std::string constant_line(ValueId id) {
        if (!graph_.is_constant(id) || !printed_.insert(id).second) return {};
        return fmt::format("{}  {} = constant {}\n", indent_, name(id), print_tensor(*graph_.constant(id)));
    }

    std::string node_line(const Node& node) const {
        std::vector<std::string> outputs;
        for (const ValueId id : node.outputs) {
            const bool typed = id != no_value && graph_.value(id).type.known();
            outputs.push_back(typed ? fmt::format("{}: {}", name(id), to_string(graph_.value(id).type)) : name(id));
        }
        std::string inputs;
        for (std::size_t i = 0; i < node.inputs.size(); ++i) {
            if (node.has_epilogue() && i == static_cast<std::size_t>(node.operand_begin))
                inputs += i > 0 ? " | " : "| ";
            else if (i > 0) inputs += ", ";
            inputs += name(node.inputs[i]);
        }
        const bool own_version = node.version != opset_ && !node.is_map();
        std::string line = fmt::format("{}  {} = {}{}({})", indent_, fmt::join(outputs, ", "), print_name(node.op),
                                       own_version ? fmt::format(":{}", node.version) : "", inputs);
        std::vector<std::string> attrs;
        for (const auto& [key, attr] : node.attrs)
            attrs.push_back(fmt::format("{}={}", print_name(key), attribute(attr)));
        if (!attrs.empty()) line += fmt::format(" {{{}}}", fmt::join(attrs, ", "));
        if (node.epilogue) line += " => " + expr::print(node.epilogue);
        if (!node.name.empty()) line += "   ; " + comment(node.name);
        return line + "\n";
    }

    static std::string comment(const std::string& text) {
        const bool plain =
            text.front() != ' ' && text.front() != '"' && text.back() != ' ' &&
            std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 32; });
        return plain ? text : print_quoted(text);
    }

    template <class T, class Print>
    static std::string list(const std::vector<T>& values, const char* empty, Print print) {
        if (values.empty()) return empty;
        std::vector<std::string> texts;
        std::transform(values.begin(), values.end(), std::back_inserter(texts), print);
        return fmt::format("[{}]", fmt::join(texts, ","));
    }

    std::string attribute(const Attr& attr) const {
        struct Visitor {
            const std::string& indent;
            std::string operator()(std::int64_t value) const { return std::to_string(value); }
            std::string operator()(float value) const { return print_real(value); }
            std::string operator()(const std::string& value) const { return print_quoted(value); }
            std::string operator()(const Tensor& value) const { return print_tensor(value); }
            std::string operator()(const std::vector<std::int64_t>& values) const {
                return list(values, "[]", [](std::int64_t value) { return std::to_string(value); });
            }
            std::string operator()(const std::vector<float>& values) const {
                return list(values, "reals[]", [](float value) { return print_real(value); });
            }
            std::string operator()(const std::vector<std::string>& values) const {
                return list(values, "strings[]", [](const std::string& value) { return print_quoted(value); });
            }
            std::string operator()(const std::shared_ptr<Graph>& graph) const {
                return GraphPrinter(*graph, indent + "    ").print();
            }
        };
        return std::visit(Visitor{indent_}, attr);
    }

    const Graph& graph_;
    std::string indent_;
    int opset_ = 0;
    std::unordered_set<ValueId> printed_{no_value};  // made by a node, an input, or a constant already printed
};

// Parsing -------------------------------------------------------------------------------------------------------------

class GraphParser {
public:
    GraphParser(Scanner& scanner, bool nested) : in_(scanner), nested_(nested) {}

    Graph parse() {
        in_.expect("graph");
        if (!in_.peek("(") && !in_.peek("opset")) graph_.name = in_.name("the graph's name");
        if (in_.accept("opset")) {
            in_.expect("=");
            opset_ = static_cast<int>(in_.integer("the opset"));
        }
        list("(", ")", [&] { parse_input(); });
        in_.expect("->");
        list("(", ")", [&] { parse_output(); });
        in_.expect("{");
        while (!in_.accept("}")) parse_statement();
        for (const auto& [id, position] : first_use_)
            if (!nested_ && !defined_.contains(id))
                in_.fail_at(position, fmt::format("value '{}' is never made", graph_.value(id).name));
        return std::move(graph_);
    }

private:
    template <class F>
    void list(std::string_view open, std::string_view close, F item) {
        in_.expect(open);
        for (bool first = true; !in_.accept(close); first = false) {
            if (!first) in_.expect(",");
            item();
        }
    }

    std::vector<SymbolicDim> parse_dims() {
        std::vector<SymbolicDim> dims;
        list("[", "]", [&] {
            if (in_.accept("?")) dims.push_back({});
            else if (in_.peek_quoted()) dims.push_back({-1, in_.quoted()});
            else if (const auto symbol = accept_word()) dims.push_back({-1, *symbol});
            else dims.push_back({in_.integer("a dim"), ""});
        });
        return dims;
    }

    std::optional<std::string> accept_word() {
        const std::size_t start = in_.position();
        try {
            return in_.word("a word");
        } catch (const std::invalid_argument&) {
            in_.rewind(start);
            return std::nullopt;
        }
    }

    void parse_input() {
        Graph::Input input;
        input.value = define(in_.position(), in_.name("an input's name"));
        if (nested_ && !in_.peek(":")) return graph_.inputs.push_back(std::move(input));
        in_.expect(":");
        input.dtype = in_.dtype();
        if (in_.peek("[")) input.dims = parse_dims();
        ValueType type{input.dtype, {}};
        for (const SymbolicDim& dim : input.dims) type.dims.push_back(dim.value);
        if (std::all_of(input.dims.begin(), input.dims.end(), [](const SymbolicDim& dim) { return dim.known(); }))
            graph_.value(input.value).type = type;
        graph_.inputs.push_back(std::move(input));
    }

    void parse_output() {
        Graph::Output output;
        const std::size_t position = in_.position();
        output.name = in_.name("an output's name");
        output.value = use(position, in_.accept("=") ? in_.name("a value's name") : output.name);
        if (in_.accept(":")) output.dims = parse_dims();
        graph_.outputs.push_back(std::move(output));
    }

    ValueId use(std::size_t position, const std::string& name) {
        ValueId id = graph_.find_value(name);
        if (id == no_value) id = graph_.add_value(name);
        first_use_.try_emplace(id, position);
        return id;
    }

    ValueId define(std::size_t position, const std::string& name) {
        const ValueId id = use(position, name);
        if (!defined_.insert(id).second) in_.fail_at(position, fmt::format("value '{}' is made twice", name));
        return id;
    }

    /// Null for `_`.
    std::optional<std::string> value_name() {
        const bool is_quoted = in_.peek_quoted();
        std::string name = in_.name("a value's name");
        if (!is_quoted && name == "_") return std::nullopt;
        return name;
    }

    void parse_statement() {
        Node node;
        do {
            const std::size_t position = in_.position();
            const auto name = value_name();
            const ValueId id = name ? define(position, *name) : no_value;
            node.outputs.push_back(id);
            if (id != no_value && in_.accept(":")) graph_.value(id).type = in_.type();
        } while (in_.accept(","));
        in_.expect("=");
        if (in_.accept("constant")) {
            if (node.outputs.size() != 1 || node.outputs[0] == no_value) in_.fail("a constant needs one name");
            Value& value = graph_.value(node.outputs[0]);
            value.constant = in_.tensor();
            value.type = value.constant->type();
            return;
        }
        node.op = in_.name("an operator");
        node.version = opset_;
        if (in_.accept(":")) node.version = static_cast<int>(in_.integer("an opset version"));
        if (node.is_map()) node.version = 0;
        parse_inputs(node);
        if (in_.peek("{")) parse_attributes(node);
        if (in_.accept("=>")) parse_epilogue(node);
        else if (node.is_map()) in_.fail("a Map needs '=>' and an expression");
        node.name = in_.trailing_comment();
        if (node.name.starts_with('"')) node.name = Scanner(node.name).quoted();
        const std::size_t own_inputs = node.inputs.size();
        close_subgraphs(graph_, node);
        for (std::size_t i = own_inputs; i < node.inputs.size(); ++i)
            first_use_.try_emplace(node.inputs[i], in_.position());
        graph_.nodes.push_back(std::move(node));
    }

    void parse_inputs(Node& node) {
        in_.expect("(");
        bool in_operands = false;
        for (bool first = true; !in_.accept(")"); first = false) {
            if (!in_operands && in_.accept("|")) {
                in_operands = true;
                node.operand_begin = static_cast<int>(node.inputs.size());
            } else if (!first) {
                in_.expect(",");
            }
            const std::size_t position = in_.position();
            const auto name = value_name();
            node.inputs.push_back(name ? use(position, *name) : no_value);
        }
        if (!in_operands && !node.is_map()) node.operand_begin = static_cast<int>(node.inputs.size());
    }

    void parse_epilogue(Node& node) {
        const std::size_t position = in_.position();
        try {
            node.epilogue = expr::parse(in_.rest_of_line("}"));
        } catch (const std::invalid_argument& error) {
            in_.fail_at(position, error.what());
        }
        const std::size_t operands =
            node.is_map() ? node.inputs.size() : node.inputs.size() - static_cast<std::size_t>(node.operand_begin) + 1;
        if (static_cast<std::size_t>(expr::operand_count(node.epilogue)) > operands)
            in_.fail_at(position, fmt::format("the expression reads more than its {} operands", operands));
    }

    void parse_attributes(Node& node) {
        list("{", "}", [&] {
            std::string key = in_.name("an attribute's name");
            in_.expect("=");
            node.attrs.insert_or_assign(std::move(key), parse_attribute());
        });
    }

    Attr parse_attribute() {
        if (in_.peek_quoted()) return in_.quoted();
        if (in_.peek("graph")) return std::make_shared<Graph>(GraphParser(in_, true).parse());
        if (in_.accept("reals[")) return in_.expect("]"), std::vector<float>{};
        if (in_.accept("strings[")) return in_.expect("]"), std::vector<std::string>{};
        if (in_.peek("[")) return parse_list();
        const std::size_t start = in_.position();
        const auto word = accept_word();
        in_.rewind(start);
        if (word && data_type_from_name(*word) != DataType::undefined) return in_.tensor();
        return parse_number();
    }

    Attr parse_number() {
        const std::size_t start = in_.position();
        const std::string_view token = in_.number("an attribute");
        const bool is_real = token.find_first_of(".enE") != std::string_view::npos;
        in_.rewind(start);
        if (is_real) return static_cast<float>(in_.real("an attribute"));
        return in_.integer("an attribute");
    }

    Attr parse_list() {
        std::vector<std::string> strings;
        std::vector<float> reals;
        std::vector<std::int64_t> integers;
        bool any_real = false;
        list("[", "]", [&] {
            if (in_.peek_quoted()) return strings.push_back(in_.quoted());
            const Attr number = parse_number();
            const auto* integer = std::get_if<std::int64_t>(&number);
            any_real = any_real || integer == nullptr;
            reals.push_back(integer ? static_cast<float>(*integer) : std::get<float>(number));
            integers.push_back(integer ? *integer : 0);
        });
        if (!strings.empty()) {
            if (!reals.empty()) in_.fail("a list mixes strings and numbers");
            return strings;
        }
        if (any_real) return reals;
        return integers;
    }

    Scanner& in_;
    bool nested_;
    int opset_ = 0;
    Graph graph_;
    std::set<ValueId> defined_;
    std::map<ValueId, std::size_t> first_use_;
};

}  // namespace

std::string print(const Graph& graph) { return GraphPrinter(graph, "").print() + "\n"; }

Graph parse_graph(std::string_view text) {
    Scanner scanner(text);
    Graph graph = GraphParser(scanner, false).parse();
    if (!scanner.at_end()) scanner.fail("expected nothing after the graph");
    return graph;
}

}  // namespace igata
