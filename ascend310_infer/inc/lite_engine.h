// SPDX-License-Identifier: Apache-2.0
// Runs a MINDIR through MindSpore Lite, on an Ascend device or a CPU.
#ifndef SLIMSR_LITE_ENGINE_H_
#define SLIMSR_LITE_ENGINE_H_

#include <string>
#include <vector>

#include "engine.h"
#include "include/api/model.h"

namespace slimsr {

class LiteEngine : public Engine {
 public:
  // A model with free sides is set to `shape`, which on Ascend must be one of its gears.
  LiteEngine(ModelFile model, const TileShape &shape, const EngineOptions &options);
  Pixels Takes() const override { return pixels_; }
  std::string Precision() const override { return precision_; }
  TensorView Run(void *tiles, const TileShape &shape) override;

 private:
  const ModelFile file_;  // kept: whether the library copies its bytes is its own affair
  const std::string precision_;
  mindspore::Model model_;
  Pixels pixels_ = Pixels::kFloatPlanes;
  std::vector<mindspore::MSTensor> outputs_;
  std::vector<float> widened_;  // a float16 output as float32
};

}  // namespace slimsr

#endif  // SLIMSR_LITE_ENGINE_H_
