// SPDX-License-Identifier: Apache-2.0
// PReLU and its gradients, as custom operators of MindSpore.

#include <algorithm>
#include <vector>

#include "operator.h"
#include "pool.h"
#include "problem.h"

namespace {

using slimsr::Dims;
using slimsr::Pool;
using slimsr::Shape;

// Planes of (N, C, H, W), and the slope of each: of its channel, or the one of all.
struct Planes {
  Planes(void **data, const int *ndims, int64_t **shapes)
      : x(static_cast<const float *>(data[0])),
        slopes(static_cast<const float *>(data[1])),
        each(shapes[1][0]),
        dims(Shape(ndims[0], shapes[0])),
        size(dims[2] * dims[3]) {}

  int64_t SlopeOf(int plane) const { return each == 1 ? 0 : plane % dims[1]; }
  int Count() const { return static_cast<int>(dims[0] * dims[1]); }

  const float *x, *slopes;
  const int64_t each;
  const Dims dims;
  const int64_t size;
};

}  // namespace

// x, slopes; y
SLIMSR_OPERATOR(SlimPRelu)(int, void **data, int *ndims, int64_t **shapes, const char **, void *,
                           void *) {
  return slimsr::Guarded([&] {
    const Planes planes(data, ndims, shapes);
    auto *y = static_cast<float *>(data[2]);
    Pool::Get().Run(planes.Count(), [&, y](int plane) {
      const float slope = planes.slopes[planes.SlopeOf(plane)];
      const float *from = planes.x + plane * planes.size;
      float *to = y + plane * planes.size;
      for (int64_t i = 0; i < planes.size; ++i) to[i] = from[i] > 0 ? from[i] : slope * from[i];
    });
  });
}

// x, slopes, dy; dx, dslopes
SLIMSR_OPERATOR(SlimPReluGradient)(int, void **data, int *ndims, int64_t **shapes, const char **,
                                   void *, void *) {
  return slimsr::Guarded([&] {
    // Many sums of few numbers: one long sum would be off by more.
    constexpr int kLanes = 16;
    constexpr int64_t kPiece = 1024;
    const Planes planes(data, ndims, shapes);
    const auto *dy = static_cast<const float *>(data[2]);
    auto *dx = static_cast<float *>(data[3]), *dslopes = static_cast<float *>(data[4]);
    std::vector<double> sums(planes.Count());
    Pool::Get().Run(planes.Count(), [&, dy, dx](int plane) {
      const float slope = planes.slopes[planes.SlopeOf(plane)];
      const float *x = planes.x + plane * planes.size, *from = dy + plane * planes.size;
      float *to = dx + plane * planes.size;
      for (int64_t begin = 0; begin < planes.size; begin += kPiece) {
        const int64_t end = std::min(planes.size, begin + kPiece);
        float lanes[kLanes] = {};
        const auto add = [&](int64_t i, int lane) {
          to[i] = x[i] > 0 ? from[i] : slope * from[i];
          lanes[lane] += x[i] > 0 ? 0.f : x[i] * from[i];
        };
        int64_t i = begin;
        for (; i + kLanes <= end; i += kLanes) {
          for (int lane = 0; lane < kLanes; ++lane) add(i + lane, lane);
        }
        for (; i < end; ++i) add(i, static_cast<int>(i % kLanes));
        for (const float lane : lanes) sums[plane] += lane;
      }
    });
    std::vector<double> totals(planes.each);
    for (int plane = 0; plane < planes.Count(); ++plane)  // in their order, whoever made them
      totals[planes.SlopeOf(plane)] += sums[plane];
    for (int64_t i = 0; i < planes.each; ++i) dslopes[i] = static_cast<float>(totals[i]);
  });
}
