// SPDX-License-Identifier: Apache-2.0
// 2-D convolution and its gradients for float32 on CPUs, as custom operators of MindSpore.

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "operator.h"
#include "pool.h"
#include "problem.h"

namespace {

using slimsr::Dims;
using slimsr::Kind;
using slimsr::Plan;
using slimsr::Pool;
using slimsr::Problem;

constexpr size_t kMostPlans = 512;

// Returns the plan of a problem; of many, the least recently used are forgotten.
std::shared_ptr<const Plan> PlanOf(const Problem &problem) {
  struct Entry {
    std::shared_ptr<const Plan> plan;
    int64_t used;
  };
  static auto *mutex = new std::mutex;
  static auto *plans = new std::map<std::vector<int64_t>, Entry>;
  static int64_t clock = 0;
  const auto key = problem.Key();
  {
    std::lock_guard<std::mutex> lock(*mutex);
    const auto found = plans->find(key);
    if (found != plans->end()) {
      found->second.used = ++clock;
      return found->second.plan;
    }
  }
  // Takes milliseconds; two threads may both do it.
  std::shared_ptr<const Plan> plan = slimsr::MakeBest(problem);
  std::lock_guard<std::mutex> lock(*mutex);
  if (plans->size() >= kMostPlans) {
    plans->erase(std::min_element(plans->begin(), plans->end(),
                                  [](const auto &a, const auto &b) { return a.second.used < b.second.used; }));
  }
  (*plans)[key] = {plan, ++clock};
  return plan;
}

Dims Shape(int ndim, const int64_t *shape) { return Dims(shape, shape + ndim); }

// `geometry`: stride of rows and columns, rows above and columns at the left, groups, ReLU.
Problem Describe(Kind kind, const void *geometry, Dims x, Dims w, Dims y, bool bias) {
  const auto *g = static_cast<const int64_t *>(geometry);
  return {kind, std::move(x), std::move(w), std::move(y), g[0], g[1], g[2], g[3], g[4], bias, g[5] != 0};
}

}  // namespace

SLIMSR_EXPORT void SlimSetThreads(int threads) { Pool::Get().SetThreads(threads); }

SLIMSR_OPERATOR(SlimConv)(int count, void **data, int *ndims, int64_t **shapes, const char **, void *, void *) {
  return slimsr::Guarded([&] {  // x, w, [bias], geometry; y
    const bool bias = count == 5;
    const int last = count - 1;
    const auto problem = Describe(Kind::kForward, data[last - 1], Shape(ndims[0], shapes[0]),
                                  Shape(ndims[1], shapes[1]), Shape(ndims[last], shapes[last]), bias);
    auto **arrays = reinterpret_cast<float **>(data);
    PlanOf(problem)->Run(arrays[0], arrays[last], arrays[1], bias ? arrays[2] : nullptr);
  });
}

SLIMSR_OPERATOR(SlimConvInputGradient)(int, void **data, int *ndims, int64_t **shapes, const char **, void *, void *) {
  return slimsr::Guarded([&] {  // dy, w, geometry; dx
    const auto problem = Describe(Kind::kInputGradient, data[2], Shape(ndims[3], shapes[3]),
                                  Shape(ndims[1], shapes[1]), Shape(ndims[0], shapes[0]), false);
    auto **arrays = reinterpret_cast<float **>(data);
    PlanOf(problem)->Run(arrays[3], arrays[0], arrays[1], nullptr);
  });
}

SLIMSR_OPERATOR(SlimConvWeightGradient)(int count, void **data, int *ndims, int64_t **shapes, const char **, void *, void *) {
  return slimsr::Guarded([&] {  // x, dy, geometry; dw, [dbias]
    const auto problem = Describe(Kind::kWeightGradient, data[2], Shape(ndims[0], shapes[0]),
                                  Shape(ndims[3], shapes[3]), Shape(ndims[1], shapes[1]), count == 5);
    auto **arrays = reinterpret_cast<float **>(data);
    PlanOf(problem)->Run(arrays[0], arrays[1], arrays[3], count == 5 ? arrays[4] : nullptr);
  });
}
