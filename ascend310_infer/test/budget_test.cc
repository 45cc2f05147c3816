// SPDX-License-Identifier: Apache-2.0
#include "budget.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>

#include "error.h"
#include "folder_fixture.h"
#include "picture.h"

namespace slimsr {
namespace {

TEST(ChooseByBudget, TakesTheWidestThatMeetsItAndMeasuresNoFurther) {
  const std::vector<double> times = {80, 40, 20};
  size_t measured = 0;
  const auto measure = [&](size_t i) {
    ++measured;
    return times[i];
  };
  EXPECT_EQ(ChooseByBudget({1, 0.5, 0.25}, 40, measure), 1U);
  EXPECT_EQ(measured, 2U);
}

TEST(ChooseByBudget, SaysWhatWasMeasuredIfNoneMeetsIt) {
  const std::string message = MessageOf<InputError>(
      [] { ChooseByBudget({1, 0.25}, 3, [](size_t i) { return i == 0 ? 80.0 : 20.04; }); });
  EXPECT_NE(message.find("--budget_ms 3, expected"), std::string::npos) << message;
  EXPECT_NE(message.find("width 1 80.0 ms, width 0.25 20.0 ms"), std::string::npos) << message;
}

using LargestPictureTest = FolderTest;

TEST_F(LargestPictureTest, ByPixelsWithoutTheBrokenOnes) {
  const Job broken{"a.png", Put("a.png", "nonsense"), {}};
  EXPECT_NE(MessageOf<InputError>([&] { LargestPicture({broken}); }), "");
  const Job wide{"b.png", folder_ / "b.png", {}}, square{"c.png", folder_ / "c.png", {}};
  cv::imwrite(wide.input.string(), cv::Mat(2, 30, CV_8UC3, cv::Scalar::all(1)));
  cv::imwrite(square.input.string(), cv::Mat(9, 8, CV_8UC3, cv::Scalar::all(1)));
  EXPECT_EQ(LargestPicture({broken, wide, square}), cv::Size(8, 9));
  // By its header this one is the largest; its pixels cannot be read.
  std::vector<unsigned char> file;
  cv::imencode(".png", cv::Mat(50, 50, CV_8UC3, cv::Scalar::all(1)), file);
  constexpr size_t kPixels = 45;
  std::fill(file.begin() + kPixels, file.begin() + kPixels + 8, 0xff);
  const Job damaged{"d.png", Put("d.png", std::string(file.begin(), file.end())), {}};
  EXPECT_EQ(SizeOfPicture(ReadFile(damaged.input)), cv::Size(50, 50));
  EXPECT_EQ(LargestPicture({damaged, wide, square}), cv::Size(8, 9));
}

}  // namespace
}  // namespace slimsr
