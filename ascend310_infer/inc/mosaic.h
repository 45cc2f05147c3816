// SPDX-License-Identifier: Apache-2.0
// Puts the enlarged tiles of a picture together.
#ifndef SLIMSR_MOSAIC_H_
#define SLIMSR_MOSAIC_H_

#include <opencv2/core.hpp>
#include <vector>

#include "tiler.h"

namespace slimsr {

// Tiles are added row by row. Only the rows that a later tile may still change are kept as float;
// the rest is 8-bit, so that a large result costs three bytes per pixel and not fifteen.
class Mosaic {
 public:
  // `cross_fade`: blend neighbouring tiles; without it each pixel comes from one tile alone.
  Mosaic(std::vector<Span> rows, std::vector<Span> columns, int scale, int overlap,
         bool cross_fade);

  // `tile`: three planes R, G, B of the enlarged tile (row, column), values about 0 to 255.
  // Throws InputError if a value is not finite: the model is wrong.
  void Add(int row, int column, const float *tile);

  // The 8-bit BGR picture, after the last tile.
  cv::Mat Finish();

 private:
  void RoundRowsBefore(int end);

  const std::vector<Span> rows_, columns_;
  const int scale_;
  std::vector<Share> row_shares_, column_shares_;
  cv::Mat picture_;  // 8-bit, rows before band_first_ are final
  cv::Mat band_;     // float, from row band_first_ of the picture on
  int band_first_ = 0;
};

}  // namespace slimsr

#endif  // SLIMSR_MOSAIC_H_
