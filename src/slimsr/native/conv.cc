// SPDX-License-Identifier: Apache-2.0
// 2-D convolution and its gradients for float32 on CPUs, as custom operators of MindSpore.

#include "corner.h"
#include "operator.h"
#include "pool.h"
#include "problem.h"
#include "relu.h"
#include "workspace.h"

namespace {

using slimsr::Corner;
using slimsr::Dims;
using slimsr::Kind;
using slimsr::PlanOf;
using slimsr::Pool;
using slimsr::Problem;
using slimsr::ReluGradient;
using slimsr::Shape;
using slimsr::Size;
using slimsr::Workspace;

// `geometry`: stride of rows and columns, rows above and columns at the left, groups, ReLU, and of
// the weights the outputs and inputs in use.
Problem Describe(Kind kind, const void *geometry, Dims x, Dims w, Dims y, bool bias) {
  const auto *g = static_cast<const int64_t *>(geometry);
  w[0] = g[6], w[1] = g[7];
  return {kind, std::move(x), std::move(w), std::move(y), g[0],     g[1],
          g[2], g[3],         g[4],         bias,         g[5] != 0};
}

}  // namespace

SLIMSR_EXPORT void SlimSetThreads(int threads) { Pool::Get().SetThreads(threads); }

SLIMSR_EXPORT int SlimSetSizesVary(int vary) { return slimsr::SizesVary().exchange(vary != 0); }

SLIMSR_OPERATOR(SlimConv)(int count, void **data, int *ndims, int64_t **shapes, const char **,
                          void *, void *) {
  return slimsr::Guarded([&] {  // x, w, [bias], geometry; y
    const bool bias = count == 5;
    const int last = count - 1;
    const auto problem =
        Describe(Kind::kForward, data[last - 1], Shape(ndims[0], shapes[0]),
                 Shape(ndims[1], shapes[1]), Shape(ndims[last], shapes[last]), bias);
    auto **arrays = reinterpret_cast<float **>(data);
    Corner weights(shapes[1], problem.w);
    PlanOf(problem)->Run(arrays[0], arrays[last], weights.Read(arrays[1]),
                         bias ? arrays[2] : nullptr);
  });
}

SLIMSR_OPERATOR(SlimConvInputGradient)(int count, void **data, int *ndims, int64_t **shapes,
                                       const char **, void *, void *) {
  return slimsr::Guarded([&] {  // dy, w, [result of the ReLU], geometry; dx
    const int last = count - 1;
    auto problem = Describe(Kind::kInputGradient, data[last - 1], Shape(ndims[last], shapes[last]),
                            Shape(ndims[1], shapes[1]), Shape(ndims[0], shapes[0]), false);
    auto **arrays = reinterpret_cast<float **>(data);
    Corner weights(shapes[1], problem.w);
    float *dy = arrays[0];
    const int64_t size = problem.relu ? Size(problem.y) : 0;
    Workspace space(size * sizeof(float));
    if (problem.relu) {
      dy = reinterpret_cast<float *>(space.Next(size * sizeof(float)));
      ReluGradient(arrays[0], arrays[2], size, dy);
      problem.relu = false;
    }
    PlanOf(problem)->Run(arrays[last], dy, weights.Read(arrays[1]), nullptr);
  });
}

SLIMSR_OPERATOR(SlimConvWeightGradient)(int count, void **data, int *ndims, int64_t **shapes,
                                        const char **, void *, void *) {
  return slimsr::Guarded([&] {  // x, dy, geometry; dw, [dbias]
    const auto problem =
        Describe(Kind::kWeightGradient, data[2], Shape(ndims[0], shapes[0]),
                 Shape(ndims[3], shapes[3]), Shape(ndims[1], shapes[1]), count == 5);
    auto **arrays = reinterpret_cast<float **>(data);
    float *bias = count == 5 ? arrays[4] : nullptr;
    Corner weights(shapes[3], problem.w);
    PlanOf(problem)->Run(arrays[0], arrays[1], weights.Data(arrays[3]), bias);
    weights.Write(arrays[3], bias);
  });
}
