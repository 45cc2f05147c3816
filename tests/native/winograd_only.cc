// SPDX-License-Identifier: Apache-2.0
// Winograd's convolution without the choice of the fastest way and without oneDNN.

#include "pool.h"
#include "problem.h"

// `sizes`: images, input and output channels, height and width of x, padding. What the kind says is
// written: y, x, or weights and bias. Returns 0 if all is well.
extern "C" __attribute__((visibility("default"))) int Convolve(int kind, const int64_t *sizes,
                                                               bool relu, int threads, float *x,
                                                               float *weights, float *bias,
                                                               float *y) {
  const int64_t n = sizes[0], in = sizes[1], out = sizes[2], height = sizes[3], width = sizes[4],
                pad = sizes[5];
  slimsr::Problem problem = {static_cast<slimsr::Kind>(kind),
                             {n, in, height, width},
                             {out, in, 3, 3},
                             {n, out, height + 2 * pad - 2, width + 2 * pad - 2},
                             /*stride_h=*/1,
                             /*stride_w=*/1,
                             /*pad_h=*/pad,
                             /*pad_w=*/pad,
                             /*groups=*/1,
                             /*bias=*/bias != nullptr,
                             relu};
  slimsr::Pool::Get().SetThreads(threads);
  const auto plan = slimsr::MakeWinograd(problem);
  if (plan == nullptr) return 1;
  plan->Run(x, y, weights, bias);
  return 0;
}
