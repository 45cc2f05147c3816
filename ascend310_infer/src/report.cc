// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace slimsr {

namespace {

std::vector<double> Times(const RunReport &report) {
  std::vector<double> times;
  for (const PictureReport &picture : report.pictures) {
    if (picture.outcome == Outcome::kDone) {
      times.push_back(picture.TotalMs());
    }
  }
  return times;
}

double PerSecond(const RunReport &report) {
  return report.seconds > 0 ? report.Count(Outcome::kDone) / report.seconds : 0;
}

double Rounded(double milliseconds) { return std::round(milliseconds * 1000) / 1000; }

}  // namespace

int RunReport::Count(Outcome outcome) const {
  return static_cast<int>(
      std::count_if(pictures.begin(), pictures.end(),
                    [=](const PictureReport &picture) { return picture.outcome == outcome; }));
}

double Percentile(std::vector<double> values, double percent) {
  if (values.empty()) {
    return 0;
  }
  std::sort(values.begin(), values.end());
  const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
  return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

std::string ReportJson(const RunReport &report) {
  using nlohmann::ordered_json;
  ordered_json pictures = ordered_json::array();
  for (const PictureReport &picture : report.pictures) {
    ordered_json entry = {{"name", picture.name}};
    if (picture.outcome == Outcome::kDone) {
      entry["result"] = picture.result;
      entry["height"] = picture.height;
      entry["width"] = picture.width;
      entry["tiles"] = picture.tiles;
      entry["pre_ms"] = Rounded(picture.pre_ms);
      entry["infer_ms"] = Rounded(picture.infer_ms);
      entry["post_ms"] = Rounded(picture.post_ms);
    } else {
      entry["error"] = picture.outcome == Outcome::kNotReached ? "interrupted" : picture.error;
    }
    pictures.push_back(entry);
  }
  const std::vector<double> times = Times(report);
  const ordered_json root = {
      {"engine", report.engine},
      {"device", report.device},
      {"model", report.model},
      {"width", report.model_width},
      {"scale", report.scale},
      {"tile", {report.tiling.tile.height, report.tiling.tile.width}},
      {"overlap", report.tiling.overlap},
      {"cross_fade", report.tiling.cross_fade},
      {"batch", report.tiling.tile.batch},
      {"precision", report.precision},
      {"pictures", pictures},
      {"total",
       {{"pictures", report.pictures.size()},
        {"failed", report.Count(Outcome::kWrongInput) + report.Count(Outcome::kFailed)},
        {"not_reached", report.Count(Outcome::kNotReached)},
        {"seconds", Rounded(report.seconds)},
        {"pictures_per_second", Rounded(PerSecond(report))},
        {"p50_ms", Rounded(Percentile(times, 50))},
        {"p90_ms", Rounded(Percentile(times, 90))},
        {"p99_ms", Rounded(Percentile(times, 99))}}},
  };
  // A file name may be no UTF-8.
  return root.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string RecordJson(const RunReport &report) {
  const nlohmann::ordered_json record = {{"program", "ascend310_infer"},
                                         {"model", report.model},
                                         {"sha256", report.sha256},
                                         {"width", report.model_width},
                                         {"scale", report.scale}};
  return record.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

bool IsOwnRecord(std::string_view record) {
  return record.find(R"("program": "ascend310_infer")") != std::string_view::npos;
}

std::string SummaryLine(const RunReport &report) {
  const std::vector<double> times = Times(report);
  char line[256];
  std::snprintf(
      line, sizeof(line),
      "%d of %zu pictures in %.2f s, %.2f pictures/s, ms per picture: p50 %.1f, p90 %.1f, "
      "p99 %.1f",
      report.Count(Outcome::kDone), report.pictures.size(), report.seconds, PerSecond(report),
      Percentile(times, 50), Percentile(times, 90), Percentile(times, 99));
  return line;
}

}  // namespace slimsr
