// SPDX-License-Identifier: Apache-2.0
#include "half.h"

#include <gtest/gtest.h>

#include <cmath>

namespace slimsr {
namespace {

TEST(Half, KnownValues) {
  EXPECT_EQ(HalfToFloat(0x0000), 0.0F);
  EXPECT_EQ(HalfToFloat(0x3c00), 1.0F);
  EXPECT_EQ(HalfToFloat(0xc000), -2.0F);
  EXPECT_EQ(HalfToFloat(0x7bff), 65504.0F);
  EXPECT_EQ(HalfToFloat(0x0400), std::ldexp(1.0F, -14));  // smallest normal
  EXPECT_EQ(HalfToFloat(0x0001), std::ldexp(1.0F, -24));  // smallest of all
  EXPECT_EQ(HalfToFloat(0x5bf8), 255.0F);
  EXPECT_EQ(HalfToFloat(0x7c00), INFINITY);
  EXPECT_EQ(HalfToFloat(0xfc00), -INFINITY);
  EXPECT_TRUE(std::isnan(HalfToFloat(0x7e00)));
  EXPECT_TRUE(std::signbit(HalfToFloat(0x8000)));
}

TEST(Half, EveryHalfSurvives) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const float value = HalfToFloat(static_cast<uint16_t>(bits));
    if (!std::isnan(value)) {
      ASSERT_EQ(FloatToHalf(value), bits) << value;
    }
  }
  EXPECT_TRUE(std::isnan(HalfToFloat(FloatToHalf(NAN))));
}

TEST(Half, EveryMidpointRoundsToEven) {
  for (int bits = 0; bits < 0x7bff; ++bits) {
    const float low = HalfToFloat(static_cast<uint16_t>(bits));
    const float high = HalfToFloat(static_cast<uint16_t>(bits + 1));
    const float middle = (low + high) / 2;  // exact in float
    ASSERT_EQ(FloatToHalf(middle), bits % 2 == 0 ? bits : bits + 1) << middle;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, low)), bits);
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, high)), bits + 1);
  }
}

TEST(Half, TooLargeAndTooSmall) {
  EXPECT_EQ(FloatToHalf(65519.0F), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0F), 0x7c00);
  EXPECT_EQ(FloatToHalf(-1e30F), 0xfc00);
  EXPECT_EQ(FloatToHalf(INFINITY), 0x7c00);
  EXPECT_EQ(FloatToHalf(1e-30F), 0x0000);
  EXPECT_EQ(FloatToHalf(-1e-30F), 0x8000);
  EXPECT_EQ(FloatToHalf(1e-42F), 0x0000);  // subnormal as a float
}

}  // namespace
}  // namespace slimsr
