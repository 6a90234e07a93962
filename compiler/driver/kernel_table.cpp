#include "compiler/driver/kernel_table.hpp"

#include <stdexcept>
#include <string>

#include "compiler/driver/kernel_headers.inc"

namespace igata {

runtime::MakeKernel kernel_maker(std::string_view name) {
#define IGATA_KERNEL(stem) \
    if (name == #stem) return runtime::make_##stem;
#include "compiler/ir/kernels.inc"
#undef IGATA_KERNEL
    throw std::logic_error("there is no kernel " + std::string(name));
}

}  // namespace igata
