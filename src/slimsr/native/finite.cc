// SPDX-License-Identifier: Apache-2.0
// Whether all numbers of many arrays are finite, as a custom operator of MindSpore.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>

#include "operator.h"
#include "pool.h"

using slimsr::Pool;

namespace {

bool AllFinite(const float *x, int64_t count) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    uint32_t bits;
    std::memcpy(&bits, x + i, sizeof(bits));
    largest = std::max(largest, bits & kExponent);
  }
  return largest < kExponent;
}

}  // namespace

SLIMSR_OPERATOR(SlimAllFinite)(int count, void **data, int *ndims, int64_t **shapes, const char **,
                               void *, void *) {
  return slimsr::Guarded([&] {  // arrays; 1 or 0
    std::atomic<bool> finite{true};
    Pool::Get().Run(count - 1, [&](int i) {
      const int64_t size = slimsr::SizeOf(ndims[i], shapes[i]);
      if (!AllFinite(static_cast<const float *>(data[i]), size)) finite = false;
    });
    *static_cast<float *>(data[count - 1]) = finite ? 1 : 0;
  });
}
