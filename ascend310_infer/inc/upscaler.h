// SPDX-License-Identifier: Apache-2.0
// One picture through the network, tile by tile.
#ifndef SLIMSR_UPSCALER_H_
#define SLIMSR_UPSCALER_H_

#include <atomic>
#include <cstdint>
#include <opencv2/core.hpp>
#include <stdexcept>
#include <vector>

#include "engine.h"
#include "tiler.h"

namespace slimsr {

struct Tiling {
  TileShape tile;    // of a full batch
  bool fixed_size;   // the network takes tiles of exactly this height and width
  bool fixed_batch;  // and exactly this many
  int overlap;
  bool cross_fade;
};

struct TileTimes {
  int tiles = 0;
  double cut_ms = 0, infer_ms = 0, join_ms = 0;
};

// Thrown when the run is to stop.
struct Interrupted : std::runtime_error {
  Interrupted() : std::runtime_error("interrupted") {}
};

// How one picture is cut.
struct TileGrid {
  int height, width;  // of the picture, extended to a fixed tile's size if it is smaller
  TileShape shape;    // of one batch
  std::vector<Span> rows, columns;

  int Tiles() const { return static_cast<int>(rows.size() * columns.size()); }
};

// Throws InputError if the result of a picture takes more than `memory` bytes.
void CheckResultFits(cv::Size picture, int scale, uint64_t memory);

class Upscaler {
 public:
  Upscaler(Engine *engine, const Tiling &tiling, int scale, const std::atomic<bool> *stop);

  // One run of the network on a grey tile. Throws InputError if the result is not that of a network
  // of this scale.
  void CheckScale();

  TileGrid Plan(cv::Size picture) const;

  // `picture` and the result: 8-bit BGR. Throws EngineError, Interrupted, and InputError for a
  // result that this machine cannot hold.
  cv::Mat Run(const cv::Mat &picture, TileTimes *times);

  // Milliseconds of the network for a picture of this grid: the median of a few runs.
  double Measure(const TileGrid &grid);

 private:
  TensorView RunBatch(const TileShape &shape);
  void Put(const cv::Mat &pixels, unsigned char *tile) const;
  void FillGrey(const TileShape &shape);

  Engine *engine_;
  const Pixels pixels_;
  const Tiling tiling_;
  const int scale_;
  const std::atomic<bool> *stop_;
  std::vector<unsigned char> tiles_;  // the input of one batch
};

}  // namespace slimsr

#endif  // SLIMSR_UPSCALER_H_
