// SPDX-License-Identifier: Apache-2.0
// Weights of a slimmed layer.

#ifndef SLIMSR_NATIVE_CORNER_H_
#define SLIMSR_NATIVE_CORNER_H_

#include <algorithm>
#include <vector>

#include "problem.h"

namespace slimsr {

// The weights in use: the leading corner of larger ones.
class Corner {
 public:
  Corner(const int64_t *whole, const Dims &used)
      : outputs_(whole[0]),
        used_outputs_(used[0]),
        row_(whole[1] * used[2] * used[3]),
        used_row_(used[1] * used[2] * used[3]),
        is_whole_(outputs_ == used_outputs_ && row_ == used_row_),
        space_(is_whole_ ? 0 : used_outputs_ * used_row_) {}

  // What holds, or will hold, the weights in use alone.
  float *Data(float *whole) { return is_whole_ ? whole : space_.data(); }

  float *Read(float *whole) {
    float *corner = Data(whole);
    for (int64_t o = 0; !is_whole_ && o < used_outputs_; ++o) {
      std::copy_n(whole + o * row_, used_row_, corner + o * used_row_);
    }
    return corner;
  }

  // Writes them back, and zeros around them; `bias` may be null.
  void Write(float *whole, float *bias) {
    if (is_whole_) return;
    const float *corner = Data(whole);
    for (int64_t o = 0; o < outputs_; ++o) {
      const int64_t count = o < used_outputs_ ? used_row_ : 0;
      std::copy_n(corner + o * used_row_, count, whole + o * row_);
      std::fill_n(whole + o * row_ + count, row_ - count, 0.f);
    }
    if (bias != nullptr) std::fill_n(bias + used_outputs_, outputs_ - used_outputs_, 0.f);
  }

 private:
  const int64_t outputs_, used_outputs_, row_, used_row_;
  const bool is_whole_;
  std::vector<float> space_;
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_CORNER_H_
