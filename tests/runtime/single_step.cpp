#include "tests/runtime/single_step.hpp"

#include "runtime/program.hpp"

namespace igata::runtime::test {

SingleStep::SingleStep(StepKind kind, const void* spec, const std::vector<Operand*>& operands, int threads) {
    StepSpec row;
    row.kind = kind;
    row.spec = spec;
    row.name = "step";
    for (Operand* operand : operands) row.operands[row.operand_count++] = place(operand);
    if (!pool_.empty()) std::memcpy(weights_.get(), pool_.data(), pool_.size());
    program_ = std::make_unique<Program>(ProgramSpec{&row, 1, 0, 0}, weights_.get(), threads);
    context_ = std::make_unique<Context>(*program_);
}

SingleStep::~SingleStep() = default;

void SingleStep::run() { context_->run(inputs_.data(), outputs_.data()); }

const std::string& SingleStep::implementation() const { return program_->implementation(0); }

OperandSpec SingleStep::place(Operand* operand) {
    if (operand == nullptr) return {};
    if (operand->constant) {
        const std::size_t start = aligned(pool_.size());
        pool_.resize(start + operand->bytes.size());
        std::memcpy(pool_.data() + start, operand->bytes.data(), operand->bytes.size());
        weights_ = AlignedMemory(pool_.size());
        return {Space::weights, 0, static_cast<std::int64_t>(start)};
    }
    if (operand->written) {
        outputs_.push_back(operand->bytes.data());
        return {Space::output, static_cast<std::int32_t>(outputs_.size() - 1), 0};
    }
    inputs_.push_back(operand->bytes.data());
    return {Space::input, static_cast<std::int32_t>(inputs_.size() - 1), 0};
}

double reference_eltwise(Eltwise kind, double x, double alpha, double beta) {
    const auto clamp01 = [](double v) { return std::min(std::max(v, 0.0), 1.0); };
    const double pi = std::acos(-1.0);
    switch (kind) {
        case Eltwise::relu: return x > 0 ? x : alpha * x;
        case Eltwise::linear: return alpha * x + beta;
        case Eltwise::clip: return std::min(std::max(x, alpha), beta);
        case Eltwise::sigmoid: return 1 / (1 + std::exp(-x));
        case Eltwise::swish: return x / (1 + std::exp(-alpha * x));
        case Eltwise::tanh: return std::tanh(x);
        case Eltwise::elu: return x > 0 ? x : alpha * std::expm1(x);
        case Eltwise::hardsigmoid: return clamp01(alpha * x + beta);
        case Eltwise::hardswish: return x * clamp01(alpha * x + beta);
        case Eltwise::gelu_erf: return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
        case Eltwise::gelu_tanh: return 0.5 * x * (1 + std::tanh(std::sqrt(2 / pi) * (x + 0.044715 * x * x * x)));
        case Eltwise::abs: return std::fabs(x);
        case Eltwise::sqrt: return std::sqrt(x);
        case Eltwise::square: return x * x;
        case Eltwise::exp: return std::exp(x);
        case Eltwise::log: return std::log(x);
        case Eltwise::softplus: return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
        case Eltwise::mish: return x * std::tanh(std::log1p(std::exp(x)));
    }
    return 0.0;
}

namespace {

double reference_binary(Binary binary, double a, double b) {
    switch (binary) {
        case Binary::add: return a + b;
        case Binary::sub: return a - b;
        case Binary::mul: return a * b;
        case Binary::div: return a / b;
        case Binary::min: return std::min(a, b);
        case Binary::max: return std::max(a, b);
    }
    return 0.0;
}

}  // namespace

double reference_epilogue(const Epilogue& epilogue, const std::vector<Operand*>& operands, const std::int64_t* index,
                          int rank, double x, double before) {
    for (int i = 0; i < epilogue.count; ++i) {
        const PostOp& op = epilogue.ops[i];
        if (op.kind == PostOp::Kind::sum) x += before;
        if (op.kind == PostOp::Kind::eltwise) {
            x = reference_eltwise(op.eltwise, x, static_cast<double>(op.alpha), static_cast<double>(op.beta));
        }
        if (op.kind == PostOp::Kind::binary) {
            Operand& operand = *operands[static_cast<std::size_t>(op.operand_index)];
            std::int64_t place[max_rank] = {};
            for (int axis = 0; axis < op.operand.rank; ++axis) {
                place[axis] = op.operand.dims[axis] == 1 ? 0 : index[axis + rank - op.operand.rank];
            }
            x = reference_binary(op.binary, x, static_cast<double>(operand.at(place)));
        }
    }
    return x;
}

Epilogue random_epilogue(Random& random, const MemorySpec& dst, int first_operand, std::vector<Operand>& storage) {
    Epilogue epilogue;
    epilogue.count = static_cast<int>(pick(random, 0, 3));
    bool summed = false;
    for (int i = 0; i < epilogue.count; ++i) {
        PostOp& op = epilogue.ops[i];
        const std::int64_t kind = pick(random, 0, 9);
        if (kind == 0 && !summed) {
            op.kind = PostOp::Kind::sum;
            summed = true;
        } else if (kind <= 2) {
            op.kind = PostOp::Kind::binary;
            op.binary = static_cast<Binary>(pick(random, 0, 5));
            std::vector<std::int64_t> dims(dst.dims, dst.dims + dst.rank);
            const std::int64_t shape = pick(random, 0, 2);  // per channel, full, per image and channel
            for (std::size_t axis = 0; axis < dims.size(); ++axis) {
                if ((shape == 0 && axis != 1) || (shape == 2 && axis > 1)) dims[axis] = 1;
            }
            op.operand = shape == 1 ? packed_like(dst) : layout(DataType::f32, dims);
            op.operand_index = first_operand + static_cast<int>(storage.size());
            storage.push_back(random_operand(random, op.operand, 0.5F, 2.0F));
        } else {
            do op.eltwise = static_cast<Eltwise>(pick(random, 0, 17));
            while (op.eltwise == Eltwise::sqrt || op.eltwise == Eltwise::log ||
                   op.eltwise == Eltwise::exp);  // not on all of R
            op.alpha = op.eltwise == Eltwise::clip                                              ? -0.5F
                       : op.eltwise == Eltwise::hardswish || op.eltwise == Eltwise::hardsigmoid ? 0.2F
                                                                                                : 1.1F;
            op.beta = 0.5F;
        }
    }
    return epilogue;
}

}  // namespace igata::runtime::test
