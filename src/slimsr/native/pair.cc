// SPDX-License-Identifier: Apache-2.0
// Two convolutions with a ReLU between them, and their gradient, as custom operators of MindSpore.
//
// MindSpore spends time and memory on each operator of a graph or tape; a pair is one. The ReLU's
// gradient needs no array of its own, and maxima are taken before anything is kept.

#include <array>

#include "corner.h"
#include "max_pool.h"
#include "operator.h"
#include "problem.h"
#include "relu.h"
#include "workspace.h"

namespace {

using slimsr::Corner;
using slimsr::Dims;
using slimsr::ForEach;
using slimsr::Kind;
using slimsr::PlanOf;
using slimsr::Problem;
using slimsr::ReluGradient;
using slimsr::Shape;
using slimsr::Size;
using slimsr::Workspace;

size_t Bytes(const Dims &dims) { return Workspace::Rounded(Size(dims) * sizeof(float)); }

// `geometry`: of each of the two the outputs and inputs in use and the zeros on each side; then
// whether maxima of 2 x 2 pixels are taken after the first, there is a ReLU after the second, x is
// added to the result, and nobody asks for the gradient of the weights.
struct Pair {
  Pair(const void *geometry, const Dims &x, const std::array<const int64_t *, 2> &weights) {
    const auto *g = static_cast<const int64_t *>(geometry);
    pools = g[6], relu = g[7], adds = g[8], frozen = g[9];
    Dims from = x;
    for (int i = 0; i < 2; ++i) {
      const int64_t pad = g[3 * i + 2], rows = weights[i][2], columns = weights[i][3];
      const Dims w = {g[3 * i], g[3 * i + 1], rows, columns};
      const Dims to = {from[0], w[0], from[2] + 2 * pad - rows + 1,
                       from[3] + 2 * pad - columns + 1};
      problems[i] = {Kind::kForward, from, w, to, 1, 1, pad, pad, 1, true, i == 0 || relu};
      from = i == 0 && pools ? Dims{to[0], to[1], to[2] / 2, to[3] / 2} : to;
    }
  }

  void Convolve(int i, float *x, float *weights, float *bias, float *y) const {
    PlanOf(problems[i])->Run(x, y, weights, bias);
  }
  void InputGradient(int i, float *dy, float *weights, float *dx) const {
    PlanOf(Of(i, Kind::kInputGradient))->Run(dx, dy, weights, nullptr);
  }
  void WeightGradient(int i, float *x, float *dy, float *dw, float *dbias,
                      const int64_t *whole) const {
    Corner weights(whole, problems[i].w);
    PlanOf(Of(i, Kind::kWeightGradient))->Run(x, dy, weights.Data(dw), dbias);
    weights.Write(dw, dbias);
  }

  std::array<Problem, 2> problems;
  bool pools, relu, adds, frozen;

 private:
  Problem Of(int i, Kind kind) const {
    Problem problem = problems[i];
    problem.kind = kind, problem.relu = false, problem.bias = kind == Kind::kWeightGradient;
    return problem;
  }
};

}  // namespace

// x, w1, bias1, w2, bias2, geometry; y, hidden, places
SLIMSR_OPERATOR(SlimPair)(int, void **data, int *ndims, int64_t **shapes, const char **, void *,
                          void *) {
  return slimsr::Guarded([&] {
    const Pair pair(data[5], Shape(ndims[0], shapes[0]), {shapes[1], shapes[3]});
    auto **arrays = reinterpret_cast<float **>(data);
    float *x = arrays[0], *y = arrays[6], *hidden = arrays[7];
    Corner first(shapes[1], pair.problems[0].w), second(shapes[3], pair.problems[1].w);
    if (pair.pools) {
      const Dims &whole = pair.problems[0].y;
      Workspace space(Bytes(whole));
      auto *before = reinterpret_cast<float *>(space.Next(Bytes(whole)));
      pair.Convolve(0, x, first.Read(arrays[1]), arrays[2], before);
      slimsr::MaxPool(before, whole, hidden, static_cast<uint8_t *>(data[8]));
    } else {
      pair.Convolve(0, x, first.Read(arrays[1]), arrays[2], hidden);
    }
    pair.Convolve(1, hidden, second.Read(arrays[3]), arrays[4], y);
    if (pair.adds) ForEach(Size(pair.problems[1].y), [=](int64_t i) { y[i] += x[i]; });
  });
}

// x, w1, w2, y, hidden, places, dy, geometry; dx, [dw1, dbias1, dw2, dbias2]
SLIMSR_OPERATOR(SlimPairGradient)(int, void **data, int *ndims, int64_t **shapes, const char **,
                                  void *, void *) {
  return slimsr::Guarded([&] {
    const Pair pair(data[7], Shape(ndims[0], shapes[0]), {shapes[1], shapes[2]});
    auto **arrays = reinterpret_cast<float **>(data);
    const Problem &first = pair.problems[0], &second = pair.problems[1];
    float *x = arrays[0], *hidden = arrays[4], *dy = arrays[6], *dx = arrays[8];
    Corner first_weights(shapes[1], first.w), second_weights(shapes[2], second.w);
    Workspace space(Bytes(first.y) + (pair.pools ? Bytes(second.x) : 0) +
                    (pair.relu ? Bytes(second.y) : 0));
    const auto take = [&space](const Dims &dims) {
      return reinterpret_cast<float *>(space.Next(Bytes(dims)));
    };

    float *later = dy;
    if (pair.relu) ReluGradient(dy, arrays[3], Size(second.y), later = take(second.y));
    if (!pair.frozen) pair.WeightGradient(1, hidden, later, arrays[11], arrays[12], shapes[11]);
    float *between = take(first.y), *pooled = pair.pools ? take(second.x) : between;
    pair.InputGradient(1, later, second_weights.Read(arrays[2]), pooled);
    if (pair.pools) {
      slimsr::MaxPoolGradient(pooled, hidden, static_cast<const uint8_t *>(data[5]), first.y,
                              between);
    } else {
      ReluGradient(between, hidden, Size(first.y), between);
    }
    if (!pair.frozen) pair.WeightGradient(0, x, between, arrays[9], arrays[10], shapes[9]);
    pair.InputGradient(0, between, first_weights.Read(arrays[1]), dx);
    if (pair.adds) ForEach(Size(first.x), [=](int64_t i) { dx[i] += dy[i]; });
  });
}
