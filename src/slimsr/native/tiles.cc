// SPDX-License-Identifier: Apache-2.0
#include "tiles.h"

#include <algorithm>

namespace slimsr {
namespace {

constexpr int64_t kTileBytes = 768 << 10;  // of input and output: most of a core's L2 cache
constexpr double kTileWork = 8e6;  // floating-point operations: 40 us, ten times the overhead
constexpr int64_t kPartialBytes = 16 << 20;  // of all partial sums of a weight gradient
constexpr int64_t kMostPartial = 16;         // sums of images

}  // namespace

std::vector<Tile> CutIntoTiles(const Problem &p) {
  std::vector<Tile> tiles;
  const int64_t images = p.x[0], rows_in = p.x[2], rows_out = p.y[2], kernel = p.w[2];
  const int64_t bytes = sizeof(float) * (p.x[1] * rows_in * p.x[3] + p.y[1] * rows_out * p.y[3]);
  const double work = p.Work() / images;
  const bool to_rows = p.kind != Kind::kInputGradient || p.stride_h == 1;
  const int64_t rows = p.kind == Kind::kInputGradient ? rows_in : rows_out;
  // Tiles of an image; at least kernel rows each, so that what two tiles both read stays little.
  int64_t bands = 1, group = 1;
  if (to_rows) {
    const int64_t by_size =
        std::max(Ceil(bytes, kTileBytes), images == 1 ? int64_t{2} : int64_t{1});
    bands =
        std::max<int64_t>(1, std::min({by_size, int64_t(work / kTileWork), rows / (4 * kernel)}));
  }
  if (bands == 1) group = std::clamp<int64_t>(int64_t(kTileWork / work), 1, images);
  if (p.kind == Kind::kWeightGradient) {
    // Each tile has a partial sum. Those of single images are accurate, and the same whether one
    // process has the whole batch or several share it; more and smaller ones would cost time.
    const int64_t most =
        std::max<int64_t>(2, kPartialBytes / (sizeof(float) * p.w[0] * p.w[1] * p.w[2] * p.w[3]));
    const int64_t wanted = std::clamp<int64_t>(int64_t(p.Work() / (4 * kTileWork)), 1, 8);
    const int64_t tiles = std::min(most, std::max(wanted, std::min(images, kMostPartial)));
    if (images >= tiles || bands == 1) {
      bands = 1, group = Ceil(images, tiles);
    } else {
      bands = std::min(bands, Ceil(tiles, images));
    }
  }
  for (int64_t image = 0; image < images; image += group) {
    for (int64_t band = 0; band < bands; ++band) {
      const int64_t begin = rows * band / bands, end = rows * (band + 1) / bands;
      Tile tile = {image,        std::min(group, images - image), 0, rows_in, 0, rows_out, p.pad_h,
                   p.PadAfter(2)};
      if (bands > 1 && p.kind == Kind::kInputGradient) {
        tile.x_row = begin, tile.x_rows = end - begin;
        tile.y_row = std::max<int64_t>(0, begin + p.pad_h - kernel + 1);
        tile.y_rows = std::min(rows_out, end + p.pad_h) - tile.y_row;
        tile.pad_top = begin + p.pad_h - tile.y_row;
        tile.pad_bottom = tile.y_rows - 1 + kernel - tile.x_rows - tile.pad_top;
      } else if (bands > 1) {
        const int64_t top = begin * p.stride_h - p.pad_h,
                      bottom = (end - 1) * p.stride_h - p.pad_h + kernel;
        tile.y_row = begin, tile.y_rows = end - begin;
        tile.x_row = std::max<int64_t>(0, top);
        tile.x_rows = std::min(rows_in, bottom) - tile.x_row;
        tile.pad_top = tile.x_row - top, tile.pad_bottom = bottom - tile.x_row - tile.x_rows;
      }
      tiles.push_back(tile);
    }
  }
  return tiles;
}

}  // namespace slimsr
