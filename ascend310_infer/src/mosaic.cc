// SPDX-License-Identifier: Apache-2.0
#include "mosaic.h"

#include <algorithm>
#include <utility>

#include "error.h"

namespace slimsr {

Mosaic::Mosaic(std::vector<Span> rows, std::vector<Span> columns, int scale, int overlap,
               bool cross_fade)
    : rows_(std::move(rows)), columns_(std::move(columns)), scale_(scale) {
  const auto shares = [&](const std::vector<Span> &spans) {
    const int radius = cross_fade ? FadeRadius(spans, overlap) : 0;
    std::vector<Share> all;
    for (int i = 0; i < static_cast<int>(spans.size()); ++i) {
      all.push_back(ShareOf(spans, i, radius, scale));
    }
    return all;
  };
  row_shares_ = shares(rows_);
  column_shares_ = shares(columns_);

  size_t band_rows = 0;
  for (const Share &share : row_shares_) {
    band_rows = std::max(band_rows, share.weights.size());
  }
  const int width = columns_.back().stop * scale;
  picture_ = cv::Mat(rows_.back().stop * scale, width, CV_8UC3);
  band_ = cv::Mat(static_cast<int>(band_rows), width, CV_32FC3, cv::Scalar::all(0));
}

void Mosaic::Add(int row, int column, const float *tile) {
  const Share &down = row_shares_[row];
  const Share &across = column_shares_[column];
  RoundRowsBefore(down.first);

  const int tile_height = (rows_[row].stop - rows_[row].start) * scale_;
  const int tile_width = (columns_[column].stop - columns_[column].start) * scale_;
  const size_t plane = static_cast<size_t>(tile_height) * tile_width;
  const int top = down.first - rows_[row].start * scale_;
  const int left = across.first - columns_[column].start * scale_;
  for (size_t y = 0; y < down.weights.size(); ++y) {
    const float *red = tile + (top + y) * tile_width + left;
    const float *green = red + plane;
    const float *blue = green + plane;
    float *sum = band_.ptr<float>(static_cast<int>(y)) + 3 * across.first;
    for (size_t x = 0; x < across.weights.size(); ++x, sum += 3) {
      const float weight = down.weights[y] * across.weights[x];
      sum[0] += weight * blue[x];
      sum[1] += weight * green[x];
      sum[2] += weight * red[x];
    }
  }
}

cv::Mat Mosaic::Finish() {
  RoundRowsBefore(picture_.rows);
  return picture_;
}

void Mosaic::RoundRowsBefore(int end) {
  const int count = end - band_first_;
  if (count == 0) {
    return;
  }
  const cv::Mat done = band_.rowRange(0, count);
  if (!cv::checkRange(done, /*quiet=*/true)) {
    throw InputError(
        "the network gave values that are not finite, expected 0 to 255; try --precision f32 or "
        "another --model");
  }
  done.convertTo(picture_.rowRange(band_first_, end), CV_8U);  // clips; rounds half to even

  // What the next tiles share with these moves to the top.
  const int open = band_.rows - count;
  for (int y = 0; y < open; ++y) {
    band_.row(y + count).copyTo(band_.row(y));
  }
  band_.rowRange(open, band_.rows).setTo(0);
  band_first_ = end;
}

}  // namespace slimsr
