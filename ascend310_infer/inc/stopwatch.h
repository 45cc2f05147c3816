// SPDX-License-Identifier: Apache-2.0
#ifndef SLIMSR_STOPWATCH_H_
#define SLIMSR_STOPWATCH_H_

#include <chrono>

namespace slimsr {

class Stopwatch {
 public:
  double Milliseconds() const {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
        .count();
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace slimsr

#endif  // SLIMSR_STOPWATCH_H_
