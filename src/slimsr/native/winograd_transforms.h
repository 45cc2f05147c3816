// SPDX-License-Identifier: Apache-2.0
// Winograd's minimal filtering of three taps in one dimension, F(2, 3): two outputs from four
// inputs by four products.
//
// y = OutputOf(InputOf(d) * WeightsOf(g)); in two dimensions each is applied to columns and rows.
// After A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016.
// F(4, 3) would need fewer products still, but its errors are five times as large: in training,
// enough to turn the sign of a ReLU or of a difference in most batches.

#ifndef SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
#define SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_

#include "vector.h"

namespace slimsr {

struct Filtering {
  static void InputOf(const Vector *d, Vector *v) {
    v[0] = d[0] - d[2], v[1] = d[1] + d[2], v[2] = d[2] - d[1], v[3] = d[1] - d[3];
  }
  static void WeightsOf(const Vector *g, Vector *u) {
    const Vector sum = g[0] + g[2];
    u[0] = g[0], u[1] = 0.5f * (sum + g[1]), u[2] = 0.5f * (sum - g[1]), u[3] = g[2];
  }
  static void OutputOf(const Vector *p, Vector *y) {
    y[0] = p[0] + (p[1] + p[2]), y[1] = (p[1] - p[2]) - p[3];
  }
  // The transposes of the last two.
  static void WeightsBack(const Vector *u, Vector *g) {
    const Vector sum = 0.5f * (u[1] + u[2]);
    g[0] = u[0] + sum, g[1] = 0.5f * (u[1] - u[2]), g[2] = sum + u[3];
  }
  static void OutputBack(const Vector *y, Vector *p) {
    p[0] = y[0], p[1] = y[0] + y[1], p[2] = y[0] - y[1], p[3] = -y[1];
  }
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
