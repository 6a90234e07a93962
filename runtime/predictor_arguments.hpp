// What the command line of a standalone predictor says.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/predictor_image.hpp"

namespace igata::cli {

struct Arguments {
    bool help = false;
    bool describe = false;
    int benchmark = 0;
    bool per_step = false;
    int threads = 0;
    std::int64_t batch = 0;  ///< 0: that of the first plan
    int top = 5;
    double rtol = 1e-3;
    double atol = 1e-4;
    std::string weights;
    std::string labels;
    std::string verify;
    ImageOptions image;
    std::vector<std::string> pictures;
    std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes;  ///< name (may be empty), dims
    std::vector<std::pair<std::string, std::string>> inputs;                ///< name, file
    std::vector<std::pair<std::string, std::string>> outputs;               ///< name, file
};

/// Throws Failure (2). A word NAME=FILE is an input if it ends in .npy or NAME is one of `input_names`.
Arguments parse_arguments(int argc, char** argv, const igata_predictor_info& info);

std::string usage(const igata_predictor_info& info);

}  // namespace igata::cli
