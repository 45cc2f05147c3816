// SPDX-License-Identifier: Apache-2.0
#include "half.h"

#include <cmath>
#include <cstring>

namespace slimsr {

namespace {
constexpr int kMantissaBits = 10;
constexpr int kMaxExponent = 31;  // of infinity and not-a-number
constexpr int kBias = 15;
}  // namespace

float HalfToFloat(uint16_t half) {
  const int exponent = (half >> kMantissaBits) & kMaxExponent;
  const int mantissa = half & ((1 << kMantissaBits) - 1);
  float magnitude;
  if (exponent == kMaxExponent) {
    magnitude = mantissa == 0 ? INFINITY : NAN;
  } else if (exponent == 0) {  // subnormal: no hidden bit, the exponent of the smallest normal
    magnitude = std::ldexp(static_cast<float>(mantissa), 1 - kBias - kMantissaBits);
  } else {
    magnitude = std::ldexp(static_cast<float>(mantissa + (1 << kMantissaBits)),
                           exponent - kBias - kMantissaBits);
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

uint16_t FloatToHalf(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const float magnitude = std::fabs(value);
  constexpr uint16_t kInfinity = kMaxExponent << kMantissaBits;
  if (std::isnan(value)) {
    return sign | kInfinity | (1 << (kMantissaBits - 1));
  }
  if (std::isinf(value) || value == 0) {
    return sign | (value == 0 ? 0 : kInfinity);
  }
  int exponent = 0;
  std::frexp(magnitude, &exponent);  // magnitude < 2^exponent
  // Below the smallest normal the step between neighbours no longer shrinks.
  const int step = (exponent > 1 - kBias ? exponent - 1 : 1 - kBias) - kMantissaBits;
  // Scaling by a power of two is exact, so the only rounding is this one.
  const float units = std::nearbyint(std::ldexp(magnitude, -step));
  // Counted in steps, halves follow one another; a carry out of the mantissa raises the exponent.
  const int code =
      static_cast<int>(units) + (step + kMantissaBits - (1 - kBias)) * (1 << kMantissaBits);
  return sign | (code > kInfinity ? kInfinity : static_cast<uint16_t>(code));
}

}  // namespace slimsr
