// SPDX-License-Identifier: Apache-2.0
// Work on single numbers, and the gradient of a ReLU.

#ifndef SLIMSR_NATIVE_RELU_H_
#define SLIMSR_NATIVE_RELU_H_

#include <algorithm>
#include <cstdint>

#include "pool.h"
#include "problem.h"

namespace slimsr {

// What `work` does for one number must not depend on others.
template <typename Work>
void ForEach(int64_t count, const Work &work) {
  constexpr int64_t kPiece = 1 << 14;
  Pool::Get().Run(static_cast<int>(Ceil(count, kPiece)), [&](int piece) {
#pragma GCC ivdep
    for (int64_t i = piece * kPiece; i < std::min(count, (piece + 1) * kPiece); ++i) work(i);
  });
}

// The gradient before a ReLU from its result y and the gradient after it, which may lie in one
// place.
inline void ReluGradient(const float *after, const float *y, int64_t count, float *before) {
  ForEach(count, [=](int64_t i) { before[i] = y[i] > 0 ? after[i] : 0.f; });
}

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_RELU_H_
