// SPDX-License-Identifier: Apache-2.0
#include "upscaler.h"

#include <unistd.h>

#include <algorithm>
#include <string>

#include "error.h"
#include "mosaic.h"
#include "stopwatch.h"

namespace slimsr {

namespace {

size_t ValuesPerTile(const TileShape &shape) {
  return size_t{3} * static_cast<size_t>(shape.height) * static_cast<size_t>(shape.width);
}

size_t BytesPerTile(const TileShape &shape, Pixels pixels) {
  return ValuesPerTile(shape) * (pixels == Pixels::kBytes ? 1 : sizeof(float));
}

// 8-bit BGR pixels to RGB.
void Swap(const cv::Mat &pixels, unsigned char *rgb) {
  for (int y = 0; y < pixels.rows; ++y) {
    const unsigned char *pixel = pixels.ptr<unsigned char>(y);
    for (int x = 0; x < pixels.cols; ++x, rgb += 3, pixel += 3) {
      rgb[0] = pixel[2];
      rgb[1] = pixel[1];
      rgb[2] = pixel[0];
    }
  }
}

// 8-bit BGR pixels to planes R, G, B.
void Pack(const cv::Mat &pixels, float *planes) {
  const size_t plane = pixels.total();
  float *red = planes;
  for (int y = 0; y < pixels.rows; ++y) {
    const unsigned char *pixel = pixels.ptr<unsigned char>(y);
    for (int x = 0; x < pixels.cols; ++x, ++red, pixel += 3) {
      red[0] = pixel[2];
      red[plane] = pixel[1];
      red[2 * plane] = pixel[0];
    }
  }
}

uint64_t PhysicalMemory() {
  return static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
         static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace

void CheckResultFits(cv::Size picture, int scale, uint64_t memory) {
  const int64_t width = int64_t{picture.width} * scale, height = int64_t{picture.height} * scale;
  if (static_cast<uint64_t>(width * height) * 3 > memory) {
    throw InputError("the result would have " + std::to_string(width) + "x" +
                     std::to_string(height) + " pixels, expected no more than the " +
                     std::to_string(memory >> 20) +
                     " MiB of this machine hold; cut the picture into parts");
  }
}

Upscaler::Upscaler(Engine *engine, const Tiling &tiling, int scale, const std::atomic<bool> *stop)
    : engine_(engine), pixels_(engine->Takes()), tiling_(tiling), scale_(scale), stop_(stop) {}

TileGrid Upscaler::Plan(cv::Size picture) const {
  TileGrid grid;
  grid.height = picture.height;
  grid.width = picture.width;
  grid.shape = tiling_.tile;
  if (tiling_.fixed_size) {
    grid.height = std::max(grid.height, grid.shape.height);
    grid.width = std::max(grid.width, grid.shape.width);
  } else {
    grid.shape.height = EvenTile(grid.height, grid.shape.height, tiling_.overlap);
    grid.shape.width = EvenTile(grid.width, grid.shape.width, tiling_.overlap);
  }
  grid.rows = PlanAxis(grid.height, grid.shape.height, tiling_.overlap);
  grid.columns = PlanAxis(grid.width, grid.shape.width, tiling_.overlap);
  if (!tiling_.fixed_batch) {
    grid.shape.batch = std::min(grid.shape.batch, grid.Tiles());
  }
  return grid;
}

cv::Mat Upscaler::Run(const cv::Mat &picture, TileTimes *times) {
  CheckResultFits(picture.size(), scale_, PhysicalMemory());
  const TileGrid grid = Plan(picture.size());
  const int columns = static_cast<int>(grid.columns.size());
  const size_t values = ValuesPerTile(grid.shape), bytes = BytesPerTile(grid.shape, pixels_);
  cv::Mat extended = picture;
  if (grid.height != picture.rows || grid.width != picture.cols) {
    cv::copyMakeBorder(picture, extended, 0, grid.height - picture.rows, 0,
                       grid.width - picture.cols, cv::BORDER_REPLICATE);
  }
  Mosaic mosaic(grid.rows, grid.columns, scale_, tiling_.overlap, tiling_.cross_fade);
  times->tiles = grid.Tiles();
  for (int first = 0; first < grid.Tiles(); first += grid.shape.batch) {
    if (*stop_) {
      throw Interrupted();
    }
    const int count = std::min(grid.shape.batch, grid.Tiles() - first);
    TileShape shape = grid.shape;
    if (!tiling_.fixed_batch) {
      shape.batch = count;
    }
    const Stopwatch cut;
    tiles_.resize(bytes * static_cast<size_t>(shape.batch));
    for (int i = 0; i < shape.batch; ++i) {
      const int tile = first + std::min(i, count - 1);  // the last one fills up a fixed batch
      const Span &row = grid.rows[tile / columns], &column = grid.columns[tile % columns];
      const cv::Mat part =
          extended(cv::Range(row.start, row.stop), cv::Range(column.start, column.stop));
      Put(part, tiles_.data() + bytes * static_cast<size_t>(i));
    }
    times->cut_ms += cut.Milliseconds();

    const Stopwatch infer;
    const TensorView result = RunBatch(shape);
    times->infer_ms += infer.Milliseconds();

    const Stopwatch join;
    for (int i = 0; i < count; ++i) {
      mosaic.Add(
          (first + i) / columns, (first + i) % columns,
          result.data + values * static_cast<size_t>(scale_ * scale_) * static_cast<size_t>(i));
    }
    times->join_ms += join.Milliseconds();
  }
  const Stopwatch join;
  cv::Mat result = mosaic.Finish();
  times->join_ms += join.Milliseconds();
  return result(cv::Rect(0, 0, picture.cols * scale_, picture.rows * scale_));
}

double Upscaler::Measure(const TileGrid &grid) {
  constexpr int kRuns = 5;
  FillGrey(grid.shape);
  RunBatch(grid.shape);  // the first run of a shape prepares the kernels
  std::vector<double> times;
  for (int i = 0; i < kRuns && !*stop_; ++i) {
    const Stopwatch watch;
    RunBatch(grid.shape);
    times.push_back(watch.Milliseconds());
  }
  if (*stop_) {
    throw Interrupted();
  }
  std::nth_element(times.begin(), times.begin() + kRuns / 2, times.end());
  const int batches = (grid.Tiles() + grid.shape.batch - 1) / grid.shape.batch;
  return times[kRuns / 2] * batches;
}

void Upscaler::CheckScale() {
  TileShape shape = tiling_.tile;
  if (!tiling_.fixed_size) {  // then a small tile says as much
    constexpr int kSmall = 16;
    shape.height = std::min(shape.height, kSmall);
    shape.width = std::min(shape.width, kSmall);
  }
  if (!tiling_.fixed_batch) {
    shape.batch = 1;
  }
  FillGrey(shape);
  try {
    RunBatch(shape);
  } catch (const DeviceError &) {
    throw;  // whose fault it is not known
  } catch (const EngineError &error) {
    throw InputError(std::string("the model does not fit its manifest: ") + error.what() +
                     ", expected scale " + std::to_string(scale_) + "; export the bundle again");
  }
}

void Upscaler::Put(const cv::Mat &pixels, unsigned char *tile) const {
  if (pixels_ == Pixels::kBytes) {
    Swap(pixels, tile);
  } else {
    Pack(pixels, reinterpret_cast<float *>(tile));
  }
}

void Upscaler::FillGrey(const TileShape &shape) {
  const cv::Mat grey(shape.height, shape.width, CV_8UC3, cv::Scalar::all(128));
  const size_t bytes = BytesPerTile(shape, pixels_);
  tiles_.resize(bytes * static_cast<size_t>(shape.batch));
  for (int i = 0; i < shape.batch; ++i) {
    Put(grey, tiles_.data() + bytes * static_cast<size_t>(i));
  }
}

TensorView Upscaler::RunBatch(const TileShape &shape) {
  const TensorView result = engine_->Run(tiles_.data(), shape);
  const std::vector<int64_t> expected = {shape.batch, 3, int64_t{shape.height} * scale_,
                                         int64_t{shape.width} * scale_};
  if (result.shape != expected) {
    throw EngineError("the network made " + ShapeText(result.shape) + " of " +
                      ShapeText({shape.batch, 3, shape.height, shape.width}) + ", not " +
                      ShapeText(expected));
  }
  return result;
}

}  // namespace slimsr
