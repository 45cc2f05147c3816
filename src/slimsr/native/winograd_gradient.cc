// SPDX-License-Identifier: Apache-2.0
// The gradient of 3 x 3 filters by Winograd's minimal filtering: nine results of 5 x 5 inputs and
// 3 x 3 gradients, which take the part of the filters, by 25 products.
//
// dw = OutputOf(sum over all tiles of InputOf(x) * WeightsOf(dy)). Vectors hold channels here, for
// the sums go over tiles; so pictures are turned from planes to pixels on the way, which is little
// beside the products. Partial sums are those of whole images where there are several, and added in
// their order, so that results are the same bit for bit on any number of threads.

#include <algorithm>
#include <vector>

#include "pool.h"
#include "problem.h"
#include "winograd_kernel.h"
#include "workspace.h"

namespace slimsr {
namespace {

using Kernel = WinogradKernel;

// Tiles of one image, side by side.
struct Area {
  int64_t image, row, rows, column, columns;

  int64_t tiles() const { return rows * columns; }
};

// kLanes channels of pixels [height][width][kLanes], zeros outside of the image.
struct Pixels {
  Vector At(int64_t row, int64_t column) const {
    return Load(data + (row * width + column) * kLanes);
  }

  // Reads `count` channels, each an image of `from`, beginning at `top` and `left`.
  void Read(const float *channels, int64_t count, const Dims &from, int64_t top, int64_t left) {
    const int64_t size = from[2] * from[3];
    const int64_t begin = std::clamp<int64_t>(-left, 0, width),
                  end = std::clamp<int64_t>(from[3] - left, begin, width);
    for (int64_t row = 0; row < height; ++row) {
      float *to = data + row * width * kLanes;
      const int64_t at = top + row;
      if (at < 0 || at >= from[2]) {
        std::fill_n(to, width * kLanes, 0.f);
        continue;
      }
      std::fill_n(to, begin * kLanes, 0.f);
      std::fill_n(to + end * kLanes, (width - end) * kLanes, 0.f);
      for (int64_t column = begin; column < end; column += kLanes) {
        const float *source = channels + at * from[3] + left + column;
        const int64_t pixels = std::min<int64_t>(kLanes, end - column);
        Vector lines[kLanes];
#pragma GCC unroll 16
        for (int lane = 0; lane < kLanes; ++lane) {
          lines[lane] = lane < count ? Load(source + lane * size, end - column) : Vector{};
          __builtin_prefetch(source + lane * size + from[3]);  // the next row, of kLanes planes
        }
        Transpose(lines);
        for (int64_t i = 0; i < pixels; ++i) Store(to + (column + i) * kLanes, lines[i]);
      }
    }
  }

  float *data;
  int64_t height, width;
};

class WinogradGradientPlan final : public Plan {
 public:
  explicit WinogradGradientPlan(const Problem &p)
      : p_(p),
        rows_(Ceil(p.y[2], Kernel::kTile)),
        columns_(Ceil(p.y[3], Kernel::kTile)),
        inputs_(Ceil(p.x[1], kLanes)),
        outputs_(Ceil(p.y[1], kLanes)),
        blocks_(Ceil(inputs_, kRegisterVectors)),
        most_tiles_(MostTiles()),
        piece_rows_(PieceRows()),
        pieces_(Ceil(p.x[0] * rows_, piece_rows_)) {}

  // x and dy; the gradients of weights and bias.
  void Run(float *x, float *dy, float *weights, float *bias) const override {
    const int64_t size = SumsFloats() + outputs_ * kLanes;
    Workspace space(pieces_ * size * sizeof(float));
    auto *sums = reinterpret_cast<float *>(space.Next(0));
    const int64_t all = p_.x[0] * rows_;
    Pool::Get().Run(static_cast<int>(pieces_), [&](int piece) {
      float *own = sums + piece * size;
      std::fill_n(own, size, 0.f);
      AddRows(x, dy, piece * piece_rows_, std::min(all, (piece + 1) * piece_rows_), own);
    });
    Pool::Get().Run(static_cast<int>(p_.y[1]), [&](int o) {
      Weights(sums, size, o, weights);
      if (bias != nullptr) {
        bias[o] = 0;
        for (int64_t piece = 0; piece < pieces_; ++piece)
          bias[o] += sums[piece * size + SumsFloats() + o];
      }
    });
  }

 private:
  // Of transformed inputs and gradients: half of a core's L2 cache, beside the sums.
  static constexpr int64_t kCacheFloats = (384 << 10) / sizeof(float);
  // With fewer the time goes into reading and writing the sums, which exceed caches of many
  // channels.
  static constexpr int64_t kLeastTiles = 32;
  static constexpr int64_t kSumsFloats = (16 << 20) / sizeof(float);  // of all pieces
  static constexpr int64_t kMostPieces = 16, kPiecesOfImage = 4;

