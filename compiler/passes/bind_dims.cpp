// Every symbolic dim of the inputs gets a number.
//
//     graph (image: f32[N,224,224,3], mask: i64[N,H]) -> ...        --bind H=16
//     graph (image: f32[1,224,224,3], mask: i64[1,16]) -> ...       and a remark that N is 1
//
// A dim is bound by its symbol or by INPUT:AXIS; a symbol holds wherever it stands, unless INPUT:AXIS says otherwise
// there. Empty symbols and `?` are no symbols: each such dim is one of its own.
#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "compiler/passes/fill_dim.hpp"
#include "compiler/passes/passes.hpp"

namespace igata {

namespace {

bool is_shared(const SymbolicDim& dim) { return !dim.known() && !dim.symbol.empty() && dim.symbol != "?"; }

class DimBinder {
public:
    DimBinder(Graph& graph, Remarks& remarks) : graph_(graph), remarks_(remarks) {}

    void bind(const Bindings& bindings) {
        for (const auto& [key, number] : bindings) read(key, number);
        for (const auto& [key, number] : axes_) adopt(key, number);
        for (std::size_t i = 0; i < graph_.inputs.size(); ++i)
            if (!graph_.inputs[i].dims.empty()) set(i, 0);
        for (std::size_t i = 0; i < graph_.inputs.size(); ++i)
            for (std::size_t axis = 1; axis < graph_.inputs[i].dims.size(); ++axis) set(i, axis);
        if (!unbound_.empty()) fail_unbound();
        for (Graph::Input& input : graph_.inputs) {
            ValueType type{input.dtype, {}};
            for (const SymbolicDim& dim : input.dims) type.dims.push_back(dim.value);
            graph_.value(input.value).type = std::move(type);
        }
        for (Graph::Output& output : graph_.outputs)
            for (SymbolicDim& dim : output.dims)
                if (const auto found = symbols_.find(dim.symbol); is_shared(dim) && found != symbols_.end())
                    fill_dim(dim, found->second);
    }

private:
    using Place = std::pair<std::size_t, std::size_t>;  // input, axis

    std::string place_name(std::size_t input, std::size_t axis) const {
        return fmt::format("{}:{}", graph_.value(graph_.inputs[input].value).name, axis);
    }

    bool has_symbol(const std::string& symbol) const {
        return std::any_of(graph_.inputs.begin(), graph_.inputs.end(), [&](const Graph::Input& input) {
            return std::any_of(input.dims.begin(), input.dims.end(),
                               [&](const SymbolicDim& dim) { return is_shared(dim) && dim.symbol == symbol; });
        });
    }

    std::optional<Place> find_place(const std::string& key) const {
        for (std::size_t i = 0; i < graph_.inputs.size(); ++i)
            for (std::size_t axis = 0; axis < graph_.inputs[i].dims.size(); ++axis)
                if (place_name(i, axis) == key) return Place{i, axis};
        return std::nullopt;
    }

    void read(const std::string& key, std::int64_t number) {
        if (number < 1) throw Error(ExitCode::usage, fmt::format("--bind {}={}: a dim is at least 1", key, number));
        if (has_symbol(key)) {
            symbols_[key] = number;
            return;
        }
        const auto place = find_place(key);
        if (!place)
            throw Error(ExitCode::usage,
                        fmt::format("--bind {}={} names no dim of the model; {}", key, number, choices()));
        const SymbolicDim& dim = graph_.inputs[place->first].dims[place->second];
        if (dim.known() && dim.value != number)
            throw Error(ExitCode::usage,
                        fmt::format("--bind {}={}: the model fixes this dim at {}", key, number, dim.value));
        axes_[*place] = number;
    }

    /// A symbol bound at one place holds at the others too, if all places that are bound agree.
    void adopt(const Place& place, std::int64_t number) {
        const SymbolicDim& dim = graph_.inputs[place.first].dims[place.second];
        if (!is_shared(dim)) return;
        for (const auto& [other, other_number] : axes_)
            if (graph_.inputs[other.first].dims[other.second] == dim && other_number != number) return;
        symbols_.emplace(dim.symbol, number);
    }

    void set(std::size_t input, std::size_t axis) {
        SymbolicDim& dim = graph_.inputs[input].dims[axis];
        if (dim.known()) return;
        if (const auto found = axes_.find({input, axis}); found != axes_.end()) {
            fill_dim(dim, found->second);
        } else if (const auto symbol = symbols_.find(dim.symbol); is_shared(dim) && symbol != symbols_.end()) {
            fill_dim(dim, symbol->second);
        } else if (axis == 0) {
            remarks_.done(
                "bind_dims", place_name(input, axis),
                fmt::format("unbound batch dim {}is taken as 1", is_shared(dim) ? "'" + dim.symbol + "' " : ""));
            if (is_shared(dim)) symbols_.emplace(dim.symbol, 1);
            fill_dim(dim, 1);
        } else {
            unbound_.push_back({input, axis});
        }
    }

    std::string choices() const {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < graph_.inputs.size(); ++i)
            for (std::size_t axis = 0; axis < graph_.inputs[i].dims.size(); ++axis) {
                const SymbolicDim& dim = graph_.inputs[i].dims[axis];
                if (dim.known()) continue;
                all.push_back(is_shared(dim) ? fmt::format("{} ({})", dim.symbol, place_name(i, axis))
                                             : place_name(i, axis));
            }
        return all.empty() ? "it has no dim to bind" : fmt::format("it has {}", fmt::join(all, ", "));
    }

    [[noreturn]] void fail_unbound() const {
        std::vector<std::string> dims;
        std::vector<std::string> arguments;
        std::set<std::string> symbols;
        for (const auto& [input, axis] : unbound_) {
            const SymbolicDim& dim = graph_.inputs[input].dims[axis];
            const int example = axis >= 2 && graph_.inputs[input].dims.size() >= 4 ? 224 : 1;
            dims.push_back(is_shared(dim) ? fmt::format("{} ({})", dim.symbol, place_name(input, axis))
                                          : place_name(input, axis));
            if (is_shared(dim) && !symbols.insert(dim.symbol).second) continue;
            arguments.push_back(fmt::format("{}={}", is_shared(dim) ? dim.symbol : place_name(input, axis), example));
        }
        throw Error(ExitCode::usage,
                    fmt::format("the model leaves open {}; choose {}, for example: --bind {}", fmt::join(dims, ", "),
                                dims.size() == 1 ? "it" : "them", fmt::join(arguments, " ")));
    }

    Graph& graph_;
    Remarks& remarks_;
    std::map<std::string, std::int64_t> symbols_;
    std::map<Place, std::int64_t> axes_;
    std::vector<Place> unbound_;
};

}  // namespace

void bind_dims(Graph& graph, const Bindings& bindings, Remarks& remarks) { DimBinder(graph, remarks).bind(bindings); }

}  // namespace igata
