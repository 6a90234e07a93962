#include "runtime/predictor_arguments.hpp"

#include <cmath>
#include <cstdlib>
#include <functional>

namespace igata::cli {

namespace {

double number(const std::string& text, const std::string& option) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    if (text.empty() || *end != '\0') throw Failure(2, option + " takes a number, not '" + text + "'");
    return value;
}

int whole_number(const std::string& text, const std::string& option, int least) {
    const double value = number(text, option);
    if (value < least || value > 1e9 || value != static_cast<int>(value))
        throw Failure(2,
                      option + " takes a whole number of at least " + std::to_string(least) + ", not '" + text + "'");
    return static_cast<int>(value);
}

std::vector<double> numbers(const std::string& text, const std::string& option) {
    std::vector<double> values;
    for (std::size_t begin = 0; begin <= text.size();) {
        const std::size_t end = std::min(text.find(',', begin), text.size());
        values.push_back(number(text.substr(begin, end - begin), option));
        begin = end + 1;
    }
    return values;
}

/// `[NAME=]D,D,...`
std::pair<std::string, std::vector<std::int64_t>> name_and_dims(const std::string& text) {
    const std::size_t equals = text.rfind('=');
    const std::size_t begin = equals == std::string::npos ? 0 : equals + 1;
    std::vector<std::int64_t> dims;
    for (const double dim : numbers(text.substr(begin), "--shape")) {
        if (dim < 1.0 || dim > 1e9 || dim != std::floor(dim))
            throw Failure(2, "--shape takes whole numbers of at least 1, not '" + text + "'");
        dims.push_back(static_cast<std::int64_t>(dim));
    }
    return {begin > 0 ? text.substr(0, equals) : "", dims};
}

/// The place of `text` in `choices`.
std::size_t choice(const std::string& text, const std::string& option, const std::vector<std::string>& choices) {
    std::string list;
    for (std::size_t i = 0; i < choices.size(); ++i) {
        if (choices[i] == text) return i;
        list += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i];
    }
    throw Failure(2, option + " takes " + list + ", not '" + text + "'");
}

std::pair<std::string, std::string> name_and_file(const std::string& text, const std::string& what) {
    const std::size_t equals = text.rfind('=');  // a name may hold one
    if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
        throw Failure(2, what + " takes NAME=FILE.npy, not '" + text + "'");
    return {text.substr(0, equals), text.substr(equals + 1)};
}

struct Option {
    const char* name;
    const char* value;  ///< null: a switch
    const char* what;
    std::function<void(Arguments&, const std::string&)> set;
};

