// A step made ready to run, and what oneDNN needs for it.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "runtime/onednn.hpp"
#include "runtime/specs.hpp"

namespace igata::runtime {

inline constexpr std::size_t alignment = 64;

inline std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

/// Memory, 64-byte aligned; copies share it.
class AlignedMemory {
public:
    AlignedMemory() = default;
    explicit AlignedMemory(std::size_t bytes)
        : data_(static_cast<std::byte*>(::operator new (bytes > 0 ? bytes : 1, std::align_val_t{alignment})),
                [](std::byte* data) { ::operator delete (data, std::align_val_t{alignment}); }),
          size_(bytes) {}
    std::byte* get() const { return data_.get(); }
    std::size_t size() const { return size_; }

private:
    std::shared_ptr<std::byte> data_;
    std::size_t size_ = 0;
};

/// Constants as operations have packed them. What several pack alike, in one program or in several of a model, is kept
/// once.
class PackedConstants {
public:
    /// Gives the memory up for an equal one, if there is one.
    void share(AlignedMemory& memory) {
        const auto [begin, end] = by_size_.equal_range(memory.size());
        for (auto known = begin; known != end; ++known) {
            if (std::memcmp(known->second.get(), memory.get(), memory.size()) != 0) continue;
            memory = known->second;
            return;
        }
        by_size_.emplace(memory.size(), memory);
    }

private:
    std::multimap<std::size_t, AlignedMemory> by_size_;
};

class Call;

/// What one run of one step gets to work with.
struct Frame {
    /// Addresses, in the order of StepSpec::operands; null where absent. The next step's follow, max_operands later.
    std::byte* const* operands = nullptr;
    std::byte* scratch = nullptr;  ///< Operation::scratch_bytes, 64-byte aligned
    Call* calls = nullptr;         ///< made by Operation::calls, the context's own
    dnnl_stream_t stream = nullptr;
};

/// One argument of a primitive, and where its memory is found at run time.
struct Argument {
    enum class Place : std::uint8_t { operand, scratch, fixed };
    int argument = 0;  ///< DNNL_ARG_*
    onednn::Desc desc;
    Place place = Place::operand;
    std::size_t position = 0;  ///< operand number or scratch offset
    void* address = nullptr;   ///< fixed only
};

/// A primitive with its argument list. One per context, because oneDNN's memory objects hold addresses.
class Call {
public:
    Call(const dnnl::engine& engine, dnnl::primitive primitive, const std::vector<Argument>& arguments)
        : primitive_(std::move(primitive)) {
        for (const Argument& argument : arguments) {
            void* start = argument.place == Argument::Place::fixed ? argument.address : nullptr;
            slots_.push_back({dnnl::memory(argument.desc, engine, start), argument.place, argument.position, start});
            list_.push_back({argument.argument, slots_.back().memory.get()});
        }
    }

    /// Throws std::runtime_error if oneDNN fails.
    void run(const Frame& frame) {
        for (Slot& slot : slots_) {
            void* address = slot.address;
            if (slot.place == Argument::Place::operand) address = frame.operands[slot.position];
            if (slot.place == Argument::Place::scratch) address = frame.scratch + slot.position;
            if (address == slot.address) continue;
            slot.memory.set_data_handle(address);
            slot.address = address;
        }
        const auto status =
            dnnl_primitive_execute(primitive_.get(), frame.stream, static_cast<int>(list_.size()), list_.data());
        if (status != dnnl_success) throw std::runtime_error("oneDNN could not execute a primitive");
    }

private:
    struct Slot {
        dnnl::memory memory;
        Argument::Place place;
        std::size_t position;
        void* address;
    };
    dnnl::primitive primitive_;
    std::vector<Slot> slots_;
    std::vector<dnnl_exec_arg_t> list_;
};

/// Constant memory that an operation reads.
struct Constants {
    const std::byte* data = nullptr;
    std::size_t bytes = 0;
};

/// A step made ready. Immutable once its program is made, shared by all contexts.
class Operation {
public:
    Operation() = default;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    virtual ~Operation() = default;

    virtual std::size_t scratch_bytes() const { return 0; }
    /// What each context keeps for `run`.
    virtual std::vector<Call> calls() const { return {}; }
    virtual void run(const Frame& frame) const = 0;
    /// What `run` reads first, and would wait for if it were in no cache.
    virtual std::vector<Constants> first_reads() const { return {}; }
    /// Asks to fetch what later operations read first, while this one computes. False if it cannot.
    virtual bool fetch_ahead(const std::vector<Constants>&) { return false; }
    /// What runs, for people: oneDNN's name of its implementation, or `igata:` and the kernel's; `with the step before`
    /// if that one does the work of both.
    virtual std::string implementation() const = 0;
};

/// Whether weights have 16 bits and what they are multiplied with has 32.
inline bool is_narrow(const MemorySpec& weights, const MemorySpec& src) {
    return src.dtype == DataType::f32 && (weights.dtype == DataType::f16 || weights.dtype == DataType::bf16);
}

/// What building an operation needs to know besides its spec.
struct Builder {
    dnnl::engine engine;
    const StepSpec* step = nullptr;
    const std::byte* weights = nullptr;
    PackedConstants* packed = nullptr;        ///< while the program is made
    const std::byte* wide_weights = nullptr;  ///< operand 1 as f32, where the pool has it in 16 bits

