// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <utility>

#include "error.h"
#ifdef SLIMSR_WITH_LITE
#include "lite_engine.h"
#endif
#ifdef SLIMSR_WITH_OPENVINO
#include "openvino_engine.h"
#endif

namespace slimsr {

const char *NameOf(Runtime runtime) { return runtime == Runtime::kLite ? "lite" : "openvino"; }

const char *FormatOf(Runtime runtime) { return runtime == Runtime::kLite ? "MINDIR" : "ONNX"; }

bool IsBuilt([[maybe_unused]] Runtime runtime) {
#ifdef SLIMSR_WITH_LITE
  if (runtime == Runtime::kLite) {
    return true;
  }
#endif
#ifdef SLIMSR_WITH_OPENVINO
  if (runtime == Runtime::kOpenVino) {
    return true;
  }
#endif
  return false;
}

std::unique_ptr<Engine> OpenEngine(Runtime runtime, ModelFile model,
                                   [[maybe_unused]] const TileShape &shape,
                                   [[maybe_unused]] const EngineOptions &options) {
#ifdef SLIMSR_WITH_LITE
  if (runtime == Runtime::kLite) {
    return std::make_unique<LiteEngine>(std::move(model), shape, options);
  }
#endif
#ifdef SLIMSR_WITH_OPENVINO
  if (runtime == Runtime::kOpenVino) {
    return std::make_unique<OpenVinoEngine>(model, options);
  }
#endif
  throw InputError("engine " + std::string(NameOf(runtime)) + " for " + model.name +
                   " is not part of this program; run build.sh with " +
                   (runtime == Runtime::kLite ? "MINDSPORE_LITE_HOME" : "OpenVINO_DIR") + " set");
}

std::string ShapeText(const std::vector<int64_t> &shape) {
  std::string text;
  for (const int64_t side : shape) {
    text += (text.empty() ? "" : "x") + std::to_string(side);
  }
  return text;
}

}  // namespace slimsr
