// SPDX-License-Identifier: Apache-2.0
// Winograd's minimal filtering of three taps in one dimension, F(3, 3): three outputs from five
// inputs by five products.
//
// y = OutputOf(InputOf(d) * WeightsOf(g)); in two dimensions each is applied to columns and rows.
// After A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. The
// polynomials whose product a filtering is are evaluated at kA, -kA, kB, -kB and infinity: of all
// multiples of 1/8 the points where rounding is magnified least, 2.6 times in two dimensions (at 0,
// 1, -1, 2 six times; F(2, 3) 1.7 times, F(4, 3) 4.8 times at the best points). One long sum of 64
// channels loses as much (benchmarks/conv_accuracy.py).

#ifndef SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
#define SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_

#include "vector.h"

namespace slimsr {

struct Filtering {
  static constexpr float kA = 0.375f, kB = 1.25f;
  static constexpr float kAA = kA * kA, kBB = kB * kB;

  static void InputOf(const Vector *d, Vector *v) {
    const Vector even = d[3] - kBB * d[1], odd = d[2] - kBB * d[0];
    v[0] = even + kA * odd, v[1] = kA * odd - even;
    const Vector even_b = d[3] - kAA * d[1], odd_b = d[2] - kAA * d[0];
    v[2] = even_b + kB * odd_b, v[3] = kB * odd_b - even_b;
    v[4] = (d[4] - kAA * d[2]) - kBB * odd_b;
  }
  static void WeightsOf(const Vector *g, Vector *u) {
    constexpr float kOfA = 1 / (2 * kA * (kAA - kBB)), kOfB = 1 / (2 * kB * (kBB - kAA));
    const Vector even = kOfA * g[0] + kOfA * kAA * g[2], odd = kOfA * kA * g[1];
    u[0] = even + odd, u[1] = even - odd;
    const Vector even_b = kOfB * g[0] + kOfB * kBB * g[2], odd_b = kOfB * kB * g[1];
    u[2] = even_b + odd_b, u[3] = even_b - odd_b;
    u[4] = g[2];
  }
  static void OutputOf(const Vector *p, Vector *y) {
    const Vector sum = p[0] + p[1], sum_b = p[2] + p[3];
    y[0] = sum + sum_b;
    y[1] = kA * (p[0] - p[1]) + kB * (p[2] - p[3]);
    y[2] = (kAA * sum + kBB * sum_b) + p[4];
  }
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
