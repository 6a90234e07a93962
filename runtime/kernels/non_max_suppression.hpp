// Operands: boxes (f32 [batches, n, 4]), scores (f32 [batches, classes, n]), most (i64, one element: boxes of a class
// at most; or none: no boxes), overlap (f32, one element: the intersection over union above which a box goes; or none:
// 0), least (f32, one element: the score that a box must exceed; or none), dst (i64, row-major [batches * classes *
// limit, 3]: batch, class, box), size (i64 scalar). ints: {0 = boxes are two corners (y, x, y, x), 1 = center and size
// (x, y, width, height)}. By batch, class and falling score, equals by their index, NaN last; beyond the size, zeros.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "runtime/kernel.hpp"

namespace igata::runtime {

struct CornerBox {
    float x_min, y_min, x_max, y_max, area;

    CornerBox(const float* box, std::int64_t stride, bool is_centered) {
        const float values[4] = {box[0], box[stride], box[2 * stride], box[3 * stride]};
        if (is_centered) {
            x_min = values[0] - values[2] / 2;
            x_max = values[0] + values[2] / 2;
            y_min = values[1] - values[3] / 2;
            y_max = values[1] + values[3] / 2;
        } else {
            x_min = std::min(values[1], values[3]);
            x_max = std::max(values[1], values[3]);
            y_min = std::min(values[0], values[2]);
            y_max = std::max(values[0], values[2]);
        }
        area = (x_max - x_min) * (y_max - y_min);
    }

    /// Their intersection over union exceeds `overlap`; never that of a box without area.
    bool overlaps(const CornerBox& other, float overlap) const {
        const float width = std::min(x_max, other.x_max) - std::max(x_min, other.x_min);
        const float height = std::min(y_max, other.y_max) - std::max(y_min, other.y_min);
        if (!(width > 0) || !(height > 0)) return false;
        const float intersection = width * height;
        const float united = area + other.area - intersection;
        return intersection > 0 && area > 0 && other.area > 0 && united > 0 && intersection / united > overlap;
    }
};

struct ScoredBox {
    float score;
    std::int64_t box;

    /// In the order of a heap: the best box is its front.
    bool operator<(const ScoredBox& other) const {
        if (score < other.score || (score != score && other.score == other.score)) return true;
        if (other.score < score || (other.score != other.score && score == score)) return false;
        return box > other.box;
    }
};

class NonMaxSuppression {
public:
    NonMaxSuppression(const KernelSpec& spec, std::byte* const* operands)
        : spec_(spec), operands_(operands), n_(spec.operands[0].dims[1]), classes_(spec.operands[1].dims[1]) {
        if (operands[2] != nullptr) most_ = std::min(limit(spec), *reinterpret_cast<const std::int64_t*>(operands[2]));
        if (operands[3] != nullptr) overlap_ = *reinterpret_cast<const float*>(operands[3]);
    }

    /// Rows of dst for each class of each batch.
    static std::int64_t limit(const KernelSpec& spec) {
        return spec.operands[5].dims[0] / std::max<std::int64_t>(class_count(spec), 1);
    }
    static std::int64_t class_count(const KernelSpec& spec) {
        return spec.operands[1].dims[0] * spec.operands[1].dims[1];
    }

