// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace slimsr {
namespace {

RunReport Example() {
  RunReport report;
  report.engine = "openvino";
  report.device = "CPU";
  report.precision = "f32";
  report.model = "w1.onnx";
  report.model_width = 0.5;
  report.scale = 3;
  report.tiling = {{2, 96, 128}, true, true, 16, false};
  report.seconds = 2;
  report.pictures = {{"a/b.png", "a/b.jpg", Outcome::kDone, "", 10, 20, 3, 1, 2.5, 3},
                     {"bad.png", "bad.jpg", Outcome::kWrongInput, "cut short", 0, 0, 0, 0, 0, 0},
                     {"lost.png", "lost.jpg", Outcome::kFailed, "device lost", 9, 9, 0, 1, 0, 0},
                     {"late.png", "late.jpg", Outcome::kNotReached, "", 0, 0, 0, 0, 0, 0},
                     {"c\xff.png", "c\xff.jpg", Outcome::kDone, "", 1, 1, 1, 0.5, 0.5, 0.5}};
  return report;
}

TEST(Percentile, NearestRank) {
  EXPECT_EQ(Percentile({}, 50), 0);
  EXPECT_EQ(Percentile({7}, 99), 7);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 50), 2);
  EXPECT_EQ(Percentile({4, 1, 3, 2}, 51), 3);
  std::vector<double> hundred;
  for (int i = 100; i >= 1; --i) {
    hundred.push_back(i);
  }
  EXPECT_EQ(Percentile(hundred, 90), 90);
  EXPECT_EQ(Percentile(hundred, 99), 99);
}

TEST(Report, JsonHoldsPicturesErrorsAndTotals) {
  const std::string json = ReportJson(Example());
  const auto expected = nlohmann::json::parse(R"({
    "engine": "openvino", "device": "CPU", "model": "w1.onnx", "width": 0.5, "scale": 3,
    "tile": [96, 128], "overlap": 16, "cross_fade": false, "batch": 2, "precision": "f32",
    "pictures": [
      {"name": "a/b.png", "result": "a/b.jpg", "height": 10, "width": 20, "tiles": 3,
       "pre_ms": 1, "infer_ms": 2.5, "post_ms": 3},
      {"name": "bad.png", "error": "cut short"},
      {"name": "lost.png", "error": "device lost"},
      {"name": "late.png", "error": "interrupted"},
      {"name": "c\ufffd.png", "result": "c\ufffd.jpg", "height": 1, "width": 1, "tiles": 1,
       "pre_ms": 0.5, "infer_ms": 0.5, "post_ms": 0.5}],
    "total": {"pictures": 5, "failed": 2, "not_reached": 1, "seconds": 2, "pictures_per_second": 1,
              "p50_ms": 1.5, "p90_ms": 6.5, "p99_ms": 6.5}})");
  EXPECT_TRUE(nlohmann::json::parse(json) == expected) << json;
}

TEST(Report, TheRecordTellsTheModel) {
  RunReport report = Example();
  report.sha256 = "abc";
  EXPECT_TRUE(nlohmann::json::parse(RecordJson(report)) == nlohmann::json::parse(R"({
    "program": "ascend310_infer", "model": "w1.onnx", "sha256": "abc", "width": 0.5, "scale": 3})"));
}

TEST(Report, SummaryInOneLine) {
  EXPECT_EQ(
      SummaryLine(Example()),
      "2 of 5 pictures in 2.00 s, 1.00 pictures/s, ms per picture: p50 1.5, p90 6.5, p99 6.5");
}

}  // namespace
}  // namespace slimsr
