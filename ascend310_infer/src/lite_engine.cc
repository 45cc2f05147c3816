// SPDX-License-Identifier: Apache-2.0
#include "lite_engine.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#include "error.h"
#include "half.h"
#include "profile.h"

namespace slimsr {

namespace {

using mindspore::DataType;
using mindspore::MSTensor;

std::shared_ptr<mindspore::Context> MakeContext(const EngineOptions &options) {
  auto context = std::make_shared<mindspore::Context>();
  if (options.ascend) {
    auto device = std::make_shared<mindspore::AscendDeviceInfo>();
    device->SetDeviceID(static_cast<uint32_t>(options.device_id));
    if (options.precision) {  // else what the converter or the config file has chosen
      device->SetPrecisionMode(*options.precision == "f16" ? "enforce_fp16" : "enforce_fp32");
    }
    context->MutableDeviceInfo().push_back(device);
  } else {
    auto device = std::make_shared<mindspore::CPUDeviceInfo>();
    device->SetEnableFP16(options.precision == "f16");
    context->MutableDeviceInfo().push_back(device);
  }
  return context;
}

void Expect(const mindspore::Status &status, const std::string &given,
            const std::string &expected) {
  if (status != mindspore::kSuccess) {
    throw InputError(given + ", expected " + expected + " (" + OneLine(status.ToString()) + ")" +
                     "; see the log of MindSpore Lite above");
  }
}

// Elsewhere MindSpore Lite warns in its log, and computes in float32.
bool CpuHasHalf() {
#if defined(__aarch64__)
  return (getauxval(AT_HWCAP) & HWCAP_ASIMDHP) != 0;
#else
  return false;
#endif
}

// What the arithmetic is, which is not always what is asked for.
std::string PrecisionOf(const EngineOptions &options) {
  if (!options.ascend) {
    if (options.precision == "f16" && !CpuHasHalf()) {
      throw InputError(
          "--precision f16, which MindSpore Lite does not have on this CPU, expected one that it "
          "has; give f32");
    }
    return options.precision.value_or("f32");
  }
  if (!options.precision) {
    return "the model's own";
  }
  return *options.precision == "f16" ? "f16" : "f32, but f16 in the convolutions of 310 and 310P";
}

size_t BytesPerValue(const MSTensor &tensor) {
  switch (tensor.DataType()) {
    case DataType::kNumberTypeFloat32:
      return sizeof(float);
    case DataType::kNumberTypeFloat16:
      return sizeof(uint16_t);
    case DataType::kNumberTypeUInt8:
      return 1;
    default:
      throw EngineError("tensor " + tensor.Name() + " of the model has data type " +
                        std::to_string(static_cast<int>(tensor.DataType())) +
                        ", expected float32, float16 or uint8");
  }
}

void ExpectBytes(const MSTensor &tensor, size_t values) {
  const size_t expected = values * BytesPerValue(tensor);
  if (tensor.DataSize() != expected) {
    throw EngineError("tensor " + tensor.Name() + " of the model, " + ShapeText(tensor.Shape()) +
                      ", has " + std::to_string(tensor.DataSize()) + " bytes, expected " +
                      std::to_string(expected));
  }
}

}  // namespace

LiteEngine::LiteEngine(ModelFile model, const TileShape &shape, const EngineOptions &options)
    : file_(std::move(model)), precision_(PrecisionOf(options)) {
  if (!options.config.empty()) {
    Expect(model_.LoadConfig(options.config), "--config " + options.config,
           "a config file of MindSpore Lite");
  }
  if (!options.profile.empty()) {
    Expect(model_.UpdateConfig("ascend_context",
                               {"profiling_config_file", WriteAclConfig(options.profile)}),
           "--profile " + options.profile, "a MindSpore Lite that can profile");
  }
  Expect(model_.Build(file_.bytes.data(), file_.bytes.size(), mindspore::kMindIR,
                      MakeContext(options)),
         file_.name,
         options.ascend
             ? "a MINDIR that Ascend device " + std::to_string(options.device_id) + " runs"
             : std::string("a MINDIR that a CPU runs"));
  const std::vector<MSTensor> inputs = model_.GetInputs();
  if (inputs.size() != 1) {
    throw InputError(file_.name + " has " + std::to_string(inputs.size()) +
                     " inputs, expected one; export it again");
  }
  if (inputs[0].DataType() == DataType::kNumberTypeUInt8) {
    pixels_ = Pixels::kBytes;
  }
  const std::vector<int64_t> sides = Sides(shape, pixels_);
  if (inputs[0].Shape() != sides) {
    Expect(model_.Resize(inputs, {sides}),
           file_.name + " with tiles " + ShapeText(sides) + " by --batch and --tile",
           "a shape or gear of the model, as the converter made it");
  }
}

TensorView LiteEngine::Run(void *tiles, const TileShape &shape) {
  std::vector<MSTensor> inputs = model_.GetInputs();
  const size_t values = Count(Sides(shape, pixels_));
  ExpectBytes(inputs[0], values);
  void *target = inputs[0].MutableData();
  if (target == nullptr) {
    throw EngineError("MindSpore Lite gave no memory for the input");
  }
  if (inputs[0].DataType() == DataType::kNumberTypeFloat16) {
    const auto *floats = static_cast<const float *>(tiles);
    std::transform(floats, floats + values, static_cast<uint16_t *>(target), FloatToHalf);
  } else {
    std::memcpy(target, tiles, inputs[0].DataSize());
  }

  const mindspore::Status status = model_.Predict(inputs, &outputs_);
  if (status != mindspore::kSuccess) {
    throw DeviceError("MindSpore Lite: " + OneLine(status.ToString()));
  }
  if (outputs_.size() != 1) {
    throw EngineError("the model has " + std::to_string(outputs_.size()) +
                      " outputs, expected one");
  }
  const MSTensor &output = outputs_[0];
  const size_t results = Count(output.Shape());
  ExpectBytes(output, results);
  const std::shared_ptr<const void> data = output.Data();  // shared with outputs_, which keeps it
  if (data == nullptr) {
    throw EngineError("MindSpore Lite gave no output");
  }
  if (output.DataType() == DataType::kNumberTypeFloat32) {
    return {output.Shape(), static_cast<const float *>(data.get())};
  }
  if (output.DataType() == DataType::kNumberTypeUInt8) {
    throw EngineError("the model gives bytes, expected float32 or float16");
  }
  const auto *halves = static_cast<const uint16_t *>(data.get());
  widened_.resize(results);
  std::transform(halves, halves + results, widened_.begin(), HalfToFloat);
  return {output.Shape(), widened_.data()};
}

}  // namespace slimsr
