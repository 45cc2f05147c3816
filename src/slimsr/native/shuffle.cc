// SPDX-License-Identifier: Apache-2.0
// Pixel shuffle and its inverse, as a custom operator of MindSpore.
//
// What comes before and after a shuffle at the end of a network, an anchor that is added and a
// factor, is done on the way: each alone would read and write the whole picture again.

#include <type_traits>
#include <vector>

#include "operator.h"
#include "pool.h"
#include "problem.h"

namespace {

using slimsr::Dims;
using slimsr::Pool;
using slimsr::Shape;

// The arrays of one shuffle: of many (N, C r r, H, W), few are (N, C, H r, W r).
struct Shuffle {
  // few = gain * (many + base), base (N, C, H, W) being added to each of a pixel's r x r.
  template <typename R>
  void Forward(R factor, const float *many, const float *base, float *few) const {
    const std::vector<float> nothing(width);
    ForEachRow([&](int64_t plane, int64_t i, int64_t h) {
      const float *from = many + ((plane * r + i) * r * height + h) * width;
      const float *add = base ? base + (plane * height + h) * width : nothing.data();
      float *to = few + ((plane * height + h) * r + i) * r * width;
      for (int64_t w = 0; w < width; ++w) {
        for (int64_t j = 0; j < factor; ++j)
          to[w * factor + j] = gain * (from[j * height * width + w] + add[w]);
      }
    });
  }
  template <typename R>
  void Inverse(R factor, const float *few, float *many) const {
    ForEachRow([&](int64_t plane, int64_t i, int64_t h) {
      const float *from = few + ((plane * height + h) * r + i) * r * width;
      float *to = many + ((plane * r + i) * r * height + h) * width;
      for (int64_t j = 0; j < factor; ++j, to += height * width) {
        for (int64_t w = 0; w < width; ++w) to[w] = gain * from[w * factor + j];
      }
    });
  }

  // Calls work(plane of few, row of a pixel's r rows, row of many).
  template <typename Work>
  void ForEachRow(const Work &work) const {
    Pool::Get().Run(static_cast<int>(planes * r), [&](int part) {
      for (int64_t h = 0; h < height; ++h) work(part / r, part % r, h);
    });
  }

  int64_t planes, height, width, r;
  float gain;
};

}  // namespace

// `numbers`: r, or -r for the inverse; the factor on all values.
SLIMSR_OPERATOR(SlimShuffle)(int count, void **data, int *, int64_t **shapes, const char **, void *,
                             void *) {
  return slimsr::Guarded([&] {  // x, [base], numbers; y
    const auto *numbers = static_cast<const float *>(data[count - 2]);
    auto **arrays = reinterpret_cast<float **>(data);
    float *x = arrays[0], *y = arrays[count - 1];
    const bool inverse = numbers[0] < 0;
    const auto r = static_cast<int64_t>(inverse ? -numbers[0] : numbers[0]);
    const Dims few = Shape(4, shapes[inverse ? 0 : count - 1]);
    const Shuffle shuffle{few[0] * few[1], few[2] / r, few[3] / r, r, numbers[1]};
    const auto run = [&](auto factor) {  // a constant where that is usual: four times as fast
      if (inverse) {
        shuffle.Inverse(factor, x, y);
      } else {
        shuffle.Forward(factor, x, count == 4 ? arrays[1] : nullptr, y);
      }
    };
    if (r == 2) {
      run(std::integral_constant<int64_t, 2>());
    } else if (r == 3) {
      run(std::integral_constant<int64_t, 3>());
    } else if (r == 4) {
      run(std::integral_constant<int64_t, 4>());
    } else {
      run(r);
    }
  });
}
