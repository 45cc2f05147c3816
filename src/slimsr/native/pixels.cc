// SPDX-License-Identifier: Apache-2.0
// Pixels of 8 bits as float32, as a custom operator of MindSpore.

#include <cstdint>
#include <functional>
#include <numeric>

#include "operator.h"
#include "relu.h"

// x; y
SLIMSR_OPERATOR(SlimPixels)(int, void **data, int *ndims, int64_t **shapes, const char **, void *,
                            void *) {
  return slimsr::Guarded([&] {
    const auto *x = static_cast<const uint8_t *>(data[0]);
    auto *y = static_cast<float *>(data[1]);
    const int64_t size =
        std::accumulate(shapes[0], shapes[0] + ndims[0], int64_t{1}, std::multiplies<>());
    slimsr::ForEach(size, [=](int64_t i) { y[i] = x[i]; });
  });
}
