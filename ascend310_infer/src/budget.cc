// SPDX-License-Identifier: Apache-2.0
#include "budget.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "error.h"
#include "picture.h"

namespace slimsr {

namespace {

std::string Text(const char *format, double value) {
  char text[64];
  std::snprintf(text, sizeof(text), format, value);
  return text;
}

}  // namespace

cv::Size LargestPicture(const std::vector<Job> &jobs) {
  std::vector<std::pair<int, const Job *>> by_area;
  const auto try_it = [](const std::function<void()> &read) {
    try {
      read();
    } catch (const std::exception &) {
      // The pipeline will report it.
    }
  };
  for (const Job &job : jobs) {
    try_it([&] { by_area.emplace_back(SizeOfPicture(ReadFile(job.input)).area(), &job); });
  }
  std::stable_sort(by_area.begin(), by_area.end(),
                   [](const auto &a, const auto &b) { return a.first > b.first; });
  for (const auto &[area, job] : by_area) {  // a header may claim what is not there
    cv::Size size;
    std::string ignored;
    try_it([&, job = job] { size = DecodePicture(ReadFile(job->input), &ignored).size(); });
    if (!size.empty()) {
      return size;
    }
  }
  throw InputError("no picture of --input can be read, expected at least one to measure " +
                   std::string("--budget_ms for; mend them"));
}

size_t ChooseByBudget(const std::vector<double> &widths, double budget_ms,
                      const std::function<double(size_t)> &measure) {
  std::printf("width  ms per picture\n");
  std::string measured;
  for (size_t i = 0; i < widths.size(); ++i) {
    const double milliseconds = measure(i);
    std::printf("%-5g %15.1f\n", widths[i], milliseconds);
    std::fflush(stdout);
    if (milliseconds <= budget_ms) {
      return i;
    }
    measured += (i == 0 ? "" : ", ") + Text("width %g", widths[i]) + Text(" %.1f ms", milliseconds);
  }
  throw InputError("--budget_ms " + Text("%g", budget_ms) +
                   ", expected at least what one width takes here (" + measured +
                   "); give more, or export a smaller width");
}

}  // namespace slimsr
