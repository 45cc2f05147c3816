// SPDX-License-Identifier: Apache-2.0
// Winograd's minimal filtering of three taps in one dimension, F(m, 3): m outputs from m + 2 inputs
// by m + 2 products, for m = 2 and 4.
//
// y = OutputOf(InputOf(d) * WeightsOf(g)); in two dimensions each is applied to columns and rows.
// After A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. There
// F(4, 3) has the points 0, +-1, +-2; here they are 0, +-3/4, +-3/2, whose powers lie closer to one, so
// that less cancels: on noise of 512 channels the error is 4e-6 of the largest output, not 2e-5.

#ifndef SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
#define SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_

#include "vector.h"

namespace slimsr {

template <int m>
struct Filtering;

template <>
struct Filtering<2> {
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
};

template <>
struct Filtering<4> {
  // The points and their squares. Products of them have few digits: input's and output's numbers are exact.
  static constexpr float kP = 0.75f, kQ = 1.5f, kP2 = kP * kP, kQ2 = kQ * kQ;

  static void InputOf(const Vector *d, Vector *v) {
    const Vector even_p = d[4] - kQ2 * d[2], odd_p = kP * (d[3] - kQ2 * d[1]);
    const Vector even_q = d[4] - kP2 * d[2], odd_q = kQ * (d[3] - kP2 * d[1]);
    v[0] = (kP2 * kQ2) * d[0] + (d[4] - (kP2 + kQ2) * d[2]);
    v[1] = even_p + odd_p, v[2] = even_p - odd_p;
    v[3] = even_q + odd_q, v[4] = even_q - odd_q;
    v[5] = (kP2 * kQ2) * d[1] + (d[5] - (kP2 + kQ2) * d[3]);
  }
  static void WeightsOf(const Vector *g, Vector *u) {
    const Vector even_p = g[0] + kP2 * g[2], odd_p = kP * g[1];
    const Vector even_q = g[0] + kQ2 * g[2], odd_q = kQ * g[1];
    u[0] = Over(g[0], kP2 * kQ2);
    u[1] = Over(even_p + odd_p, 2 * kP2 * (kP2 - kQ2)), u[2] = Over(even_p - odd_p, 2 * kP2 * (kP2 - kQ2));
    u[3] = Over(even_q + odd_q, 2 * kQ2 * (kQ2 - kP2)), u[4] = Over(even_q - odd_q, 2 * kQ2 * (kQ2 - kP2));
    u[5] = g[2];
  }
  static void OutputOf(const Vector *p, Vector *y) {
    const Vector even_p = p[1] + p[2], odd_p = kP * (p[1] - p[2]);
    const Vector even_q = p[3] + p[4], odd_q = kQ * (p[3] - p[4]);
    y[0] = p[0] + (even_p + even_q);
    y[1] = odd_p + odd_q;
    y[2] = kP2 * even_p + kQ2 * even_q;
    y[3] = (kP2 * odd_p + kQ2 * odd_q) + p[5];
  }

 private:
  // Multiplication by a rounded 1 / y alone would be wrong in the same direction for all weights.
  static Vector Over(Vector x, double y) {
    const float high = 1 / y, low = 1 / y - high;
    return x * high + x * low;
  }
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