    /// Stores the boxes of a class of a batch (numbered through) that remain; returns how many. `candidates` has room
    /// for all boxes, `kept` for as many as remain.
    std::int64_t select(std::int64_t number, std::int64_t* rows, ScoredBox* candidates, CornerBox* kept) const {
        if (most_ <= 0) return 0;
        const std::int64_t batch = number / classes_;
        const std::int64_t count = gather_candidates(batch, number % classes_, candidates);
        const MemorySpec& boxes = spec_.operands[0];
        const float* from = reinterpret_cast<const float*>(operands_[0]) + batch * boxes.strides[0];
        std::make_heap(candidates, candidates + count);
        std::int64_t found = 0;
        for (std::int64_t left = count; left > 0 && found < most_; --left) {
            const std::int64_t index = candidates[0].box;
            std::pop_heap(candidates, candidates + left);
            const CornerBox box(from + index * boxes.strides[1], boxes.strides[2], spec_.ints[0] != 0);
            if (std::any_of(kept, kept + found, [&](const CornerBox& k) { return k.overlaps(box, overlap_); }))
                continue;
            kept[found] = box;
            rows[3 * found] = batch;
            rows[3 * found + 1] = number % classes_;
            rows[3 * found + 2] = index;
            ++found;
        }
        return found;
    }

private:
    std::int64_t gather_candidates(std::int64_t batch, std::int64_t class_index, ScoredBox* candidates) const {
        const MemorySpec& scores = spec_.operands[1];
        const float* line =
            reinterpret_cast<const float*>(operands_[1]) + batch * scores.strides[0] + class_index * scores.strides[1];
        const auto* least = reinterpret_cast<const float*>(operands_[4]);
        std::int64_t count = 0;
        for (std::int64_t i = 0; i < n_; ++i) {
            const float score = line[i * scores.strides[2]];
            if (least == nullptr || score > *least) candidates[count++] = {score, i};
        }
        return count;
    }

    const KernelSpec& spec_;
    std::byte* const* operands_;
    std::int64_t n_, classes_;
    std::int64_t most_ = 0;
    float overlap_ = 0;
};

/// What a thread needs, and before all of it a number of boxes found for each class of each batch.
struct SuppressionScratch {
    std::size_t counts, candidates, kept;

    explicit SuppressionScratch(const KernelSpec& spec)
        : counts(static_cast<std::size_t>(NonMaxSuppression::class_count(spec)) * sizeof(std::int64_t)),
          candidates(static_cast<std::size_t>(spec.operands[0].dims[1]) * sizeof(ScoredBox)),
          kept((static_cast<std::size_t>(NonMaxSuppression::limit(spec)) * sizeof(CornerBox) + 7) / 8 * 8) {}
};

inline void run_non_max_suppression(const KernelSpec& spec, std::byte* const* operands, std::byte* scratch) {
    const NonMaxSuppression suppression(spec, operands);
    const SuppressionScratch sizes(spec);
    const std::int64_t stride = 3 * NonMaxSuppression::limit(spec);
    auto* rows = reinterpret_cast<std::int64_t*>(operands[5]);
    auto* counts = reinterpret_cast<std::int64_t*>(scratch);
    const std::int64_t classes = NonMaxSuppression::class_count(spec);
    // Each class fills rows of its own, which then move together.
    const std::int64_t grain = 2048 / std::max<std::int64_t>(spec.operands[0].dims[1], 1) + 1;
    parallel_parts(classes, grain, [&](std::int64_t part, std::int64_t begin, std::int64_t end) {
        std::byte* own = scratch + sizes.counts + static_cast<std::size_t>(part) * (sizes.candidates + sizes.kept);
        for (std::int64_t i = begin; i < end; ++i)
            counts[i] = suppression.select(i, rows + i * stride, reinterpret_cast<ScoredBox*>(own),
                                           reinterpret_cast<CornerBox*>(own + sizes.candidates));
    });
    std::int64_t* end = rows;
    for (std::int64_t i = 0; i < classes; end += 3 * counts[i++])
        std::memmove(end, rows + i * stride, static_cast<std::size_t>(3 * counts[i]) * sizeof(std::int64_t));
    *reinterpret_cast<std::int64_t*>(operands[6]) = (end - rows) / 3;
    std::fill(end, rows + classes * stride, 0);
}

inline std::unique_ptr<Operation> make_non_max_suppression(const Builder&, const KernelSpec& spec) {
    const SuppressionScratch sizes(spec);
    const auto threads = static_cast<std::size_t>(max_threads());
    return std::make_unique<KernelOperation>(spec, run_non_max_suppression,
                                             sizes.counts + threads * (sizes.candidates + sizes.kept));
}

}  // namespace igata::runtime
