// SPDX-License-Identifier: Apache-2.0
// Pixel shuffle and its inverse, as a custom operator of MindSpore.

#include "operator.h"
#include "pool.h"
#include "problem.h"

using slimsr::Dims;
using slimsr::Pool;
using slimsr::Shape;

// `factor`: r, or -r for the inverse. Of many (N, C r r, H, W), few are (N, C, H r, W r).
SLIMSR_OPERATOR(SlimShuffle)(int, void **data, int *, int64_t **shapes, const char **, void *,
                             void *) {
  return slimsr::Guarded([&] {  // x, factor; y
    const int64_t factor = *static_cast<const int64_t *>(data[1]);
    const bool inverse = factor < 0;
    const int64_t r = inverse ? -factor : factor;
    const Dims few = Shape(4, shapes[inverse ? 0 : 2]);
    auto *many_data = static_cast<float *>(data[inverse ? 2 : 0]),
         *few_data = static_cast<float *>(data[inverse ? 0 : 2]);
    const int64_t height = few[2] / r, width = few[3] / r;
    Pool::Get().Run(static_cast<int>(few[0] * few[1] * r), [=](int part) {
      const int64_t plane = part / r, i = part % r;
      for (int64_t j = 0; j < r; ++j) {
        float *many = many_data + ((plane * r + i) * r + j) * height * width;
        for (int64_t h = 0; h < height; ++h, many += width) {
          float *row = few_data + ((plane * height + h) * r + i) * r * width + j;
          if (inverse) {
            for (int64_t w = 0; w < width; ++w) many[w] = row[w * r];
          } else {
            for (int64_t w = 0; w < width; ++w) row[w * r] = many[w];
          }
        }
      }
    });
  });
}
