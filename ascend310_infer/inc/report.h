// SPDX-License-Identifier: Apache-2.0
// What was done and how long it took, as JSON and as one line.
#ifndef SLIMSR_REPORT_H_
#define SLIMSR_REPORT_H_

#include <string>
#include <string_view>
#include <vector>

#include "upscaler.h"

namespace slimsr {

enum class Outcome { kNotReached, kDone, kWrongInput, kFailed };

struct PictureReport {
  std::string name, result;  // relative to the input and the output folder
  Outcome outcome = Outcome::kNotReached;
  std::string error;
  int height = 0, width = 0, tiles = 0;
  double pre_ms = 0, infer_ms = 0, post_ms = 0;

  double TotalMs() const { return pre_ms + infer_ms + post_ms; }
};

struct RunReport {
  std::string engine, device, model, sha256, precision;
  double model_width = 0;
  int scale = 0;
  Tiling tiling{};
  double seconds = 0;
  std::vector<PictureReport> pictures;

  int Count(Outcome outcome) const;
};

// The smallest value that at least `percent` of the values do not exceed; 0 of none.
double Percentile(std::vector<double> values, double percent);

std::string ReportJson(const RunReport &report);

// What tells that the output folder holds results, and of which model.
std::string RecordJson(const RunReport &report);

// Whether a record is of this program; that of upscale.py has the same name.
bool IsOwnRecord(std::string_view record);

std::string SummaryLine(const RunReport &report);

}  // namespace slimsr

#endif  // SLIMSR_REPORT_H_
