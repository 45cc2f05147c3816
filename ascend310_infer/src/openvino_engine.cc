// SPDX-License-Identifier: Apache-2.0
#include "openvino_engine.h"

#include <algorithm>
#include <cmath>
#include <openvino/frontend/manager.hpp>
#include <openvino/op/constant.hpp>
#include <sstream>

#include "error.h"
#include "onnx_file.h"

namespace slimsr {

namespace {

// For each shape of tile OpenVINO keeps what it has prepared, by itself for thousands of them:
// memory would grow with the number of sizes of pictures.
constexpr int kShapesKept = 0;

ov::element::Type ElementType(const std::string &precision) {
  if (precision == "bf16") {
    return ov::element::bf16;
  }
  return precision == "f16" ? ov::element::f16 : ov::element::f32;
}

// A ReLU makes 0 of NaN, so that the result would be wrong and yet finite.
bool IsFinite(const ov::Model &model) {
  const auto nodes = model.get_ops();
  return std::all_of(nodes.begin(), nodes.end(), [](const std::shared_ptr<ov::Node> &node) {
    const auto constant = ov::as_type_ptr<ov::op::v0::Constant>(node);
    if (constant == nullptr || !constant->get_element_type().is_real()) {
      return true;
    }
    const auto values = constant->cast_vector<float>();
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  });
}

}  // namespace

// Without a hint OpenVINO takes bfloat16 where the CPU has it, which costs accuracy.
OpenVinoEngine::OpenVinoEngine(const ModelFile &model, const EngineOptions &options)
    : precision_(options.precision.value_or("f32")), profiles_(!options.profile.empty()) {
  CheckOnnx(model);
  ov::CompiledModel compiled;
  bool finite = false;
  try {
    // Core::read_model would try the readers of all formats on a broken file, with their logs.
    const auto reader = ov::frontend::FrontEndManager().load_by_framework("onnx");
    std::istringstream bytes(model.bytes);
    const ov::AnyMap hints = {ov::hint::inference_precision(ElementType(precision_)),
                              ov::enable_profiling(profiles_),
                              {"CPU_RUNTIME_CACHE_CAPACITY", kShapesKept}};
    const auto read = reader->convert(reader->load(static_cast<std::istream *>(&bytes)));
    finite = IsFinite(*read);
    compiled = core_.compile_model(read, "CPU", hints);
    request_ = compiled.create_infer_request();
  } catch (const std::exception &error) {
    throw InputError(model.name + " cannot be loaded by OpenVINO, expected an ONNX model (" +
                     OneLine(error.what()) + "); export it again");
  }
  if (!finite) {
    throw InputError(model.name + " has weights that are NaN or infinite, expected finite ones; " +
                     "export another checkpoint");
  }
  // It falls back silently where the CPU lacks the type.
  if (compiled.get_property(ov::hint::inference_precision) != ElementType(precision_)) {
    throw InputError("--precision " + precision_ +
                     ", which this CPU does not have, expected one that " + "it has; give f32");
  }
  if (compiled.inputs().size() != 1 || compiled.outputs().size() != 1 ||
      compiled.input().get_element_type() != ov::element::f32 ||
      compiled.output().get_element_type() != ov::element::f32) {
    throw InputError(model.name +
                     " is another kind of model, expected one float32 input and one output" +
                     "; export it again");
  }
}

TensorView OpenVinoEngine::Run(void *tiles, const TileShape &shape) {
  const ov::Shape input_shape{static_cast<size_t>(shape.batch), 3,
                              static_cast<size_t>(shape.height), static_cast<size_t>(shape.width)};
  try {
    request_.set_input_tensor(ov::Tensor(ov::element::f32, input_shape, tiles));
    request_.infer();
    if (profiles_) {
      AddTimes();
    }
    const ov::Tensor output = request_.get_output_tensor();
    const ov::Shape &sides = output.get_shape();
    return {{sides.begin(), sides.end()}, output.data<float>()};
  } catch (const std::exception &error) {
    throw EngineError("OpenVINO: " + OneLine(error.what()));
  }
}

void OpenVinoEngine::AddTimes() {
  constexpr double kPerMs = 1000;
  std::vector<LayerTime> now;
  for (const ov::ProfilingInfo &layer : request_.get_profiling_info()) {
    if (layer.status == ov::ProfilingInfo::Status::EXECUTED) {
      now.push_back({layer.node_name, layer.node_type + ", " + layer.exec_type,
                     static_cast<double>(layer.real_time.count()) / kPerMs});
    }
  }
  for (const LayerTime &layer : now) {
    const auto same = std::find_if(layers_.begin(), layers_.end(), [&](const LayerTime &other) {
      return other.name == layer.name && other.type == layer.type;
    });
    if (same == layers_.end()) {
      layers_.push_back(layer);
    } else {
      same->ms += layer.ms;
    }
  }
}

}  // namespace slimsr
