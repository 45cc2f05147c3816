// SPDX-License-Identifier: Apache-2.0
// The width by a budget of time, measured on this machine.
#ifndef SLIMSR_BUDGET_H_
#define SLIMSR_BUDGET_H_

#include <functional>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "files.h"

namespace slimsr {

// Size of the picture with the most pixels; pictures that cannot be read are left out. Throws
// InputError if none can be.
cv::Size LargestPicture(const std::vector<Job> &jobs);

// `widths`: from the widest down. Returns the index of the first for which `measure` gives at most
// `budget_ms`, and prints what was measured. Throws InputError if there is none.
size_t ChooseByBudget(const std::vector<double> &widths, double budget_ms,
                      const std::function<double(size_t)> &measure);

}  // namespace slimsr

#endif  // SLIMSR_BUDGET_H_