  int64_t MostTiles() const {
    const int64_t each = Kernel::kPoints * (inputs_ + outputs_) * kLanes;
    return std::min(rows_ * columns_, std::max<int64_t>(kCacheFloats / each, kLeastTiles));
  }

  // Rows of tiles that are summed up together: whole images where there are several.
  int64_t PieceRows() const {
    const int64_t most = std::clamp<int64_t>(kSumsFloats / SumsFloats(), 2, kMostPieces);
    const int64_t images = p_.x[0];
    if (images == 1) return Ceil(rows_, std::min(most, kPiecesOfImage));
    return std::max<int64_t>(1, Ceil(images, most)) * rows_;
  }

  // sums [points][blocks of inputs][outputs][kBlock]
  int64_t SumsStep() const { return blocks_ * outputs_ * kLanes * kBlock; }
  int64_t SumsFloats() const { return Kernel::kPoints * SumsStep(); }
  // Off the powers of two, where all points would compete for the same lines of a cache.
  int64_t InputStep() const { return blocks_ * most_tiles_ * kBlock + kLanes; }
  int64_t OutputStep() const { return outputs_ * most_tiles_ * kLanes + kLanes; }
  int64_t FirstOf(int64_t block) const { return inputs_ * block / blocks_; }

  // Adds tile rows, counted through all images, to the sums of a piece, and to those of the bias.
  void AddRows(const float *x, const float *dy, int64_t begin, int64_t end, float *sums) const {
    const int64_t columns = std::min(columns_, most_tiles_),
                  rows = std::max<int64_t>(1, most_tiles_ / columns);
    const int64_t pixels = (Kernel::kTile * rows + 2) * (Kernel::kTile * columns + 2) * kLanes;
    const int64_t of_inputs = Kernel::kPoints * InputStep(),
                  of_outputs = Kernel::kPoints * OutputStep();
    const auto bytes = [](int64_t floats) { return Workspace::Rounded(floats * sizeof(float)); };
    Workspace space(bytes(of_inputs) + bytes(of_outputs) + bytes(pixels));
    const auto take = [&space](int64_t floats) {
      return reinterpret_cast<float *>(space.Next(floats * sizeof(float)));
    };
    float *inputs = take(of_inputs), *outputs = take(of_outputs), *scratch = take(pixels);
    for (int64_t at = begin; at < end;) {
      const int64_t image = at / rows_, row = at % rows_;
      const int64_t count = std::min({rows, rows_ - row, end - at});
      for (int64_t column = 0; column < columns_; column += columns) {
        const Area area = {image, row, count, column, std::min(columns, columns_ - column)};
        Inputs(x, area, scratch, inputs);
        Outputs(dy, area, scratch, outputs, p_.bias ? sums + SumsFloats() : nullptr);
        Multiply(area.tiles(), inputs, outputs, sums);
      }
      at += count;
    }
  }

  // to [points][blocks of inputs][tiles][kBlock]
  void Inputs(const float *x, const Area &area, float *scratch, float *to) const {
    Pixels pixels{scratch, Kernel::kTile * area.rows + 2, Kernel::kTile * area.columns + 2};
    for (int64_t block = 0; block < blocks_; ++block) {
      for (int64_t i = FirstOf(block); i < FirstOf(block + 1); ++i) {
        const float *channels = Channels(x, p_.x, area.image, i);
        pixels.Read(channels, p_.x[1] - i * kLanes, p_.x, Kernel::kTile * area.row - p_.pad_h,
                    Kernel::kTile * area.column - p_.pad_w);
        float *own = to + block * most_tiles_ * kBlock + (i - FirstOf(block)) * kLanes;
        ForEachTile(area, [&](int64_t row, int64_t column, int64_t tile) {
          Vector columns[Kernel::kSide][Kernel::kSide];
#pragma GCC unroll 5
          for (int b = 0; b < Kernel::kSide; ++b) {
            Vector d[Kernel::kSide];
#pragma GCC unroll 5
            for (int a = 0; a < Kernel::kSide; ++a) d[a] = pixels.At(row + a, column + b);
            Filtering::InputOf(d, columns[b]);
          }
          Spread<Kernel::kSide>(columns, Filtering::InputOf, own + tile * kBlock, InputStep());
        });
      }
    }
  }

  // to [points][vectors of outputs][tiles][kLanes]
  void Outputs(const float *dy, const Area &area, float *scratch, float *to, float *bias) const {
    Pixels pixels{scratch, Kernel::kTile * area.rows, Kernel::kTile * area.columns};
    for (int64_t o = 0; o < outputs_; ++o) {
      pixels.Read(Channels(dy, p_.y, area.image, o), p_.y[1] - o * kLanes, p_.y,
                  Kernel::kTile * area.row, Kernel::kTile * area.column);
      Vector sum = {};
      ForEachTile(area, [&](int64_t row, int64_t column, int64_t tile) {
        Vector columns[Kernel::kTile][Kernel::kSide];
#pragma GCC unroll 3
        for (int b = 0; b < Kernel::kTile; ++b) {
          const Vector d[] = {pixels.At(row, column + b), pixels.At(row + 1, column + b),
                              pixels.At(row + 2, column + b)};
          sum += d[0] + (d[1] + d[2]);
          Filtering::WeightsOf(d, columns[b]);
        }
        Spread<Kernel::kTile>(columns, Filtering::WeightsOf, to + (o * most_tiles_ + tile) * kLanes,
                              OutputStep());
      });
      if (bias != nullptr) Store(bias + o * kLanes, Load(bias + o * kLanes) + sum);
    }
  }

