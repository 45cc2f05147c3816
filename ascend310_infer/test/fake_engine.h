// SPDX-License-Identifier: Apache-2.0
// A network for tests: its results depend on each pixel's neighbours up to a known radius.
#ifndef SLIMSR_TEST_FAKE_ENGINE_H_
#define SLIMSR_TEST_FAKE_ENGINE_H_

#include <vector>

#include "engine.h"
#include "error.h"

namespace slimsr {

constexpr int kScale = 2;  // of most tests

// Of 8-bit RGB pixels: the same values as planes.
class BytesEngine : public Engine {
 public:
  Pixels Takes() const override { return Pixels::kBytes; }
  std::string Precision() const override { return "the model's own"; }

  TensorView Run(void *tiles, const TileShape &shape) override {
    const auto *pixel = static_cast<const unsigned char *>(tiles);
    const size_t plane = static_cast<size_t>(shape.height) * shape.width;
    result_.resize(3 * plane * shape.batch);
    for (size_t i = 0; i < plane * shape.batch; ++i, pixel += 3) {
      for (size_t colour = 0; colour < 3; ++colour) {
        result_[(i / plane * 3 + colour) * plane + i % plane] = pixel[colour];
      }
    }
    return {{shape.batch, 3, shape.height, shape.width}, result_.data()};
  }

 private:
  std::vector<float> result_;
};

// Mean of the (2 radius + 1)^2 pixels around each, zero outside; each result pixel repeated, plus a
// ramp inside it so that no two results of a pixel are alike.
class FakeEngine : public Engine {
 public:
  FakeEngine(int scale, int radius) : scale_(scale), radius_(radius) {}

  std::string Precision() const override { return "f32"; }

  TensorView Run(void *tiles, const TileShape &shape) override {
    shapes.push_back(shape);
    if (fail_at == static_cast<int>(shapes.size())) {
      throw EngineError("device lost");
    }
    if (broken) {
      throw DeviceError("no answer");
    }
    const int height = shape.height, width = shape.width;
    result_.resize(size_t{3} * shape.batch * height * width * scale_ * scale_);
    for (int plane = 0; plane < 3 * shape.batch; ++plane) {
      const float *from = static_cast<const float *>(tiles) + size_t(plane) * height * width;
      float *to = result_.data() + size_t(plane) * height * width * scale_ * scale_;
      for (int y = 0; y < height * scale_; ++y) {
        for (int x = 0; x < width * scale_; ++x) {
          to[size_t(y) * width * scale_ + x] =
              Mean(from, height, width, y / scale_, x / scale_) + float(y % scale_) * 0.3F + offset;
        }
      }
    }
    return {{shape.batch, 3, int64_t{height} * scale_, int64_t{width} * scale_}, result_.data()};
  }

  std::vector<TileShape> shapes;  // of all runs
  int fail_at = 0;                // the run that fails, from 1; 0: none
  bool broken = false;            // then every run fails
  float offset = 0;               // added to every result

 private:
  float Mean(const float *plane, int height, int width, int y, int x) const {
    float sum = 0;
    for (int i = y - radius_; i <= y + radius_; ++i) {
      for (int j = x - radius_; j <= x + radius_; ++j) {
        if (i >= 0 && i < height && j >= 0 && j < width) {
          sum += plane[i * width + j];
        }
      }
    }
    return sum / float((2 * radius_ + 1) * (2 * radius_ + 1));
  }

  const int scale_, radius_;
  std::vector<float> result_;
};

}  // namespace slimsr

#endif  // SLIMSR_TEST_FAKE_ENGINE_H_
