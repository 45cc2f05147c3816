// SPDX-License-Identifier: Apache-2.0
#include "budget.h"

#include <cstdio>

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
  cv::Size largest;
  for (const Job &job : jobs) {
    try {
      std::string ignored;
      const cv::Size size = DecodePicture(ReadFile(job.input), &ignored).size();
      if (size.area() > largest.area()) {
        largest = size;
      }
    } catch (const std::exception &) {
      // The pipeline will report it.
    }
  }
  if (largest.empty()) {
    throw InputError("no picture of --input can be read, expected at least one to measure " +
                     std::string("--budget_ms for; mend them"));
  }
  return largest;
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
