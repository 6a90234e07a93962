// Errors with exit codes, and remarks: what the compiler tells the user.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace igata {

/// Exit codes that scripts rely on.
enum class ExitCode : int { fine = 0, mismatch = 1, usage = 2, unsupported = 3, bad_input = 4 };

/// Any failure that is the user's to mend: `main` prints the message and exits with the code.
class Error : public std::runtime_error {
public:
    Error(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
    ExitCode code() const { return code_; }

private:
    ExitCode code_;
};

/// The file, model or tensor is broken (exit 4).
class BadInput : public Error {
public:
    explicit BadInput(const std::string& message) : Error(ExitCode::bad_input, message) {}
};

/// A valid model asks for something Igata cannot do (exit 3).
class Unsupported : public Error {
public:
    explicit Unsupported(const std::string& message) : Error(ExitCode::unsupported, message) {}
};

/// What a pass did or refused to do, in order: shown by --remarks and in the report.
struct Remark {
    std::string pass;
    std::string node;      ///< the model's node or value it speaks of; may be empty
    std::string message;   ///< one sentence without a full stop
    bool refused = false;  ///< an opportunity that was not taken
};

class Remarks {
public:
    void done(std::string pass, std::string node, std::string message) {
        all_.push_back({std::move(pass), std::move(node), std::move(message), false});
    }
    void refused(std::string pass, std::string node, std::string message) {
        all_.push_back({std::move(pass), std::move(node), std::move(message), true});
    }
    const std::vector<Remark>& all() const { return all_; }

private:
    std::vector<Remark> all_;
};

}  // namespace igata
