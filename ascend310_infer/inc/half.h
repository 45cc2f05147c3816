// SPDX-License-Identifier: Apache-2.0
// IEEE 754 binary16, which Ascend's models may take and give; C++17 has no type for it.
#ifndef SLIMSR_HALF_H_
#define SLIMSR_HALF_H_

#include <cstdint>

namespace slimsr {

// Exact: every half is a float.
float HalfToFloat(uint16_t half);

// Rounds to the nearest half, ties to even; what is too large becomes infinity.
uint16_t FloatToHalf(float value);

}  // namespace slimsr

#endif  // SLIMSR_HALF_H_
