// SPDX-License-Identifier: Apache-2.0
// Runs an ONNX model on a CPU.
#ifndef SLIMSR_OPENVINO_ENGINE_H_
#define SLIMSR_OPENVINO_ENGINE_H_

#include <openvino/openvino.hpp>
#include <string>

#include "engine.h"

namespace slimsr {

class OpenVinoEngine : public Engine {
 public:
  OpenVinoEngine(const ModelFile &model, const EngineOptions &options);
  TensorView Run(float *tiles, const TileShape &shape) override;

 private:
  ov::Core core_;
  ov::InferRequest request_;
};

}  // namespace slimsr

#endif  // SLIMSR_OPENVINO_ENGINE_H_
