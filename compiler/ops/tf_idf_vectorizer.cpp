// TfIdfVectorizer: how often each n-gram of a pool occurs in a row of tokens, with tokens left out between its own.
//     y = TfIdfVectorizer(x)    a kernel, which walks down a tree of the pool's n-grams (count_ngrams.hpp)
// Tokens are integers; strings are not supported.
#include <map>
#include <utility>

#include <fmt/format.h>

#include "compiler/ir/view.hpp"
#include "compiler/ops/arguments.hpp"
#include "compiler/ops/lowering.hpp"

namespace igata {

namespace {

/// What the attributes say.
struct Vocabulary {
    std::map<Dims, std::int64_t> coordinates;  ///< of the n-grams of the lengths wanted
    std::int64_t width = 0;                    ///< coordinates in all
    std::int64_t least = 1, greatest = 1;      ///< lengths
    std::int64_t distance = 1;                 ///< greatest one between neighbours
    bool once = false;                         ///< count presence only
    std::vector<float> weights;                ///< one a coordinate
};

void require(bool holds, const std::string& otherwise) {
    if (!holds) throw std::invalid_argument(otherwise);
}

void read_pool(Vocabulary& v, const Attrs& attrs) {
    const Dims pool = attrs.get_ints("pool_int64s");
    const Dims starts = attrs.get_ints("ngram_counts");
    const Dims coordinates = attrs.get_ints("ngram_indexes");
    std::size_t next = 0;  // n-gram
    for (std::size_t i = 0; i < starts.size(); ++i) {
        const std::int64_t end = i + 1 < starts.size() ? starts[i + 1] : as_dim(pool.size());
        const std::int64_t length = as_dim(i) + 1;
        require(starts[i] >= 0 && end >= starts[i] && end <= as_dim(pool.size()) && (end - starts[i]) % length == 0,
                fmt::format("ngram_counts do not divide the pool into n-grams of {}", length));
        for (auto at = pool.begin() + starts[i]; at != pool.begin() + end; at += length) {
            require(next < coordinates.size(), "there are more n-grams than ngram_indexes");
            const std::int64_t coordinate = coordinates[next++];
            if (length >= v.least && length <= v.greatest) v.coordinates[Dims(at, at + length)] = coordinate;
        }
    }
    for (const std::int64_t coordinate : coordinates) {
        require(coordinate >= 0 && coordinate < std::int64_t{1} << 40, "ngram_indexes must not be negative");
        v.width = std::max(v.width, coordinate + 1);
    }
}

template <class Context>
Vocabulary vocabulary_of(const Context& c) {
    const Attrs& attrs = c.node().attrs;
    if (attrs.has("pool_strings")) throw Unsupported(fmt::format("{}: strings are not supported", describe(c.node())));
    Vocabulary v;
    v.least = attrs.get_int("min_gram_length", 1);
    v.greatest = attrs.get_int("max_gram_length", 1);
    require(v.least >= 1 && v.greatest >= v.least, fmt::format("no n-grams of {} to {} tokens", v.least, v.greatest));
    const std::int64_t skipped = attrs.get_int("max_skip_count", 0);
    require(skipped >= 0, fmt::format("max_skip_count is {}", skipped));
    v.distance = std::min(skipped, std::int64_t{1} << 40) + 1;
    const std::string mode = attrs.get_string("mode", "");
    require(mode == "TF" || mode == "IDF" || mode == "TFIDF", fmt::format("mode '{}' is not known", mode));
    v.once = mode == "IDF";
    read_pool(v, attrs);
    require(v.width < std::int64_t{1} << 30, "ngram_indexes are too large");
    v.weights = mode == "TF" ? std::vector<float>{} : attrs.get_floats("weights");
    require(v.weights.empty() || as_dim(v.weights.size()) >= v.width, "there are fewer weights than n-grams");
    v.weights.resize(as_index(v.width), 1.0F);
    return v;
}

void infer_tf_idf(InferContext& c) {
    const Dims& dims = c.dims(0);
    if (c.dtype(0) != DataType::i32 && c.dtype(0) != DataType::i64)
        c.fail(fmt::format("needs i32 or i64, not {}", name_of(c.dtype(0))));
    if (dims.size() > 2) c.fail(fmt::format("needs rows of tokens, not {}", to_string(c.input(0))));
    const std::int64_t width = vocabulary_of(c).width;
    c.set_output(0, {DataType::f32, dims.size() == 2 ? Dims{dims[0], width} : Dims{width}});
}

/// A row's n-grams, one by one.
void count(const Vocabulary& v, const Dims& row, float* counts) {
    const std::int64_t columns = as_dim(row.size());
    for (std::int64_t length = v.least; length <= std::min(v.greatest, columns); ++length)
        for (std::int64_t distance = 1; distance <= (length == 1 ? 1 : v.distance); ++distance) {
            if ((length - 1) * distance >= columns) break;
            for (std::int64_t start = 0; start + (length - 1) * distance < columns; ++start) {
                Dims gram;
                for (std::int64_t i = 0; i < length; ++i) gram.push_back(row[as_index(start + i * distance)]);
                const auto found = v.coordinates.find(gram);
                if (found != v.coordinates.end()) counts[found->second] += 1;
            }
        }
}

void eval_tf_idf(EvalContext& c) {
    const Vocabulary v = vocabulary_of(c);
    const Dims tokens = c.input(0).to_i64();
    const bool batch = c.input(0).dims().size() == 2;
    const std::int64_t rows = batch ? c.input(0).dims()[0] : 1;
    const std::int64_t columns = rows == 0 ? 0 : as_dim(tokens.size()) / rows;
    float* counts = c.make_output(0).mutable_values<float>().data();
    for (std::int64_t row = 0; row < rows; ++row, counts += v.width) {
        count(v, Dims(tokens.begin() + row * columns, tokens.begin() + (row + 1) * columns), counts);
        for (std::size_t i = 0; i < v.weights.size(); ++i)
            counts[i] = v.weights[i] * (v.once ? std::min(counts[i], 1.0F) : counts[i]);
    }
}

/// The n-grams as a tree: rows of {token, first child, number of children, coordinate or -1}, breadth first.
Tensor tree_of(const Vocabulary& v) {
    struct Branch {
        std::map<std::int64_t, Branch> children;
        std::int64_t coordinate = -1;
    };
    Branch root;
    for (const auto& [gram, coordinate] : v.coordinates) {
        Branch* at = &root;
        for (const std::int64_t token : gram) at = &at->children[token];
        at->coordinate = coordinate;
    }
    std::vector<std::pair<std::int64_t, const Branch*>> queue{{0, &root}};
    std::vector<std::int64_t> rows;
    for (std::size_t i = 0; i < queue.size(); ++i) {
        const auto [token, branch] = queue[i];
        rows.insert(rows.end(), {token, as_dim(queue.size()), as_dim(branch->children.size()), branch->coordinate});
        for (const auto& [next, child] : branch->children) queue.emplace_back(next, &child);
    }
    return Tensor::of<std::int64_t>({as_dim(queue.size()), 4}, rows);
}

View as_matrix(View view) {
    while (view.dims.size() < 2) view = with_axis(std::move(view), 0);
    return view;
}

void lower_tf_idf(LowerContext& c) {
    const Vocabulary v = vocabulary_of(c);
    const View out = c.output_in_order(0, row_major_order(c.graph().value(c.node().outputs[0]).type.dims.size()));
    if (element_count(out.dims) == 0) return;
    add_kernel(c, "count_ngrams", {v.least, v.greatest, v.distance, v.once ? 1 : 0},
               {as_matrix(c.input(0)), c.constant(tree_of(v)), c.constant(Tensor::of<float>({v.width}, v.weights)),
                as_matrix(out)});
}

}  // namespace

void register_tf_idf_vectorizer(Registry& registry) {
    OpDef op;
    op.name = "TfIdfVectorizer";
    op.since = op.newest = 9;
    for (const char* name : {"max_gram_length", "max_skip_count", "min_gram_length"})
        op.attrs.push_back({name, AttrKind::integer, true});
    op.attrs.push_back({"mode", AttrKind::string, true});
    op.attrs.push_back({"ngram_counts", AttrKind::integers, true});
    op.attrs.push_back({"ngram_indexes", AttrKind::integers, true});
    op.attrs.push_back({"pool_int64s", AttrKind::integers});
    op.attrs.push_back({"pool_strings", AttrKind::strings});
    op.attrs.push_back({"weights", AttrKind::reals});
    op.note = "tokens are integers, no strings";
    op.infer = infer_tf_idf;
    op.eval = eval_tf_idf;
    op.lower = lower_tf_idf;
    registry.add(std::move(op));
}

}  // namespace igata