    /// To be called with constants that are packed for good: equal ones become one.
    void share(AlignedMemory& memory) const {
        if (packed != nullptr) packed->share(memory);
    }
    bool is_absent(int operand) const { return step->operands[operand].space == Space::none; }
    bool is_constant(int operand) const { return step->operands[operand].space == Space::weights; }
    /// The bytes of an operand in the constant pool, or null if it is no constant.
    const std::byte* constant(int operand) const {
        if (is_widened(operand)) return wide_weights;
        return is_constant(operand) ? weights + step->operands[operand].offset : nullptr;
    }
    /// Whether `constant` is there while the step is made, and no longer.
    bool is_widened(int operand) const { return operand == 1 && wide_weights != nullptr; }
    /// Whether all is f32, or weights that can be widened, and weights and bias constant: what kernels of our own take.
    /// Of a ConvolutionSpec or DeconvolutionSpec.
    template <class Spec>
    bool is_packable(const Spec& spec) const {
        return is_constant(1) && (spec.bias.rank == 0 || is_constant(2)) && spec.src.dtype == DataType::f32 &&
               spec.dst.dtype == DataType::f32 &&
               (spec.weights.dtype == DataType::f32 || is_narrow(spec.weights, spec.src));
    }
};

/// A primitive over operands. Where it wants another layout than an operand has, a reorder comes before or after;
/// constants are reordered at construction and kept.
class PrimitiveOperation final : public Operation {
public:
    enum class Use : std::uint8_t { read, write, update };

    PrimitiveOperation(const Builder& builder, dnnl::primitive primitive, const onednn::Desc& scratchpad)
        : engine_(builder.engine), builder_(builder), primitive_(std::move(primitive)) {
        if (scratchpad.get_size() > 0) add_scratch(arguments_, DNNL_ARG_SCRATCHPAD, scratchpad);
    }

    void add(int argument, int operand, const onednn::Desc& given, const onednn::Desc& wanted, Use use = Use::read) {
        if (given == wanted && !builder_.is_widened(operand)) {
            arguments_.push_back(
                {argument, wanted, Argument::Place::operand, static_cast<std::size_t>(operand), nullptr});
        } else if (const std::byte* constant = builder_.constant(operand)) {
            arguments_.push_back({argument, wanted, Argument::Place::fixed, 0, pack(constant, given, wanted)});
        } else {
            add_scratch(arguments_, argument, wanted);
            const Argument inside = arguments_.back();
            const Argument outside{0, given, Argument::Place::operand, static_cast<std::size_t>(operand), nullptr};
            if (use != Use::write) add_reorder(before_, outside, inside);
            if (use != Use::read) add_reorder(after_, inside, outside);
        }
    }

    std::size_t scratch_bytes() const override { return scratch_bytes_; }

    std::vector<Call> calls() const override {
        std::vector<Call> calls;
        for (const auto& [primitive, arguments] : before_) calls.emplace_back(engine_, primitive, arguments);
        calls.emplace_back(engine_, primitive_, arguments_);
        for (const auto& [primitive, arguments] : after_) calls.emplace_back(engine_, primitive, arguments);
        return calls;
    }

    void run(const Frame& frame) const override {
        const std::size_t count = before_.size() + 1 + after_.size();
        for (std::size_t i = 0; i < count; ++i) frame.calls[i].run(frame);
    }

    std::vector<Constants> first_reads() const override {
        std::vector<Constants> reads;
        for (const Argument& argument : arguments_)
            if (argument.place == Argument::Place::fixed)
                reads.push_back({static_cast<const std::byte*>(argument.address), argument.desc.get_size()});
        return reads;
    }

    std::string implementation() const override {
        const std::size_t reorders = before_.size() + after_.size();
        return onednn::implementation(primitive_) +
               (reorders > 0 ? " + " + std::to_string(reorders) + " reorders" : "");
    }

private:
    using Prepared = std::vector<std::pair<dnnl::primitive, std::vector<Argument>>>;

    void add_scratch(std::vector<Argument>& arguments, int argument, const onednn::Desc& desc) {
        arguments.push_back({argument, desc, Argument::Place::scratch, scratch_bytes_, nullptr});
        scratch_bytes_ += aligned(desc.get_size());
    }

    void add_reorder(Prepared& list, Argument from, Argument to) {
        const dnnl::reorder::primitive_desc pd(engine_, from.desc, engine_, to.desc, onednn::user_scratchpad());
        from.argument = DNNL_ARG_FROM;
        to.argument = DNNL_ARG_TO;
        std::vector<Argument> arguments{from, to};
        if (pd.scratchpad_desc().get_size() > 0) add_scratch(arguments, DNNL_ARG_SCRATCHPAD, pd.scratchpad_desc());
        list.emplace_back(dnnl::reorder(pd), std::move(arguments));
    }

    void* pack(const std::byte* data, const onednn::Desc& given, const onednn::Desc& wanted) {
        packed_.emplace_back(wanted.get_size());
        // oneDNN takes no const pointer, and only reads from this one.
        dnnl::memory from(given, engine_, const_cast<std::byte*>(data));
        dnnl::memory to(wanted, engine_, packed_.back().get());
        dnnl::stream stream(engine_);
        dnnl::reorder(from, to).execute(stream, from, to);
        stream.wait();
        builder_.share(packed_.back());
        return packed_.back().get();
    }

    dnnl::engine engine_;
    Builder builder_;
    dnnl::primitive primitive_;
    std::vector<Argument> arguments_;
    Prepared before_;
    Prepared after_;
    std::vector<AlignedMemory> packed_;
    std::size_t scratch_bytes_ = 0;
};

}  // namespace igata::runtime
