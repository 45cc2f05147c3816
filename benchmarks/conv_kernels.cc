// SPDX-License-Identifier: Apache-2.0
// Times the ways of src/slimsr/native to convolve, on one thread, for benchmarks/conv_kernels.py.
//
// conv_kernels SECONDS KIND INPUTS OUTPUTS SIDE BATCH: prints the median ms of oneDNN's way and of
// Winograd's (0 where it has none), the largest difference of their results over the largest result,
// and the largest whole number for `transform` with which Winograd's is taken (0: none, 99: all).

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

#include "pool.h"
#include "problem.h"

namespace {

using Floats = std::vector<float>;

double Milliseconds(const slimsr::Plan &plan, std::vector<Floats> &arrays, double seconds) {
  std::vector<double> found;
  for (double total = 0; total < 1e3 * seconds || found.size() < 5; total += found.back()) {
    const auto begin = std::chrono::steady_clock::now();
    plan.Run(arrays[0].data(), arrays[1].data(), arrays[2].data(), nullptr);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    found.push_back(took.count());
  }
  std::nth_element(found.begin(), found.begin() + found.size() / 2, found.end());
  return found[found.size() / 2];
}

}  // namespace

int main(int, char **argv) {
  const double seconds = std::atof(argv[1]);
  const auto kind = static_cast<slimsr::Kind>(std::atoi(argv[2]));
  const int64_t inputs = std::atoi(argv[3]), outputs = std::atoi(argv[4]);
  const int64_t side = std::atoi(argv[5]), batch = std::atoi(argv[6]);
  slimsr::Pool::Get().SetThreads(1);
  const slimsr::Dims x = {batch, inputs, side, side}, filters = {outputs, inputs, 3, 3},
                     y = {batch, outputs, side, side};
  const slimsr::Problem problem = {kind, x, filters, y, 1, 1, 1, 1, 1, false, false};
  std::mt19937 random(0);
  std::normal_distribution<float> normal;
  std::vector<Floats> arrays;
  for (const slimsr::Dims &dims : {x, y, filters}) {
    arrays.emplace_back(slimsr::Size(dims));
    for (float &value : arrays.back()) value = normal(random);
  }
  // What is written: y, dx or dw.
  Floats &result = arrays[kind == slimsr::Kind::kForward ? 1
                          : kind == slimsr::Kind::kInputGradient ? 0 : 2];
  const double direct = Milliseconds(*slimsr::MakeDirect(problem), arrays, seconds);
  const Floats first = result;
  double winograd = 0, largest = 0, off = 0;
  if (const auto plan = slimsr::MakeWinograd(problem)) {
    winograd = Milliseconds(*plan, arrays, seconds);
    for (size_t i = 0; i < first.size(); ++i) {
      largest = std::fmax(largest, std::fabs(first[i]));
      off = std::fmax(off, std::fabs(first[i] - result[i]));
    }
    off /= largest;
  }
  int transform = 0;
  while (transform < 99 && slimsr::WinogradPays(problem, transform + 1)) ++transform;
  std::printf("%.4f %.4f %.2g %d\n", direct, winograd, off, transform);
}
