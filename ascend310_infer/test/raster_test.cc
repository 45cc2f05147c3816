// SPDX-License-Identifier: Apache-2.0
#include "raster.h"

#include <gtest/gtest.h>

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

// One pixel seen over white, as blue, green, red.
template <class Sample>
cv::Vec3b ShownPixel(const std::vector<Sample> &samples, bool premultiplied = false) {
  Raster raster;
  raster.pixels.create(1, 1, CV_MAKETYPE(cv::DataType<Sample>::depth, int(samples.size())));
  std::copy(samples.begin(), samples.end(), raster.pixels.ptr<Sample>());
  raster.premultiplied = premultiplied;
  return Shown(raster).at<cv::Vec3b>(0, 0);
}

TEST(Shown, EightBits) {
  EXPECT_EQ(ShownPixel<uchar>({7}), cv::Vec3b(7, 7, 7));
  EXPECT_EQ(ShownPixel<uchar>({1, 2, 3}), cv::Vec3b(3, 2, 1));
  EXPECT_EQ(ShownPixel<uchar>({7, 255}), cv::Vec3b(7, 7, 7));
  EXPECT_EQ(ShownPixel<uchar>({7, 0}), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(ShownPixel<uchar>({0, 100, 255, 51}), cv::Vec3b(255, 224, 204));  // a fifth
}

TEST(Shown, SixteenBitsAreRounded) {
  for (int value = 0; value < 65536; ++value) {
    const auto rounded = static_cast<uchar>((2 * value + 257) / 514);
    ASSERT_EQ(ShownPixel<uint16_t>({uint16_t(value)})[0], rounded) << value;
  }
  EXPECT_EQ(ShownPixel<uint16_t>({65535, 0, 128, 65535}), cv::Vec3b(0, 0, 255));
  EXPECT_EQ(ShownPixel<uint16_t>({0, 65535, 0, 0}), cv::Vec3b(255, 255, 255));
}

TEST(Shown, PremultipliedIsTheSameColour) {
  EXPECT_EQ(ShownPixel<uchar>({0, 20, 51, 51}, true), cv::Vec3b(255, 224, 204));
  EXPECT_EQ(ShownPixel<uchar>({200, 0, 0, 100}, true)[2], 255);  // more than alpha allows
}

TEST(Shown, EveryOrientation) {
  // 1 2 3   as a picture of three columns; where the first pixel and its neighbours come to lie.
  // 4 5 6
  const std::vector<std::vector<std::vector<int>>> expected = {
      {{1, 2, 3}, {4, 5, 6}},   {{3, 2, 1}, {6, 5, 4}},   {{6, 5, 4}, {3, 2, 1}},
      {{4, 5, 6}, {1, 2, 3}},   {{1, 4}, {2, 5}, {3, 6}}, {{4, 1}, {5, 2}, {6, 3}},
      {{6, 3}, {5, 2}, {4, 1}}, {{3, 6}, {2, 5}, {1, 4}}};
  for (int orientation = 1; orientation <= 8; ++orientation) {
    Raster raster;
    raster.pixels.create(2, 3, CV_8UC1);
    for (int i = 0; i < 6; ++i) {
      raster.pixels.at<uchar>(i / 3, i % 3) = static_cast<uchar>(i + 1);
    }
    raster.orientation = orientation;
    const cv::Mat shown = Shown(raster);
    const auto &rows = expected[static_cast<size_t>(orientation) - 1];
    ASSERT_EQ(shown.size(), cv::Size(int(rows[0].size()), int(rows.size())));
    for (int y = 0; y < shown.rows; ++y) {
      for (int x = 0; x < shown.cols; ++x) {
        EXPECT_EQ(shown.at<cv::Vec3b>(y, x)[0], rows[size_t(y)][size_t(x)]) << orientation;
      }
    }
  }
}

TEST(OrientationOf, ExifInBothOrdersOfBytesAndDamaged) {
  const Bytes little = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0};
  const Bytes big = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
  const auto of = [](const Bytes &exif) {
    return OrientationOf(TextOf(exif.data(), exif.size()), "tiff:Orientation='5'");
  };
  EXPECT_EQ(of(little), 6);
  EXPECT_EQ(of(big), 8);
  for (size_t length = 0; length < 18; ++length) {
    EXPECT_EQ(OrientationOf(TextOf(little.data(), length), {}), 1);
  }
  Bytes far = little;
  far[4] = far[5] = far[6] = far[7] = 0xff;
  EXPECT_EQ(of(far), 5);
  Bytes ninth = little;
  ninth[18] = 9;
  EXPECT_EQ(of(ninth), 1);
}

