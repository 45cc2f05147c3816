// SPDX-License-Identifier: Apache-2.0
// Runs an ONNX model on a CPU.
#ifndef SLIMSR_OPENVINO_ENGINE_H_
#define SLIMSR_OPENVINO_ENGINE_H_

#include <openvino/openvino.hpp>
#include <string>
#include <vector>

#include "engine.h"

namespace slimsr {

class OpenVinoEngine : public Engine {
 public:
  OpenVinoEngine(const ModelFile &model, const EngineOptions &options);
  std::string Precision() const override { return precision_; }
  TensorView Run(void *tiles, const TileShape &shape) override;
  std::vector<LayerTime> Layers() const override { return layers_; }
  void ForgetLayers() override { layers_.clear(); }

 private:
  void AddTimes();

  const std::string precision_;
  const bool profiles_;
  std::vector<LayerTime> layers_;
  ov::Core core_;
  ov::InferRequest request_;
};

}  // namespace slimsr

#endif  // SLIMSR_OPENVINO_ENGINE_H_
