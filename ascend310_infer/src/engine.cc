// SPDX-License-Identifier: Apache-2.0
#include "engine.h"

#include <algorithm>
#include <utility>

#include "acl_engine.h"
#include "acl_library.h"
#include "error.h"
#ifdef SLIMSR_WITH_LITE
#include "lite_engine.h"
#endif
#ifdef SLIMSR_WITH_OPENVINO
#include "openvino_engine.h"
#endif

namespace slimsr {

namespace {

// By the order of Runtime.
constexpr const char *kRuntimeNames[] = {"lite", "acl", "openvino"};
constexpr const char *kModelFormats[] = {"MINDIR", "OM", "ONNX"};

}  // namespace

const char *NameOf(Runtime runtime) { return kRuntimeNames[static_cast<int>(runtime)]; }

const char *FormatOf(Runtime runtime) { return kModelFormats[static_cast<int>(runtime)]; }

ProcessWideRuntimes::~ProcessWideRuntimes() { AclLibrary::Finish(); }

bool IsBuilt(Runtime runtime) {
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
  return runtime == Runtime::kAcl;  // its library is looked for when it is used
}

std::unique_ptr<Engine> OpenEngine(Runtime runtime, ModelFile model, const TileShape &shape,
                                   const EngineOptions &options) {
  if (runtime == Runtime::kAcl) {
    return std::make_unique<AclEngine>(model, shape, options);
  }
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

std::vector<int64_t> Sides(const TileShape &shape, Pixels pixels) {
  if (pixels == Pixels::kBytes) {
    return {shape.batch, shape.height, shape.width, 3};
  }
  return {shape.batch, 3, shape.height, shape.width};
}

size_t Count(const std::vector<int64_t> &shape) {
  size_t count = 1;
  for (const int64_t side : shape) {
    count *= static_cast<size_t>(std::max<int64_t>(side, 0));
  }
  return count;
}

std::string ShapeText(const std::vector<int64_t> &shape) {
  std::string text;
  for (const int64_t side : shape) {
    text += (text.empty() ? "" : "x") + std::to_string(side);
  }
  return text;
}

}  // namespace slimsr