TEST(OrientationOf, Xmp) {
  const auto of = [](std::string_view xmp) { return OrientationOf({}, xmp); };
  EXPECT_EQ(of("<x tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(of("<x tiff:Orientation \n= '8'/>"), 8);
  EXPECT_EQ(of("<tiff:Orientation>3</tiff:Orientation>"), 3);
  EXPECT_EQ(of("tiff:Orientation='9' tiff:Orientation='2'"), 2);
  for (const std::string_view none :
       {"", "tiff:Orientation", "tiff:Orientation=", "tiff:Orientation='", "tiff:Orientation=6",
        "tiff:Orientation='0'", "tiff:Orientation>", "exif:Orientation='6'"}) {
    EXPECT_EQ(of(none), 1) << none;
  }
}

TEST(Allocate, RefusesWhatAFileCannotHold) {
  cv::Mat pixels;
  const auto refused = [&](int64_t width, int64_t height, size_t bytes) {
    return MessageOf<InputError>([&] { Allocate(width, height, CV_8UC3, bytes, 8, &pixels); });
  };
  EXPECT_EQ(refused(100, 80, 1000), "");
  EXPECT_EQ(pixels.size(), cv::Size(100, 80));
  EXPECT_NE(refused(100, 81, 1000).find("1000 bytes cannot hold"), std::string::npos);
  EXPECT_NE(refused(13000, 13000, 5000).find("13000x13000 pixels"), std::string::npos);
  EXPECT_NE(refused(0, 80, 1000), "");
  EXPECT_NE(refused(80, -1, 1000), "");
  EXPECT_NE(refused(1 << 20, 1 << 20, size_t{1} << 40).find("more than"), std::string::npos);
}

// A BMP with a header of 40 bytes, `extra` bytes of masks or palette, and data.
Bytes Bmp(int width, int height, int bits, int compression, const Bytes &extra, const Bytes &data) {
  Bytes file = {'B', 'M'};
  const auto put = [&](int64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) {
      file.push_back(static_cast<unsigned char>(i < 8 ? value >> 8 * i : 0));
    }
  };
  put(0, 8);
  put(54 + int64_t(extra.size()), 4);
  put(40, 4);
  put(width, 4);
  put(height, 4);
  put(1, 2);
  put(bits, 2);
  put(compression, 4);
  put(0, 12);
  put(compression == 3 ? 0 : int64_t(extra.size()) / 4, 4);
  put(0, 4);
  file.insert(file.end(), extra.begin(), extra.end());
  file.insert(file.end(), data.begin(), data.end());
  return file;
}

cv::Vec3b Rgb(const Raster &raster, int y, int x) {
  const unsigned char *pixel = raster.pixels.ptr(y, x);
  return {pixel[0], pixel[1], pixel[2]};
}

TEST(ReadBmp, MasksScaleToTheWholeRange) {
  const Bytes masks565 = {0, 0xf8, 0, 0, 0xe0, 7, 0, 0, 0x1f, 0, 0, 0};
  const Bytes pixels = {0xff, 0xff, 0x00, 0xf8};  // white, red
  Raster raster = ReadBmp(Bmp(2, 1, 16, 3, masks565, pixels));
  EXPECT_EQ(Rgb(raster, 0, 0), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(Rgb(raster, 0, 1), cv::Vec3b(255, 0, 0));
  raster = ReadBmp(Bmp(2, 1, 16, 0, {}, {0xff, 0x7f, 0x00, 0x7c}));
  EXPECT_EQ(Rgb(raster, 0, 0), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(Rgb(raster, 0, 1), cv::Vec3b(255, 0, 0));
  const Bytes rgbx = {0xff, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0xff, 0};  // red in the lowest byte
  EXPECT_EQ(Rgb(ReadBmp(Bmp(1, 1, 32, 3, rgbx, {1, 2, 3, 4})), 0, 0), cv::Vec3b(1, 2, 3));
  EXPECT_EQ(Rgb(ReadBmp(Bmp(1, 1, 32, 0, {}, {1, 2, 3, 0})), 0, 0), cv::Vec3b(3, 2, 1));
}

TEST(ReadBmp, RowsFromTheBottomOrTheTop) {
  const Bytes data = {1, 1, 1, 0, 2, 2, 2, 0};
  EXPECT_EQ(Rgb(ReadBmp(Bmp(1, 2, 24, 0, {}, data)), 0, 0), cv::Vec3b(2, 2, 2));
  EXPECT_EQ(Rgb(ReadBmp(Bmp(1, -2, 24, 0, {}, data)), 0, 0), cv::Vec3b(1, 1, 1));
}

TEST(ReadBmp, Runs) {
  const Bytes palette = {0, 0, 0, 0, 10, 20, 30, 0, 40, 50, 60, 0};
  // Two of index 1; then 2, 1 in a stretch; end of row; a jump by one; one of 2; end.
  const Bytes data = {2, 1, 0, 3, 2, 1, 0, 0, 0, 0, 0, 2, 1, 0, 1, 2, 0, 1};
  const Raster raster = ReadBmp(Bmp(5, 2, 8, 1, palette, data));
  EXPECT_EQ(Rgb(raster, 1, 0), cv::Vec3b(30, 20, 10));
  EXPECT_EQ(Rgb(raster, 1, 2), cv::Vec3b(60, 50, 40));
  EXPECT_EQ(Rgb(raster, 1, 3), cv::Vec3b(30, 20, 10));
  EXPECT_EQ(Rgb(raster, 0, 0), cv::Vec3b(0, 0, 0));
  EXPECT_EQ(Rgb(raster, 0, 1), cv::Vec3b(60, 50, 40));
}

TEST(ReadBmp, RefusesWhatIsNotThere) {
  const auto refused = [](const Bytes &file) {
    return MessageOf<InputError>([&] { ReadBmp(file); });
  };
  EXPECT_NE(refused(Bmp(13000, 13000, 24, 0, {}, Bytes(5000))).find("cannot hold"),
            std::string::npos);
  EXPECT_NE(refused(Bmp(13000, 13000, 8, 1, Bytes(1024), Bytes(5000))).find("cannot hold"),
            std::string::npos);
  EXPECT_NE(refused(Bmp(20, 20, 24, 0, {}, Bytes(1100))).find("cut short"), std::string::npos);
  EXPECT_NE(refused(Bmp(20, 20, 8, 1, Bytes(1024), {2, 1, 0, 200, 1})).find("cut short"),
            std::string::npos);
  EXPECT_NE(refused(Bmp(2, 2, 24, 4, {}, Bytes(100))).find("not supported"), std::string::npos);
  EXPECT_NE(refused(Bmp(2, INT32_MIN, 24, 0, {}, Bytes(100))), "");
  EXPECT_NE(refused({'B', 'M'}), "");
}

}  // namespace
}  // namespace slimsr
