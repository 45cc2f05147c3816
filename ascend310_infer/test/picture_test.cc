// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <gtest/gtest.h>

#include <opencv2/imgcodecs.hpp>

#include "error.h"
#include "folder_fixture.h"
#include "raster.h"

namespace slimsr {
namespace {

cv::Mat Noise(int height, int width) {
  cv::Mat picture(height, width, CV_8UC3);
  cv::theRNG().state = 1;
  cv::randu(picture, 0, 256);
  return picture;
}

double LargestDifference(const cv::Mat &a, const cv::Mat &b) {
  return cv::norm(a, b, cv::NORM_INF);
}

std::string WhyRefused(const Bytes &file) {
  std::string warning;
  return MessageOf<InputError>([&] { DecodePicture(file, &warning); });
}

Bytes Encode(const std::string &suffix, const std::vector<int> &parameters = {}) {
  Bytes file;
  cv::imencode(suffix, Noise(40, 50), file, parameters);
  return file;
}

TEST(Picture, FormatsWithoutLossGiveTheSamePixels) {
  const cv::Mat picture = Noise(21, 34);
  for (const char *format : {"png", "webp", "tiff"}) {
    std::string warning;
    const cv::Mat decoded = DecodePicture(EncodePicture(picture, format), &warning);
    EXPECT_EQ(LargestDifference(decoded, picture), 0) << format;
    EXPECT_EQ(warning, "");
  }
}

TEST(Picture, JpegIsOfHighQuality) {
  cv::Mat picture(64, 64, CV_8UC3);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      picture.at<cv::Vec3b>(y, x) = cv::Vec3b(3 * x, 2 * y + x, 255 - 3 * y);
    }
  }
  std::string warning;
  const cv::Mat decoded = DecodePicture(EncodePicture(picture, "jpg"), &warning);
  EXPECT_LE(LargestDifference(decoded, picture), 8);
}

TEST(Picture, ItsSizeIsInTheHeader) {
  const std::vector<int> lossy = {cv::IMWRITE_WEBP_QUALITY, 60};
  for (const Bytes &file : {Encode(".png"), Encode(".jpg"), Encode(".webp"), Encode(".webp", lossy),
                            Encode(".tiff"), Encode(".bmp")}) {
    EXPECT_EQ(SizeOfPicture(file), cv::Size(50, 40));
  }
  Bytes turned = Encode(".jpg");  // by EXIF's orientation 6, a quarter
  constexpr unsigned char kExif[] = {0xff, 0xe1, 0, 34, 'E', 'x', 'i', 'f', 0,    0, 'I', 'I',
                                     42,   0,    8, 0,  0,   0,   1,   0,   0x12, 1, 3,   0,
                                     1,    0,    0, 0,  6,   0,   0,   0,   0,    0, 0,   0};
  turned.insert(turned.begin() + 2, std::begin(kExif), std::end(kExif));
  std::string warning;
  EXPECT_EQ(SizeOfPicture(turned), cv::Size(40, 50));
  EXPECT_EQ(DecodePicture(turned, &warning).size(), cv::Size(40, 50));
}

TEST(Picture, EveryCutOfPngJpegAndWebpIsSeen) {
  for (const Bytes &whole : {Encode(".png"), Encode(".jpg"), Encode(".webp"),
                             Encode(".jpg", {cv::IMWRITE_JPEG_PROGRESSIVE, 1}),
                             Encode(".jpg", {cv::IMWRITE_JPEG_RST_INTERVAL, 2})}) {
    EXPECT_TRUE(IsWhole(whole));
    for (size_t length = 12; length + 5 < whole.size(); ++length) {
      ASSERT_FALSE(IsWhole(Bytes(whole.begin(), whole.begin() + length))) << length;
    }
    EXPECT_NE(WhyRefused(Bytes(whole.begin(), whole.end() - whole.size() / 3)).find("cut short"),
              std::string::npos);
  }
}

TEST(Picture, WhatFollowsTheEndDoesNotMatter) {
  for (Bytes file : {Encode(".png"), Encode(".jpg"), Encode(".webp")}) {
    file.insert(file.end(), 100, 0x55);
    EXPECT_TRUE(IsWhole(file));
    EXPECT_EQ(WhyRefused(file), "");
  }
}

TEST(Picture, AThumbnailsEndIsNotThePicturesEnd) {
  Bytes file = Encode(".jpg");
  const Bytes thumbnail = Encode(".jpg");
  Bytes segment = {0xff, 0xe1, static_cast<unsigned char>((thumbnail.size() + 2) >> 8),
                   static_cast<unsigned char>((thumbnail.size() + 2) & 0xff)};
  segment.insert(segment.end(), thumbnail.begin(), thumbnail.end());
  file.insert(file.begin() + 2, segment.begin(), segment.end());
  EXPECT_TRUE(IsWhole(file));
  file.resize(segment.size() + 100);
  EXPECT_FALSE(IsWhole(file));
}

TEST(Picture, RefusesWhatIsNoPicture) {
  EXPECT_NE(WhyRefused({}).find("is empty"), std::string::npos);
  EXPECT_NE(WhyRefused({'h', 'e', 'l', 'l', 'o'}).find("cannot be decoded"), std::string::npos);
  EXPECT_NE(WhyRefused(Bytes(1000, 0)).find("cannot be decoded"), std::string::npos);
}

TEST(Picture, SaysWhatTheDecoderSaysButNotOnStandardError) {
  Bytes file = Encode(".png");
  file[file.size() / 2] ^= 0xff;
  testing::internal::CaptureStderr();
  const std::string message = WhyRefused(file);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_NE(message.find("cannot be decoded (libpng: "), std::string::npos) << message;
}

TEST(Picture, RefusesMoreThanAFormatHolds) {
  const cv::Mat wide(1, 16400, CV_8UC3, cv::Scalar::all(9));
  EXPECT_NE(MessageOf<InputError>([&] { EncodePicture(wide, "webp"); }).find("16400x1 pixels"),
            std::string::npos);
  EXPECT_FALSE(EncodePicture(wide, "png").empty());
}

}  // namespace
}  // namespace slimsr