  // Transforms the rows of transformed columns and stores the points, `step` apart.
  template <int count, typename Transform>
  static void Spread(const Vector (*columns)[Kernel::kSide], const Transform &transform, float *to,
                     int64_t step) {
#pragma GCC unroll 5
    for (int a = 0; a < Kernel::kSide; ++a) {
      Vector row[count], t[Kernel::kSide];
#pragma GCC unroll 5
      for (int b = 0; b < count; ++b) row[b] = columns[b][a];
      transform(row, t);
#pragma GCC unroll 5
      for (int b = 0; b < Kernel::kSide; ++b) Store(to + (a * Kernel::kSide + b) * step, t[b]);
    }
  }

  // Calls work(first row and column in pixels, number of the tile).
  template <typename Work>
  static void ForEachTile(const Area &area, const Work &work) {
    for (int64_t row = 0; row < area.rows; ++row) {
      for (int64_t column = 0; column < area.columns; ++column)
        work(Kernel::kTile * row, Kernel::kTile * column, row * area.columns + column);
    }
  }

  void Multiply(int64_t tiles, const float *inputs, const float *outputs, float *sums) const {
    for (int64_t point = 0; point < Kernel::kPoints; ++point) {
      for (int64_t block = 0; block < blocks_; ++block) {
        const int64_t vectors = FirstOf(block + 1) - FirstOf(block);
        const auto multiply = vectors == 1   ? Kernel::Multiply<1, true>
                              : vectors == 2 ? Kernel::Multiply<2, true>
                                             : Kernel::Multiply<3, true>;
        const float *v = inputs + point * InputStep() + block * most_tiles_ * kBlock;
        float *to = sums + point * SumsStep() + block * outputs_ * kLanes * kBlock;
        for (int64_t o = 0; o < p_.y[1]; o += kRegisterRows) {
          const float *u =
              outputs + point * OutputStep() + o / kLanes * most_tiles_ * kLanes + o % kLanes;
          multiply(tiles, u, v, to + o * kBlock);
        }
      }
    }
  }

  // The weights of one output from the sums of all pieces, which lie `size` apart.
  void Weights(const float *sums, int64_t size, int64_t o, float *weights) const {
    for (int64_t block = 0; block < blocks_; ++block) {
      for (int64_t i = FirstOf(block); i < FirstOf(block + 1); ++i) {
        const float *from =
            sums + (block * outputs_ * kLanes + o) * kBlock + (i - FirstOf(block)) * kLanes;
        Vector columns[Kernel::kSide][3], found[std::max(kLanes, 9)] = {};
        for (int b = 0; b < Kernel::kSide; ++b) {
          Vector column[Kernel::kSide] = {};
          for (int a = 0; a < Kernel::kSide; ++a) {
            for (int64_t piece = 0; piece < pieces_; ++piece)
              column[a] += Load(from + piece * size + (a * Kernel::kSide + b) * SumsStep());
          }
          Filtering::OutputOf(column, columns[b]);
        }
        for (int a = 0; a < 3; ++a) {
          Vector row[Kernel::kSide];
          for (int b = 0; b < Kernel::kSide; ++b) row[b] = columns[b][a];
          Filtering::OutputOf(row, found + 3 * a);
        }
        const int64_t count = std::min<int64_t>(kLanes, p_.x[1] - i * kLanes);
        float *to = weights + (o * p_.x[1] + i * kLanes) * 9;
        if constexpr (kLanes >= 9) Transpose(found);
        for (int64_t lane = 0; lane < count; ++lane, to += 9) {
          if constexpr (kLanes >= 9) {
            Store(to, found[lane], 9);
          } else {
            for (int k = 0; k < 9; ++k) to[k] = found[k][lane];
          }
        }
      }
    }
  }

  static const float *Channels(const float *data, const Dims &dims, int64_t image, int64_t vector) {
    return data + (image * dims[1] + vector * kLanes) * dims[2] * dims[3];
  }

  const Problem p_;
  const int64_t rows_, columns_;    // tiles of an image
  const int64_t inputs_, outputs_;  // vectors of channels
  const int64_t blocks_;            // of inputs, up to kRegisterVectors vectors each
  const int64_t most_tiles_;        // that are transformed at once
  const int64_t piece_rows_, pieces_;
};

}  // namespace

std::unique_ptr<const Plan> MakeWinogradGradient(const Problem &p) {
  return std::make_unique<WinogradGradientPlan>(p);
}

}  // namespace slimsr
