// SPDX-License-Identifier: Apache-2.0
// The two ways in which a run can fail, told apart by the exit code.
#ifndef SLIMSR_ERROR_H_
#define SLIMSR_ERROR_H_

#include <cstddef>
#include <exception>
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

// A device, or the library that drives it, failed: another device may do the same work.
struct DeviceError : EngineError {
  using EngineError::EngineError;
};

// A text that may span many lines, such as a library's message, in one line and not too long.
std::string OneLine(const std::string &text, size_t longest = 300);

// Our own text, which may hold names of files: what a terminal would obey, and what is no UTF-8, as
// \n, \x1b, \u2028.
std::string Escaped(const std::string &text);

// What is said of any exception: its own text, or for want of memory what to do.
std::string Message(const std::exception &error);

bool IsOutOfMemory(const std::exception &error);

}  // namespace slimsr

#endif  // SLIMSR_ERROR_H_
