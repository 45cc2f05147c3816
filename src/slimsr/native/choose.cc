// SPDX-License-Identifier: Apache-2.0
// Which way is the best for a problem.

#include <algorithm>

#include "problem.h"
#include "winograd_kernel.h"

namespace slimsr {
namespace {

// oneDNN adds up all channels and pixels of a filter one after another. From about so many channels
// on that is off by more than Winograd's sums of sums are.
constexpr int64_t kManySummed = 64;
// Winograd's differences of a picture's pixels, large numbers of one sign, lose digits, and of the
// three channels of a picture they save little.
constexpr int64_t kFewSummed = 8;
// Of weight gradients, which sum up tiles: channels that each tile of an image pays for.
constexpr int64_t kChannelsOfATile = 8;

// How long a convolution takes in the time of one product of two vectors. The constants were
// measured on one core with AVX-512. Always of 4 images: the processes that share a batch have to
// round as one alone does.
constexpr int64_t kImages = 4;
// The one that depends on the lanes most, by benchmarks/conv_kernels.py (docs/results/speed.md).
constexpr double kTransform = kLanes == 16 ? 5 : 2;

double DirectCost(const Problem &p) {
  constexpr double kCall = 40000;
  constexpr double kWeights = 16;  // to change the layout of one weight
  const auto padded = [](int64_t channels) { return Ceil(channels, kLanes) * kLanes; };
  const double vectors = 9.0 * kImages * p.y[2] * p.y[3] / kLanes;
  return kCall + (vectors + kWeights) * padded(p.x[1]) * padded(p.y[1]);
}

// `transform`: of one weight or half a vector to one point.
double WinogradCost(const Problem &p, double transform) {
  constexpr double kWeights = 1;
  const Dims &to = p.kind == Kind::kInputGradient ? p.x : p.y;
  const double in = p.x[1], out = p.y[1];
  const int64_t rows = kImages * Ceil(to[2], WinogradKernel::kTile),
                columns = Ceil(to[3], WinogradKernel::kTile);
  const double vectors = Ceil(rows * columns, kLanes);
  const double cut = rows * Ceil(columns, kLanes);  // vectors where none goes beyond its row
  return WinogradKernel::kPoints *
         (vectors * in * out + transform * (vectors + cut) * (in + out) + kWeights * in * out);
}

}  // namespace

bool WinogradPays(const Problem &p, double transform) {
  if (p.kind == Kind::kWeightGradient) {
    // In nearly every case: the sums of all channels pay once a few tiles are added to them.
    const int64_t tiles = Ceil(p.y[2], WinogradKernel::kTile) * Ceil(p.y[3], WinogradKernel::kTile);
    return p.x[1] >= kFewSummed && kChannelsOfATile * tiles >= std::max(p.x[1], p.y[1]);
  }
  const int64_t summed = p.kind == Kind::kInputGradient ? p.y[1] : p.x[1];
  const bool picture = p.kind == Kind::kForward && summed < kFewSummed;
  return summed >= kManySummed || (!picture && WinogradCost(p, transform) < DirectCost(p));
}

std::unique_ptr<const Plan> MakeBest(const Problem &p) {
  if (WinogradPays(p, kTransform)) {
    if (auto plan = MakeWinograd(p)) return plan;
  }
  return MakeDirect(p);
}

}  // namespace slimsr
