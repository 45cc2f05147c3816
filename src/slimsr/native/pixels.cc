// SPDX-License-Identifier: Apache-2.0
// Pixels of 8 bits as float32, as a custom operator of MindSpore.

#include <cstdint>

#include "operator.h"
#include "relu.h"

// x; y
SLIMSR_OPERATOR(SlimPixels)(int, void **data, int *ndims, int64_t **shapes, const char **, void *,
                            void *) {
  return slimsr::Guarded([&] {
    const auto *x = static_cast<const uint8_t *>(data[0]);
    auto *y = static_cast<float *>(data[1]);
    slimsr::ForEach(slimsr::SizeOf(ndims[0], shapes[0]), [=](int64_t i) { y[i] = x[i]; });
  });
}
