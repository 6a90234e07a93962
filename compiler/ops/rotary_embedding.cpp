// RotaryEmbedding: pairs of elements of every head turned by an angle that grows with the position; a composition.
//     y = RotaryEmbedding(x, cos, sin)
//     a, b = halves of x  y = Concat(cos * a - sin * b, sin * a + cos * b)
// With `interleaved` the pairs are neighbours. Elements beyond rotary_embedding_dim stay.
#include <utility>

#include <fmt/format.h>

#include "compiler/ops/composition.hpp"

namespace igata {

namespace {

enum Input : std::uint8_t { x, cosines, sines, positions_of_tokens };

/// One number for each token and pair, laid out to broadcast over the heads.
ValueId per_token(ExpandContext& c, std::size_t i, std::int64_t batch, std::int64_t length, std::int64_t pairs,
                  bool packed) {
    ValueId cache = c.value(i);
    Dims dims = c.dims(i);
    if (c.has_input(positions_of_tokens)) {
        if (dims.size() != 2 || c.dims(positions_of_tokens) != Dims{batch, length})
            c.fail("the caches must have two dims, and position_ids one number a token");
        cache = c.add("Gather", {cache, c.value(positions_of_tokens)});
        dims = {batch, length, dims[1]};
    }
    if (dims != Dims{batch, length, pairs})
        c.fail(fmt::format("cache {} should hold {} numbers a token", to_string(c.input(i)), pairs));
    return reshape(c, cache, packed ? Dims{batch, length, 1, pairs} : Dims{batch, 1, length, pairs});
}

void expand_rotary_embedding(ExpandContext& c) {
    const Dims dims = c.dims(x);
    const bool packed = dims.size() == 3;
    if (!packed && dims.size() != 4) c.fail("takes three dims or four");
    const std::int64_t heads = packed ? c.attrs().get_int("num_heads", 0) : dims[1];
    if (packed && (heads < 1 || dims[2] % heads != 0))
        c.fail(fmt::format("num_heads {} does not divide {}", heads, to_string(c.input(x))));
    const std::int64_t length = packed ? dims[1] : dims[2];
    const std::int64_t size = packed ? dims[2] / heads : dims[3];
    const std::int64_t given = c.attrs().get_int("rotary_embedding_dim", 0);
    const std::int64_t turned = given == 0 ? size : given;
    if (turned < 0 || turned > size || turned % 2 != 0)
        c.fail(fmt::format("cannot turn {} of {} elements of a head", turned, size));
    const std::int64_t pairs = turned / 2;
    const ValueId cosine = per_token(c, cosines, dims[0], length, pairs, packed);
    const ValueId sine = per_token(c, sines, dims[0], length, pairs, packed);
    Dims unpacked = packed ? Dims{dims[0], length, heads, size} : dims;
    const ValueId all = packed ? reshape(c, c.value(x), unpacked) : c.value(x);
    const bool interleaved = c.attrs().get_int("interleaved", 0) != 0;
    const ValueId a = interleaved ? slice(c, all, 3, 0, turned, 2) : slice(c, all, 3, 0, pairs);
    const ValueId b = interleaved ? slice(c, all, 3, 1, turned, 2) : slice(c, all, 3, pairs, turned);
    ValueId first = c.map("x2 * x0 - x3 * x1", {a, b, cosine, sine});
    ValueId second = c.map("x3 * x0 + x2 * x1", {a, b, cosine, sine});
    ValueId y = no_value;
    unpacked.back() = turned;
    if (interleaved) {
        Dims single = unpacked;
        single.back() = pairs;
        single.push_back(1);
        first = reshape(c, first, single);
        second = reshape(c, second, single);
        y = reshape(c, concat(c, {first, second}, -1), unpacked);
    } else {
        y = concat(c, {first, second}, -1);
    }
    if (turned < size) y = concat(c, {y, slice(c, all, 3, turned, size)}, -1);
    c.finish(0, packed ? reshape(c, y, dims) : y);
}

}  // namespace

void register_rotary_embedding(Registry& registry) {
    OpDef op;
    op.name = "RotaryEmbedding";
    op.since = 23;
    op.newest = 23;
    op.min_inputs = 3;
    op.max_inputs = 4;
    for (const char* name : {"interleaved", "num_heads", "rotary_embedding_dim"})
        op.attrs.push_back({name, AttrKind::integer});
    op.expand = expand_rotary_embedding;
    registry.add(std::move(op));
}

}  // namespace igata
