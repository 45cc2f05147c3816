// SPDX-License-Identifier: Apache-2.0
#include "upscaler.h"

#include "error.h"
#include "fake_engine.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

constexpr int kRadius = 3;

class UpscalerTest : public ::testing::Test {
 protected:
  cv::Mat Run(const cv::Mat &picture, const Tiling &tiling) {
    Upscaler upscaler(&engine_, tiling, kScale, &stop_);
    return upscaler.Run(picture, &times_);
  }

  // In one tile.
  cv::Mat Whole(const cv::Mat &picture) {
    return Run(picture, {{1, picture.rows, picture.cols}, false, false, 0, false});
  }

  static cv::Mat Noise(int height, int width) {
    cv::Mat picture(height, width, CV_8UC3);
    cv::theRNG().state = 7;
    cv::randu(picture, 0, 256);
    return picture;
  }

  FakeEngine engine_{kScale, kRadius};
  std::atomic<bool> stop_{false};
  TileTimes times_;
};

TEST_F(UpscalerTest, TiledEqualsWhole) {
  for (const int batch : {1, 4}) {
    for (const bool fixed_batch : {false, true}) {
      for (const cv::Size size :
           {cv::Size(50, 41), cv::Size(17, 70), cv::Size(5, 60), cv::Size(1, 1)}) {
        const cv::Mat picture = Noise(size.height, size.width);
        const cv::Mat tiled = Run(picture, {{batch, 16, 20}, false, fixed_batch, kRadius, false});
        EXPECT_EQ(cv::norm(tiled, Whole(picture), cv::NORM_INF), 0) << size << batch;
      }
    }
  }
}

TEST_F(UpscalerTest, ANetworkBehindAippGetsBytes) {
  BytesEngine engine;
  for (const int batch : {1, 3}) {
    Upscaler upscaler(&engine, {{batch, 16, 20}, true, true, 4, false}, 1, &stop_);
    upscaler.CheckScale();
    const cv::Mat picture = Noise(50, 41);
    EXPECT_EQ(cv::norm(upscaler.Run(picture, &times_), picture, cv::NORM_INF), 0);
  }
}

TEST(CheckResultFits, BytesOfTheResult) {
  EXPECT_EQ(MessageOf<InputError>([] { CheckResultFits({10, 20}, 4, 10 * 20 * 16 * 3); }), "");
  const std::string refused =
      MessageOf<InputError>([] { CheckResultFits({1 << 14, 1 << 14}, 16, uint64_t{64} << 30); });
  EXPECT_NE(refused.find("262144x262144 pixels"), std::string::npos) << refused;
  EXPECT_NE(refused.find("65536 MiB"), std::string::npos) << refused;
}

TEST_F(UpscalerTest, ChannelsKeepTheirPlaces) {
  const cv::Mat picture(20, 20, CV_8UC3, cv::Scalar(10, 100, 200));
  const cv::Vec3b middle = Whole(picture).at<cv::Vec3b>(20, 20);
  EXPECT_EQ(middle, cv::Vec3b(10, 100, 200));
}

TEST_F(UpscalerTest, CrossFadeChangesNothingWhereTilesAgree) {
  const cv::Mat picture = Noise(50, 50);  // half the overlap is left where the zones end
  const cv::Mat faded = Run(picture, {{1, 20, 20}, false, false, 2 * kRadius, true});
  EXPECT_LE(cv::norm(faded, Whole(picture), cv::NORM_INF), 1);
}

TEST_F(UpscalerTest, AFixedBatchIsFilledAndAFreeOneCut) {
  const cv::Mat picture = Noise(30, 45);  // 2 x 4 keeps of at most 14 in tiles of 20: 8 tiles
  Run(picture, {{5, 20, 20}, false, false, kRadius, false});
  ASSERT_EQ(engine_.shapes.size(), 2U);
  EXPECT_EQ(engine_.shapes[0].batch, 5);
  EXPECT_EQ(engine_.shapes[1].batch, times_.tiles - 5);
  engine_.shapes.clear();
  Run(picture, {{5, 20, 20}, false, true, kRadius, false});
  ASSERT_EQ(engine_.shapes.size(), 2U);
  EXPECT_EQ(engine_.shapes[1].batch, 5);
}

TEST_F(UpscalerTest, ASmallPictureIsExtendedToAFixedTile) {
  const cv::Mat picture = Noise(9, 40);
  const cv::Mat result = Run(picture, {{1, 16, 16}, true, true, kRadius, false});
  for (const TileShape &shape : engine_.shapes) {
    EXPECT_EQ(shape.height, 16);
    EXPECT_EQ(shape.width, 16);
  }
  ASSERT_EQ(result.size(), cv::Size(80, 18));
  cv::Mat extended;
  cv::copyMakeBorder(picture, extended, 0, 7, 0, 0, cv::BORDER_REPLICATE);
  EXPECT_EQ(cv::norm(result, Whole(extended).rowRange(0, 18), cv::NORM_INF), 0);
}

TEST_F(UpscalerTest, ANetworkOfAnotherScaleIsRefused) {
  const Tiling tiling = {{2, 32, 32}, false, false, kRadius, false};
  Upscaler(&engine_, tiling, kScale, &stop_).CheckScale();
  EXPECT_EQ(engine_.shapes.back().batch, 1);
  Upscaler wrong(&engine_, tiling, 3, &stop_);
  const std::string message = MessageOf<InputError>([&] { wrong.CheckScale(); });
  EXPECT_NE(message.find("made 1x3x32x32 of 1x3x16x16, not 1x3x48x48, expected scale 3"),
            std::string::npos)
      << message;
}

TEST_F(UpscalerTest, TheCheckOfAFixedNetworkRunsItsOwnShape) {
  Upscaler(&engine_, {{2, 32, 48}, true, true, kRadius, false}, kScale, &stop_).CheckScale();
  EXPECT_EQ(engine_.shapes.back().batch, 2);
  EXPECT_EQ(engine_.shapes.back().height, 32);
  EXPECT_EQ(engine_.shapes.back().width, 48);
}

TEST_F(UpscalerTest, MeasuresAWarmUpAndFiveRuns) {
  Upscaler upscaler(&engine_, {{1, 20, 20}, false, false, kRadius, false}, kScale, &stop_);
  EXPECT_GT(upscaler.Measure(upscaler.Plan({45, 30})), 0);
  EXPECT_EQ(engine_.shapes.size(), 6U);
}

TEST_F(UpscalerTest, StopsBetweenBatches) {
  stop_ = true;
  EXPECT_THROW(Whole(Noise(4, 4)), Interrupted);
  EXPECT_TRUE(engine_.shapes.empty());
}

}  // namespace
}  // namespace slimsr
