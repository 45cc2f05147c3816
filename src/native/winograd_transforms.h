// SPDX-License-Identifier: Apache-2.0
// Winograd's minimal filtering of three taps in one dimension, F(m, 3): m outputs from m + 2 inputs
// by m + 2 products, for m = 2 and 4.
//
// y = OutputOf(InputOf(d) * WeightsOf(g)); in two dimensions each is applied to columns and rows.
// After A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. There
// F(4, 3) has the points 0, +-1, +-2; here they are 0, +-1/sqrt(2), +-sqrt(2), whose powers are closer
// to one: the error, against float64 on noise, is 3e-6 of the largest output at 512 channels
// instead of 2e-5 (F(2, 3): 8e-7).

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
  static constexpr float kA = 0.707106781186547524f, kB = 1.41421356237309505f;  // the points; kA * kB is 1

  static void InputOf(const Vector *d, Vector *v) {
    const Vector even_a = d[4] - 2.f * d[2], odd_a = kA * (d[3] - 2.f * d[1]);
    const Vector even_b = d[4] - 0.5f * d[2], odd_b = kB * (d[3] - 0.5f * d[1]);
    v[0] = (d[0] + d[4]) - 2.5f * d[2];
    v[1] = even_a + odd_a, v[2] = even_a - odd_a;
    v[3] = even_b + odd_b, v[4] = even_b - odd_b;
    v[5] = (d[1] + d[5]) - 2.5f * d[3];
  }
  static void WeightsOf(const Vector *g, Vector *u) {
    const Vector even_a = (-2.f / 3.f) * (g[0] + 0.5f * g[2]), odd_a = (-2.f / 3.f * kA) * g[1];
    const Vector even_b = (1.f / 6.f) * (g[0] + 2.f * g[2]), odd_b = (1.f / 6.f * kB) * g[1];
    u[0] = g[0];
    u[1] = even_a + odd_a, u[2] = even_a - odd_a;
    u[3] = even_b + odd_b, u[4] = even_b - odd_b;
    u[5] = g[2];
  }
  static void OutputOf(const Vector *p, Vector *y) {
    const Vector even_a = p[1] + p[2], odd_a = kA * (p[1] - p[2]);
    const Vector even_b = p[3] + p[4], odd_b = kB * (p[3] - p[4]);
    y[0] = p[0] + (even_a + even_b);
    y[1] = odd_a + odd_b;
    y[2] = 0.5f * even_a + 2.f * even_b;
    y[3] = (0.5f * odd_a + 2.f * odd_b) + p[5];
  }
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_WINOGRAD_TRANSFORMS_H_
