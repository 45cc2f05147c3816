// SPDX-License-Identifier: Apache-2.0
// Which way is the fastest for a problem.

#include <algorithm>

#include "problem.h"
#include "vector.h"

namespace slimsr {
namespace {

constexpr int64_t kMostSummed = 1024;  // channels; the error of Winograd's m = 4 grows with their root

int64_t Ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How long a convolution takes in the time of one product of two vectors. On one core with AVX-512
// what was measured lay around these for 3 to 512 channels, images of 3 x 3 to 96 x 96 and
// batches of 1 to 4, and the order of the ways was right wherever they differ by more than a fifth.

double DirectCost(const Problem &p) {
  constexpr double kWeights = 16;  // to change the layout of one weight
  const auto padded = [](int64_t channels) { return Ceil(channels, kLanes) * kLanes; };
  const double vectors = 9.0 * p.y[0] * p.y[2] * p.y[3] / kLanes;
  return (vectors + kWeights) * padded(p.x[1]) * padded(p.y[1]);
}

double WinogradCost(const Problem &p, int m) {
  constexpr double kWeights = 1, kTransform = 20;  // of one weight, or a vector of one channel, to a point
  const Dims &to = p.kind == Kind::kInputGradient ? p.x : p.y;
  const double points = (m + 2) * (m + 2), in = p.x[1], out = p.y[1];
  const double vectors = Ceil(to[0] * Ceil(to[2], m) * Ceil(to[3], m), kLanes);
  return points * (vectors * (in * out + kTransform * (in + out)) + kWeights * in * out);
}

}  // namespace

std::unique_ptr<const Plan> MakeFastest(const Problem &p) {
  const double direct = DirectCost(p), small = WinogradCost(p, 2), large = WinogradCost(p, 4);
  const bool accurate = std::max(p.x[1], p.y[1]) <= kMostSummed;
  const int m = accurate && large < small ? 4 : 2;
  if ((m == 4 ? large : small) < direct) {
    if (auto plan = MakeWinograd(p, m)) return plan;
  }
  return MakeDirect(p);
}

}  // namespace slimsr
