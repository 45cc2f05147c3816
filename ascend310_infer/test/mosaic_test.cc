// SPDX-License-Identifier: Apache-2.0
#include "mosaic.h"

#include <gtest/gtest.h>

#include <cmath>

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

// Adds all tiles of a grid, each filled by value(plane, row tile, column tile, y, x) with y and x
// in the whole result.
template <class Value>
cv::Mat Assemble(const std::vector<Span> &rows, const std::vector<Span> &columns, int scale,
                 int overlap, bool cross_fade, const Value &value) {
  Mosaic mosaic(rows, columns, scale, overlap, cross_fade);
  for (int r = 0; r < static_cast<int>(rows.size()); ++r) {
    for (int c = 0; c < static_cast<int>(columns.size()); ++c) {
      std::vector<float> tile;
      for (int plane = 0; plane < 3; ++plane) {
        for (int y = rows[r].start * scale; y < rows[r].stop * scale; ++y) {
          for (int x = columns[c].start * scale; x < columns[c].stop * scale; ++x) {
            tile.push_back(value(plane, r, c, y, x));
          }
        }
      }
      mosaic.Add(r, c, tile.data());
    }
  }
  return mosaic.Finish();
}

TEST(Mosaic, TilesThatAgreeGiveTheWholePicture) {
  const auto value = [](int plane, int, int, int y, int x) {
    return static_cast<float>((7 * y + 3 * x + 50 * plane) % 256);
  };
  for (const bool cross_fade : {false, true}) {
    const auto rows = PlanAxis(23, 10, 3), columns = PlanAxis(31, 12, 3);
    const cv::Mat result = Assemble(rows, columns, 2, 3, cross_fade, value);
    ASSERT_EQ(result.size(), cv::Size(62, 46));
    for (int y = 0; y < result.rows; ++y) {
      for (int x = 0; x < result.cols; ++x) {
        for (int plane = 0; plane < 3; ++plane) {
          ASSERT_EQ(result.at<cv::Vec3b>(y, x)[2 - plane], value(plane, 0, 0, y, x))
              << y << " " << x << " " << plane;
        }
      }
    }
  }
}

TEST(Mosaic, CutsAtTheKeepsOrFadesAcrossThem) {
  const auto rows = PlanAxis(4, 4, 0), columns = PlanAxis(12, 8, 2);  // keeps [0, 6) and [6, 12)
  const auto value = [](int, int, int c, int, int) { return c == 0 ? 0.0F : 80.0F; };
  const cv::Mat cut = Assemble(rows, columns, 2, 2, false, value);
  EXPECT_EQ(cut.at<cv::Vec3b>(3, 11)[0], 0);
  EXPECT_EQ(cut.at<cv::Vec3b>(3, 12)[0], 80);
  const cv::Mat faded = Assemble(rows, columns, 2, 2, true, value);
  const int expected[] = {0, 10, 30, 50, 70, 80};
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(faded.at<cv::Vec3b>(3, 9 + i)[1], expected[i]);
  }
}

TEST(Mosaic, FadesRowsThatLieInTwoBands) {
  const auto rows = PlanAxis(30, 8, 2), columns = PlanAxis(4, 4, 0);
  const auto value = [](int, int r, int, int, int) { return static_cast<float>(r * 40); };
  const cv::Mat faded = Assemble(rows, columns, 1, 2, true, value);
  for (size_t r = 1; r < rows.size(); ++r) {
    const int boundary = rows[r].keep_start;
    EXPECT_EQ(faded.at<cv::Vec3b>(boundary - 1, 0)[0], (r - 1) * 40 + 10);
    EXPECT_EQ(faded.at<cv::Vec3b>(boundary, 0)[0], (r - 1) * 40 + 30);
  }
}

TEST(Mosaic, ClipsAndRoundsHalfToEven) {
  const float values[] = {-3, 0.5F, 1.5F, 254.4F, 254.5F, 255.5F, 1e9F, 2.49F};
  const int expected[] = {0, 0, 2, 254, 254, 255, 255, 2};
  const cv::Mat result = Assemble(PlanAxis(1, 1, 0), PlanAxis(8, 8, 0), 1, 0, false,
                                  [&](int, int, int, int, int x) { return values[x]; });
  for (int x = 0; x < 8; ++x) {
    EXPECT_EQ(result.at<cv::Vec3b>(0, x)[0], expected[x]) << values[x];
  }
}

TEST(Mosaic, RefusesWhatIsNotFinite) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const auto assemble = [&] {
      Assemble(PlanAxis(3, 3, 0), PlanAxis(3, 3, 0), 1, 0, false,
               [&](int plane, int, int, int y, int) { return plane == 1 && y == 2 ? bad : 1.0F; });
    };
    EXPECT_NE(MessageOf<InputError>(assemble).find("not finite"), std::string::npos);
  }
}

}  // namespace
}  // namespace slimsr
