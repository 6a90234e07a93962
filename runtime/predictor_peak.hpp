// What the machine could do: the two limits beside which a step's speed is read.
#pragma once

namespace igata::cli {

struct Peak {
    double flops = 0.0;  ///< f32 operations a second in registers, a multiply-add counting as two
    double bytes = 0.0;  ///< bytes a second read from memory that no cache of a usual size holds
};

/// Of `threads` threads together (0: as many as there are cores), measured in a fifth of a second.
Peak measure_peak(int threads);

}  // namespace igata::cli
