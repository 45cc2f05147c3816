// SPDX-License-Identifier: Apache-2.0
#include "tiler.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace slimsr {
namespace {

// Calls check(length, tile, overlap, spans) for every plan of small axes.
template <class Check>
void ForAllPlans(const Check &check) {
  for (int length = 1; length <= 60; ++length) {
    for (int tile = 1; tile <= 24; ++tile) {
      for (int overlap = 0; 2 * overlap < tile; ++overlap) {
        SCOPED_TRACE("length " + std::to_string(length) + " tile " + std::to_string(tile) +
                     " overlap " + std::to_string(overlap));
        const int fitting = std::min(tile, length);
        check(length, fitting, overlap, PlanAxis(length, fitting, overlap));
        if (::testing::Test::HasFailure()) {
          return;
        }
      }
    }
  }
}

TEST(PlanAxis, KeepsAreAPartitionAndTilesOfOneSizeLieInside) {
  ForAllPlans([](int length, int tile, int, const std::vector<Span> &spans) {
    int kept = 0;
    for (const Span &span : spans) {
      EXPECT_EQ(span.keep_start, kept);
      EXPECT_GT(span.keep_stop, span.keep_start);
      EXPECT_EQ(span.stop - span.start, tile);
      EXPECT_GE(span.start, 0);
      EXPECT_LE(span.stop, length);
      kept = span.keep_stop;
    }
    EXPECT_EQ(kept, length);
  });
}

TEST(PlanAxis, EachKeepHasItsContextInsideThePicture) {
  ForAllPlans([](int length, int, int overlap, const std::vector<Span> &spans) {
    for (const Span &span : spans) {
      EXPECT_TRUE(span.start == 0 || span.keep_start - span.start >= overlap);
      EXPECT_TRUE(span.stop == length || span.stop - span.keep_stop >= overlap);
    }
  });
}

TEST(PlanAxis, ByHand) {
  const std::vector<Span> spans = PlanAxis(300, 128, 16);
  ASSERT_EQ(spans.size(), 3U);
  const int expected[3][4] = {{0, 128, 0, 112}, {96, 224, 112, 208}, {172, 300, 208, 300}};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(spans[i].start, expected[i][0]);
    EXPECT_EQ(spans[i].stop, expected[i][1]);
    EXPECT_EQ(spans[i].keep_start, expected[i][2]);
    EXPECT_EQ(spans[i].keep_stop, expected[i][3]);
  }
}

TEST(EvenTile, AsManyTilesThatAreNoLarger) {
  for (int length = 1; length <= 200; ++length) {
    for (int overlap = 0; overlap <= 5; ++overlap) {
      for (int tile = 2 * overlap + 1; tile <= 60; ++tile) {
        const int side = EvenTile(length, tile, overlap);
        ASSERT_LE(side, tile);
        ASSERT_EQ(PlanAxis(length, std::min(length, side), overlap).size(),
                  PlanAxis(length, std::min(length, tile), overlap).size());
      }
    }
  }
  EXPECT_EQ(EvenTile(640, 512, 9), 18 + 312);  // as upscale.py's
  EXPECT_EQ(EvenTile(512, 512, 9), 512);
  EXPECT_EQ(EvenTile(1000, 100, 10), 100);
}

TEST(ShareOf, WeightsAddUpToOneAndLieInsideTheTiles) {
  constexpr int kScale = 3;
  ForAllPlans([](int length, int, int overlap, const std::vector<Span> &spans) {
    for (const int radius : {0, FadeRadius(spans, overlap)}) {
      std::vector<float> sums(length * kScale, 0.0F);
      for (int i = 0; i < static_cast<int>(spans.size()); ++i) {
        const Share share = ShareOf(spans, i, radius, kScale);
        const int stop = share.first + static_cast<int>(share.weights.size());
        EXPECT_GE(share.first, spans[i].start * kScale);
        EXPECT_LE(stop, spans[i].stop * kScale);
        for (int x = share.first; x < stop; ++x) {
          const float weight = share.weights[x - share.first];
          EXPECT_GT(weight, 0);
          EXPECT_LE(weight, 1);
          sums[x] += weight;
        }
      }
      for (const float sum : sums) {
        EXPECT_NEAR(sum, 1, 1e-6);
      }
    }
  });
}

TEST(ShareOf, CrossFadeByHand) {
  const std::vector<Span> spans = PlanAxis(12, 8, 2);  // keeps [0, 6) and [6, 12)
  ASSERT_EQ(spans.size(), 2U);
  ASSERT_EQ(FadeRadius(spans, 2), 1);
  const Share left = ShareOf(spans, 0, 1, 2), right = ShareOf(spans, 1, 1, 2);
  EXPECT_EQ(left.first, 0);
  EXPECT_EQ(right.first, 10);
  const std::vector<float> rise = {0.125F, 0.375F, 0.625F, 0.875F};
  ASSERT_EQ(left.weights.size(), 14U);
  for (int i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(right.weights[i], rise[i]);
    EXPECT_FLOAT_EQ(left.weights[10 + i], 1 - rise[i]);
  }
  EXPECT_EQ(left.weights[9], 1);
  EXPECT_EQ(right.weights[4], 1);
}

TEST(FadeRadius, ZonesOfAShortKeepDoNotMeet) {
  const std::vector<Span> spans = {{0, 20, 0, 12}, {4, 24, 12, 15}, {5, 25, 15, 25}};
  EXPECT_EQ(FadeRadius(spans, 8), 1);
}

}  // namespace
}  // namespace slimsr
