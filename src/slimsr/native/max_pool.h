// SPDX-License-Identifier: Apache-2.0
// Maxima of 2 x 2 pixels of what a ReLU has left.

#ifndef SLIMSR_NATIVE_MAX_POOL_H_
#define SLIMSR_NATIVE_MAX_POOL_H_

#include <algorithm>
#include <cstdint>

#include "pool.h"
#include "problem.h"

namespace slimsr {

// From x, of shape `from`, to the maxima y and the place of each: 0 and 1 above, 2 and 3 below.
inline void MaxPool(const float *x, const Dims &from, float *y, uint8_t *place) {
  const int64_t columns = from[3], half_rows = from[2] / 2, half_columns = columns / 2;
  Pool::Get().Run(static_cast<int>(from[0] * from[1]), [=](int plane) {
    for (int64_t row = 0; row < half_rows; ++row) {
      const float *above = x + (plane * from[2] + 2 * row) * columns, *below = above + columns;
      const int64_t start = (plane * half_rows + row) * half_columns;
      for (int64_t i = 0; i < half_columns; ++i) {
        const float a = above[2 * i], b = above[2 * i + 1], c = below[2 * i], d = below[2 * i + 1];
        const float top = std::max(a, b), bottom = std::max(c, d);
        y[start + i] = std::max(top, bottom);
        place[start + i] = static_cast<uint8_t>(bottom > top ? 2 + (d > c) : b > a);
      }
    }
  });
}

// From dy and what MaxPool gave to dx, of shape `from`: zero where the ReLU has cut.
inline void MaxPoolGradient(const float *dy, const float *y, const uint8_t *place, const Dims &from,
                            float *dx) {
  const int64_t columns = from[3], half_rows = from[2] / 2, half_columns = columns / 2;
  Pool::Get().Run(static_cast<int>(from[0] * from[1]), [=](int plane) {
    float *planes = dx + plane * from[2] * columns;
    std::fill(planes + 2 * half_rows * columns, planes + from[2] * columns, 0.f);
    for (int64_t row = 0; row < half_rows; ++row) {
      float *above = planes + 2 * row * columns, *below = above + columns;
      const int64_t start = (plane * half_rows + row) * half_columns;
      for (int64_t i = 0; i < half_columns; ++i) {
        const float value = y[start + i] > 0 ? dy[start + i] : 0.f;
        const uint8_t at = place[start + i];
        above[2 * i] = at == 0 ? value : 0.f;
        above[2 * i + 1] = at == 1 ? value : 0.f;
        below[2 * i] = at == 2 ? value : 0.f;
        below[2 * i + 1] = at == 3 ? value : 0.f;
      }
      if (columns % 2 != 0) above[columns - 1] = below[columns - 1] = 0.f;
    }
  });
}

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_MAX_POOL_H_
