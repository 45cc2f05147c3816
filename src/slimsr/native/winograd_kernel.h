// SPDX-License-Identifier: Apache-2.0
// The parts of a convolution by Winograd's minimal filtering that work on one block of tiles.
//
// A tile is 3 x 3 outputs. Vectors hold the same place of neighbouring tiles, so that images stay
// in plain layout. The results of a tile share the rounding errors of all 5 x 5 inputs that it
// reads, and what is not a number among them. Each of the 25 points of the transformed domain is a
// matrix product over the channels.

#ifndef SLIMSR_NATIVE_WINOGRAD_KERNEL_H_
#define SLIMSR_NATIVE_WINOGRAD_KERNEL_H_

#include <algorithm>
#include <cstdint>

#include "vector.h"
#include "winograd_transforms.h"

namespace slimsr {

// What the matrix products keep in registers: 24 of AVX-512's 32 vectors, else 12 of 16.
constexpr int kRegisterRows = kLanes == 16 ? 8 : 4;  // outputs; divides kLanes
constexpr int kRegisterVectors = 3;                  // of tiles
constexpr int kBlock = kRegisterVectors * kLanes;    // tiles that are convolved at once

// Tiles of one row, side by side, of a block.
struct Segment {
  int64_t image, row, column;  // in tiles
  int first, count;            // within the block
};

// An image's sizes and where it begins: the input's first row and column are -pad_h and -pad_w.
struct Plane {
  int64_t height, width, pad_h, pad_w;
};

struct WinogradKernel {
  static constexpr int kTile = 3, kSide = kTile + 2, kPoints = kSide * kSide;
  // Channels that are summed up by themselves: one long sum would be off by more.
  static constexpr int64_t kSummed = 32;
  // Transformed columns of the inputs of a block, with what is written beyond them.
  static constexpr int kRow = kTile * kBlock + 2 * kLanes;
  static constexpr int64_t kRowsFloats = 2 * kSide * kRow;

  // Channels whose pixels are fetched ahead of their use: planes are so far apart, and what is read
  // of each so short, that the processor does not see what comes next.
  static constexpr int64_t kAhead = 2;

  // Transforms the columns of one channel of a segment. Tiles overlap, and the last one of a
  // segment with nothing: of each tile `rows` holds the first kTile columns, and then those that
  // follow.
  static void InputColumns(const float *x, const Plane &plane, const Segment &segment,
                           float *rows) {
    const int64_t top = kTile * segment.row - plane.pad_h,
                  left = kTile * segment.column - plane.pad_w;
    const int64_t width = kTile * segment.count + 2;
    const int64_t begin = std::clamp<int64_t>(-left, 0, width),
                  end = std::clamp<int64_t>(plane.width - left, begin, width);
    const int64_t ahead = kAhead * plane.height * plane.width;
    float *to = rows + kTile * segment.first, *next = to + kSide * kRow;
    const float *source[kSide];
    float before[kSide][kTile];  // of the last segment, overwritten below
    for (int a = 0; a < kSide; ++a) {
      const bool inside = top + a >= 0 && top + a < plane.height;
      source[a] = inside ? x + (top + a) * plane.width + left : nullptr;
      for (int64_t j = 0; j < begin; ++j) to[a * kRow + j] = 0;
      std::copy_n(next + a * kRow - kTile, kTile, before[a]);
    }
    for (int64_t j = begin; j < end; j += kLanes) {
      Vector d[kSide], t[kSide];
#pragma GCC unroll 5
      for (int a = 0; a < kSide; ++a) {
        d[a] = source[a] ? Load(source[a] + j, end - j) : Vector{};
        __builtin_prefetch(source[a] + j + ahead);
      }
      Filtering::InputOf(d, t);
#pragma GCC unroll 5
      for (int a = 0; a < kSide; ++a) {
        Store(to + a * kRow + j, t[a]);
        Store(next + a * kRow - kTile + j, t[a]);
      }
    }
    for (int a = 0; a < kSide; ++a) {
      for (int64_t j = end; j < width; ++j) {
        to[a * kRow + j] = 0;
        next[a * kRow - kTile + j] = 0;
      }
      std::copy_n(before[a], kTile, next + a * kRow - kTile);
    }
  }

  // Transforms the rows of `vectors` vectors of tiles. The result goes to v[point * step + tile].
  static void InputRows(const float *rows, int vectors, float *v, int64_t step) {
    for (int at = 0; at < vectors * kLanes; at += kLanes) {
#pragma GCC unroll 5
      for (int a = 0; a < kSide; ++a) {
        const float *row = rows + a * kRow + kTile * at;
        Vector d[kSide], t[kSide];
        Split<kTile>(row, d);
        Split<2>(row + kSide * kRow, d + kTile);
        Filtering::InputOf(d, t);
#pragma GCC unroll 5
        for (int b = 0; b < kSide; ++b) Store(v + (a * kSide + b) * step + at, t[b]);
      }
    }
  }

