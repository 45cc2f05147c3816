// SPDX-License-Identifier: Apache-2.0
// The two ways in which a run can fail, told apart by the exit code.
#ifndef SLIMSR_ERROR_H_
#define SLIMSR_ERROR_H_

#include <cstddef>
#include <stdexcept>
#include <string>

namespace slimsr {

// What the user gave is wrong (exit code 2). The message is one line: what was given, what was
// expected; what to do.
struct InputError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// The inference engine failed on something that it had accepted (exit code 1).
struct EngineError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// A text that may span many lines, such as a library's message, in one line and not too long.
std::string OneLine(const std::string &text, size_t longest = 300);

}  // namespace slimsr

#endif  // SLIMSR_ERROR_H_