const std::vector<Option>& options() {
    static const std::vector<Option> all = {
        {"--help", nullptr, "this text", [](Arguments& a, const std::string&) { a.help = true; }},
        {"--describe", nullptr, "inputs, outputs and sizes",
         [](Arguments& a, const std::string&) { a.describe = true; }},
        {"--benchmark", "N", "time N runs after a warm-up",
         [](Arguments& a, const std::string& v) { a.benchmark = whole_number(v, "--benchmark", 1); }},
        {"--per-step", nullptr, "with --benchmark: the time of each step",
         [](Arguments& a, const std::string&) { a.per_step = true; }},
        {"--shape", "[NAME=]D,D,...", "of the input of --benchmark or of pictures (the first that there is)",
         [](Arguments& a, const std::string& v) { a.shapes.push_back(name_and_dims(v)); }},
        {"--batch", "N", "likewise, axis 0 alone",
         [](Arguments& a, const std::string& v) { a.batch = whole_number(v, "--batch", 1); }},
        {"--verify", "DIR", "replay DIR/test_data_set_*; exit 1 beyond --rtol and --atol",
         [](Arguments& a, const std::string& v) { a.verify = v; }},
        {"--rtol", "R", "relative tolerance of --verify (1e-3)",
         [](Arguments& a, const std::string& v) { a.rtol = number(v, "--rtol"); }},
        {"--atol", "A", "absolute tolerance of --verify (1e-4)",
         [](Arguments& a, const std::string& v) { a.atol = number(v, "--atol"); }},
        {"--output", "NAME=FILE.npy", "write an output to a file",
         [](Arguments& a, const std::string& v) { a.outputs.push_back(name_and_file(v, "--output")); }},
        {"--threads", "T", "threads of a run (0: as many as there are cores)",
         [](Arguments& a, const std::string& v) { a.threads = whole_number(v, "--threads", 0); }},
        {"--weights", "FILE", "the .bin file, where weights are kept in one",
         [](Arguments& a, const std::string& v) { a.weights = v; }},
        {"--labels", "FILE", "names of the classes, one a line",
         [](Arguments& a, const std::string& v) { a.labels = v; }},
        {"--top", "K", "how many classes to show (5)",
         [](Arguments& a, const std::string& v) { a.top = whole_number(v, "--top", 1); }},
        {"--resize", "stretch|crop|fit", "how a picture gets the input's size (stretch)",
         [](Arguments& a, const std::string& v) {
             a.image.resize = static_cast<ImageOptions::Resize>(choice(v, "--resize", {"stretch", "crop", "fit"}));
         }},
        {"--channels", "rgb|bgr", "order of the channels (rgb)",
         [](Arguments& a, const std::string& v) {
             a.image.bgr = choice(v, "--channels", {"rgb", "bgr"}) == 1;
         }},
        {"--layout", "nhwc|nchw", "of the input (by where it has 1, 3 or 4 channels)",
         [](Arguments& a, const std::string& v) {
             choice(v, "--layout", {"nhwc", "nchw"});
             a.image.layout = v;
         }},
        {"--scale", "S", "value = (pixel * S - mean) / std, with pixels 0..255 (1)",
         [](Arguments& a, const std::string& v) { a.image.scale = number(v, "--scale"); }},
        {"--mean", "M[,M,M]", "(0)", [](Arguments& a, const std::string& v) { a.image.mean = numbers(v, "--mean"); }},
        {"--std", "D[,D,D]", "(1)", [](Arguments& a, const std::string& v) { a.image.std = numbers(v, "--std"); }},
    };
    return all;
}

bool is_input(const std::string& word, const igata_predictor_info& info) {
    const std::size_t equals = word.rfind('=');
    if (equals == std::string::npos) return false;
    for (int i = 0; i < info.input_count; ++i) {
        if (word.compare(0, equals, info.inputs[i].name) == 0) return true;
    }
    return word.size() > 4 && word.compare(word.size() - 4, 4, ".npy") == 0;
}

}  // namespace

Arguments parse_arguments(int argc, char** argv, const igata_predictor_info& info) {
    Arguments arguments;
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        if (word == "-h") word = "--help";
        if (word.compare(0, 2, "--") != 0) {
            if (is_input(word, info)) arguments.inputs.push_back(name_and_file(word, "an input"));
            else arguments.pictures.push_back(word);
            continue;
        }
        const Option* found = nullptr;
        for (const Option& option : options()) {
            if (word == option.name || word.compare(0, word.find('='), option.name) == 0) found = &option;
        }
        if (found == nullptr) throw Failure(2, "unknown option " + word + "; see --help");
        const std::size_t equals = word.find('=');
        if (found->value == nullptr) found->set(arguments, "");
        else if (equals != std::string::npos) found->set(arguments, word.substr(equals + 1));
        else if (i + 1 < argc) found->set(arguments, argv[++i]);
        else throw Failure(2, word + " needs a value: " + found->value);
    }
    if (!arguments.pictures.empty() && !arguments.inputs.empty())
        throw Failure(2, "pass either pictures or NAME=FILE.npy, not both ('" + arguments.pictures[0] +
                             "' was taken for a picture)");
    if (!arguments.inputs.empty() && (!arguments.shapes.empty() || arguments.batch > 0))
        throw Failure(2, "--shape and --batch are for inputs that no file gives");
    if (arguments.per_step && arguments.benchmark == 0) throw Failure(2, "--per-step goes with --benchmark N");
    return arguments;
}

std::string usage(const igata_predictor_info& info) {
    const std::string name = info.name;
    std::string text = "usage: " + name + " PICTURE...\n       " + name +
                       " INPUT=FILE.npy... [--output NAME=FILE.npy]...\n       " + name +
                       " --benchmark N [--per-step] | --describe | --verify DIR\n\n";
    for (const Option& option : options()) {
        std::string left =
            std::string("  ") + option.name + (option.value != nullptr ? std::string(" ") + option.value : "");
        if (left.size() < 30) left.resize(30, ' ');
        text += left + "  " + option.what + "\n";
    }
    return text;
}

}  // namespace igata::cli