  // Transforms the filters from one channel to kLanes channels, that lie `stride` apart, `count` of
  // them there; `flipped`: turned by 180 degrees. The result goes to u[point * step + lane].
  static void Weights(const float *w, int64_t stride, int64_t count, bool flipped, float *u,
                      int64_t step) {
    Vector g[std::max(kLanes, 9)];
    if constexpr (kLanes >= 9) {
#pragma GCC unroll 16
      for (int lane = 0; lane < kLanes; ++lane)
        g[lane] = lane < count ? Load(w + lane * stride, 9) : Vector{};
      Transpose(g);
    } else {
      for (int k = 0; k < 9; ++k) {
        for (int lane = 0; lane < kLanes; ++lane)
          g[k][lane] = lane < count ? w[lane * stride + k] : 0;
      }
    }
    if (flipped) std::reverse(g, g + 9);
    Vector columns[3][kSide];
    for (int b = 0; b < 3; ++b) {
      const Vector column[] = {g[b], g[3 + b], g[6 + b]};
      Filtering::WeightsOf(column, columns[b]);
    }
#pragma GCC unroll 5
    for (int a = 0; a < kSide; ++a) {
      const Vector row[] = {columns[0][a], columns[1][a], columns[2][a]};
      Vector t[kSide];
      Filtering::WeightsOf(row, t);
#pragma GCC unroll 5
      for (int b = 0; b < kSide; ++b) Store(u + (a * kSide + b) * step, t[b]);
    }
  }

  // kRegisterRows x (vectors * kLanes) sums of products: u [channels][kLanes], v and the result
  // [...][kBlock]; `adds`: to what is there.
  template <int vectors, bool adds = false>
  static void Multiply(int64_t channels, const float *u, const float *v, float *to) {
    Vector total[kRegisterRows][vectors] = {};
    if constexpr (adds) {
#pragma GCC unroll 8
      for (int r = 0; r < kRegisterRows; ++r) {
#pragma GCC unroll 3
        for (int j = 0; j < vectors; ++j) total[r][j] = Load(to + r * kBlock + j * kLanes);
      }
    }
    for (int64_t begin = 0; begin < channels; begin += kSummed) {
      Vector sum[kRegisterRows][vectors] = {};
      for (int64_t i = begin; i < std::min(channels, begin + kSummed);
           ++i, u += kLanes, v += kBlock) {
        Vector tiles[vectors];
#pragma GCC unroll 3
        for (int j = 0; j < vectors; ++j) tiles[j] = Load(v + j * kLanes);
#pragma GCC unroll 8
        for (int r = 0; r < kRegisterRows; ++r) {
#pragma GCC unroll 3
          for (int j = 0; j < vectors; ++j) sum[r][j] += u[r] * tiles[j];
        }
      }
#pragma GCC unroll 8
      for (int r = 0; r < kRegisterRows; ++r) {
#pragma GCC unroll 3
        for (int j = 0; j < vectors; ++j) total[r][j] += sum[r][j];
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRegisterRows; ++r) {
#pragma GCC unroll 3
      for (int j = 0; j < vectors; ++j) Store(to + r * kBlock + j * kLanes, total[r][j]);
    }
  }

  // Transforms one channel of `vectors` vectors of tiles back: from[point * step + tile] to
  // kTile rows of kTile * kBlock columns.
  static void Output(const float *from, int64_t step, int vectors, float bias, bool relu,
                     float *rows) {
    for (int vector = 0; vector < vectors; ++vector) {
      Vector columns[kSide][kTile];
#pragma GCC unroll 5
      for (int b = 0; b < kSide; ++b) {
        Vector column[kSide];
#pragma GCC unroll 5
        for (int a = 0; a < kSide; ++a)
          column[a] = Load(from + (a * kSide + b) * step + vector * kLanes);
        Filtering::OutputOf(column, columns[b]);
      }
#pragma GCC unroll 5
      for (int a = 0; a < kTile; ++a) {
        Vector row[kSide], y[kTile];
#pragma GCC unroll 5
        for (int b = 0; b < kSide; ++b) row[b] = columns[b][a];
        Filtering::OutputOf(row, y);
#pragma GCC unroll 5
        for (int b = 0; b < kTile; ++b) {
          y[b] += bias;
          if (relu) y[b] = y[b] < 0.f ? Vector{} : y[b];  // not-a-number stays
        }
        Merge(y, rows + (a * kBlock + vector * kLanes) * kTile);
      }
    }
  }

  // Brings a segment of Output's rows into an image.
  static void Place(const float *rows, const Segment &segment, const Plane &plane, float *y) {
    const int64_t top = kTile * segment.row, left = kTile * segment.column;
    const int64_t height = std::min<int64_t>(kTile, plane.height - top),
                  width = std::min<int64_t>(kTile * segment.count, plane.width - left);
    const int64_t ahead = kAhead * plane.height * plane.width;
    for (int64_t a = 0; a < height; ++a) {
      const float *from = rows + (a * kBlock + segment.first) * kTile;
      float *to = y + (top + a) * plane.width + left;
      for (int64_t j = 0; j < width; j += kLanes) {
        __builtin_prefetch(to + j + ahead, 1);
        Store(to + j, Load(from + j), width - j);
      }
    }
  }
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_WINOGRAD_KERNEL_H_
