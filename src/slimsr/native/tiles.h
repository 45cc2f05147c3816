// SPDX-License-Identifier: Apache-2.0
// How oneDNN's kernels' work is cut into pieces that fit a core's cache.

#ifndef SLIMSR_NATIVE_TILES_H_
#define SLIMSR_NATIVE_TILES_H_

#include <cstdint>
#include <vector>

#include "problem.h"

namespace slimsr {

// Part of the images and rows of a convolution: of x and y, or of dx and dy.
struct Tile {
  int64_t image, images, x_row, x_rows, y_row, y_rows, pad_top, pad_bottom;
};

// The tiles of a problem: whole images where these are small, else bands of rows.
std::vector<Tile> CutIntoTiles(const Problem &problem);

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_TILES_H_
