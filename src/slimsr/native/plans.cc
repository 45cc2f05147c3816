// SPDX-License-Identifier: Apache-2.0
// Plans that were made are kept.

#include <algorithm>
#include <map>
#include <memory>
#include <mutex>

#include "problem.h"

namespace slimsr {
namespace {

constexpr size_t kMostPlans = 512;

}  // namespace

// Of many, the least recently used are forgotten.
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
  std::shared_ptr<const Plan> plan = MakeBest(problem);
  std::lock_guard<std::mutex> lock(*mutex);
  if (plans->size() >= kMostPlans) {
    plans->erase(std::min_element(plans->begin(), plans->end(), [](const auto &a, const auto &b) {
      return a.second.used < b.second.used;
    }));
  }
  (*plans)[key] = {plan, ++clock};
  return plan;
}

}  // namespace slimsr
