// SPDX-License-Identifier: Apache-2.0
// Which way is the fastest for a problem.

#include <algorithm>

#include "problem.h"
#include "vector.h"

namespace slimsr {
namespace {

// Tiles of 4 x 4 are for layers with many filters only, where they save the most: in them, unlike in tiles
// of 2 x 2, inputs that a filter does not reach change its output, by rounding. That would be
// seen in thin super-resolution networks, whose pictures are cut where nothing should change.
constexpr int64_t kManyFilters = 64 * 128;
// Channels. The error of 4 x 4 grows with their root: 6e-6 of the largest output at 1024, on noise.
constexpr int64_t kMostSummed = 1024;

int64_t Ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How long a convolution takes in the time of one product of two vectors. The constants are measured
// on one core with AVX-512: 446 cases of 3 to 512 channels, images of 3 x 3 to 96 x 96, 1 or 4
// of them. On average the cheapest way by these, without the limits above, takes 2 % longer than the fastest.

double DirectCost(const Problem &p) {
  constexpr double kCall = 40000;
  constexpr double kWeights = 16;  // to change the layout of one weight
  const auto padded = [](int64_t channels) { return Ceil(channels, kLanes) * kLanes; };
  const double vectors = 9.0 * p.y[0] * p.y[2] * p.y[3] / kLanes;
  return kCall + (vectors + kWeights) * padded(p.x[1]) * padded(p.y[1]);
}

double WinogradCost(const Problem &p, int m) {
  constexpr double kWeights = 1, kTransform = 7;  // of one weight or half a vector to one point
  const Dims &to = p.kind == Kind::kInputGradient ? p.x : p.y;
  const double points = (m + 2) * (m + 2), in = p.x[1], out = p.y[1];
  const int64_t rows = to[0] * Ceil(to[2], m), columns = Ceil(to[3], m);
  const double vectors = Ceil(rows * columns, kLanes);
  const double cut = rows * Ceil(columns, kLanes);  // vectors where none goes beyond its row
  return points * (vectors * in * out + kTransform * (vectors + cut) * (in + out) + kWeights * in * out);
}

}  // namespace

std::unique_ptr<const Plan> MakeFastest(const Problem &p) {
  const double direct = DirectCost(p), small = WinogradCost(p, 2), large = WinogradCost(p, 4);
  const bool fit = p.x[1] * p.y[1] >= kManyFilters && std::max(p.x[1], p.y[1]) <= kMostSummed;
  const int m = fit && large < small ? 4 : 2;
  if ((m == 4 ? large : small) < direct) {
    if (auto plan = MakeWinograd(p, m)) return plan;
  }
  return MakeDirect(p);
}

}  // namespace slimsr
