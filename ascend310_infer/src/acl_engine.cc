// SPDX-License-Identifier: Apache-2.0
#include "acl_engine.h"

#include <algorithm>

#include "error.h"
#include "half.h"
#include "profile.h"

namespace slimsr {

namespace {

constexpr char kReinstall[] = "convert it again, with the ATC of the CANN that runs it";

size_t BytesPerValue(aclDataType type) {
  switch (type) {
    case ACL_FLOAT:
      return sizeof(float);
    case ACL_FLOAT16:
      return sizeof(uint16_t);
    case ACL_UINT8:
      return 1;
    default:
      return 0;
  }
}

}  // namespace

AclEngine::Undone::~Undone() {
  while (!steps.empty()) {
    steps.back()();
    steps.pop_back();
  }
}

AclEngine::AclEngine(const ModelFile &model, const TileShape &shape, const EngineOptions &options)
    : acl_(AclLibrary::Start(options.profile.empty() ? "" : WriteAclConfig(options.profile))) {
  Expect(acl_.CreateContext(&context_, options.device_id),
         "--device_id " + std::to_string(options.device_id), "an Ascend device of this machine",
         "give one that npu-smi info lists");
  undone_.steps.emplace_back([this] { acl_.DestroyContext(context_); });
  aclrtRunMode mode{};
  Expect(acl_.GetRunMode(&mode), "no run mode of AscendCL", "one", kReinstall);
  // A program that runs on the board's own processor has the device's memory.
  to_device_ = mode == ACL_HOST ? ACL_MEMCPY_HOST_TO_DEVICE : ACL_MEMCPY_DEVICE_TO_DEVICE;
  from_device_ = mode == ACL_HOST ? ACL_MEMCPY_DEVICE_TO_HOST : ACL_MEMCPY_DEVICE_TO_DEVICE;

  Expect(acl_.LoadFromMem(model.bytes.data(), model.bytes.size(), &model_), model.name,
         "an .om that ATC made for this chip", "convert it with its --soc_version");
  undone_.steps.emplace_back([this] { acl_.Unload(model_); });
  aclmdlDesc *const found = acl_.CreateDesc();
  undone_.steps.emplace_back([this, found] { acl_.DestroyDesc(found); });
  Expect(acl_.GetDesc(found, model_), model.name, "a model that describes itself", kReinstall);
  const size_t inputs = acl_.GetNumInputs(found), outputs = acl_.GetNumOutputs(found);
  if (inputs != 1 || outputs != 1) {
    throw InputError(model.name + " has " + std::to_string(inputs) + " inputs and " +
                     std::to_string(outputs) + " outputs, expected one of each, of a fixed size" +
                     "; convert it with --input_shape alone");
  }
  aclmdlIODims dims{};
  aclError code = acl_.GetInputDims(found, 0, &dims);
  input_ = OpenTensor(model.name, acl_.GetInputDataType(found, 0), code, dims,
                      acl_.GetInputSize(found, 0));
  code = acl_.GetOutputDims(found, 0, &dims);
  output_ = OpenTensor(model.name, acl_.GetOutputDataType(found, 0), code, dims,
                       acl_.GetOutputSize(found, 0));
  if (output_.type == ACL_UINT8) {
    throw InputError(model.name + " gives bytes, expected float32 or float16; convert it without " +
                     "--output_type");
  }
  if (input_.shape != Sides(shape, Takes())) {
    throw InputError(model.name + " takes " + ShapeText(input_.shape) + ", expected " +
                     ShapeText(Sides(shape, Takes())) + " as the manifest says; convert it with " +
                     "that --input_shape");
  }
  undone_.steps.emplace_back([this] { acl_.SetCurrentContext(context_); });
}

AclEngine::Tensor AclEngine::OpenTensor(const std::string &model, aclDataType type, aclError found,
                                        const aclmdlIODims &dims, size_t bytes) {
  Expect(found, model, "a model that describes its tensors", kReinstall);
  Tensor tensor{type, {dims.dims, dims.dims + dims.dimCount}, 0, bytes, nullptr, nullptr};
  tensor.values = Count(tensor.shape);
  if (BytesPerValue(type) == 0 || bytes != tensor.values * BytesPerValue(type)) {
    throw InputError(model + " has a tensor of data type " + std::to_string(type) + ", " +
                     ShapeText(tensor.shape) + ", of " + std::to_string(bytes) +
                     " bytes, expected float32, float16 or uint8 of a fixed size");
  }
  Expect(acl_.Malloc(&tensor.memory, bytes, ACL_MEM_MALLOC_HUGE_FIRST), model,
         std::to_string(bytes) + " bytes for it on the device",
         "end what else runs there, or convert it for smaller tiles");
  undone_.steps.emplace_back([this, memory = tensor.memory] { acl_.Free(memory); });
  aclDataBuffer *const buffer = acl_.CreateDataBuffer(tensor.memory, bytes);
  undone_.steps.emplace_back([this, buffer] { acl_.DestroyDataBuffer(buffer); });
  tensor.dataset = acl_.CreateDataset();
  undone_.steps.emplace_back([this, set = tensor.dataset] { acl_.DestroyDataset(set); });
  Expect(acl_.AddDatasetBuffer(tensor.dataset, buffer), model, "a tensor that can be bound",
         kReinstall);
  return tensor;
}

Pixels AclEngine::Takes() const {
  return input_.type == ACL_UINT8 ? Pixels::kBytes : Pixels::kFloatPlanes;
}

TensorView AclEngine::Run(void *tiles, const TileShape &) {
  ExpectRun(acl_.SetCurrentContext(context_), "context");  // of this thread
  const void *given = tiles;
  if (input_.type == ACL_FLOAT16) {
    const auto *values = static_cast<const float *>(tiles);
    halves_.resize(input_.values);
    std::transform(values, values + input_.values, halves_.begin(), FloatToHalf);
    given = halves_.data();
  }
  ExpectRun(acl_.Memcpy(input_.memory, input_.bytes, given, input_.bytes, to_device_),
            "copy to the device");
  ExpectRun(acl_.Execute(model_, input_.dataset, output_.dataset), "network");

  const bool half = output_.type == ACL_FLOAT16;
  result_.resize(output_.values);
  halves_.resize(half ? output_.values : 0);
  void *const target = half ? static_cast<void *>(halves_.data()) : result_.data();
  ExpectRun(acl_.Memcpy(target, output_.bytes, output_.memory, output_.bytes, from_device_),
            "copy from the device");
  std::transform(halves_.begin(), halves_.end(), result_.begin(), HalfToFloat);
  return {output_.shape, result_.data()};
}

void AclEngine::Expect(aclError code, const std::string &given, const std::string &expected,
                       const std::string &remedy) const {
  if (code != 0) {
    throw InputError(given + ", expected " + expected + " (" + ErrorText(code) + "); " + remedy);
  }
}

void AclEngine::ExpectRun(aclError code, const std::string &what) const {
  if (code != 0) {
    throw DeviceError("AscendCL: " + what + ": " + ErrorText(code));
  }
}

std::string AclEngine::ErrorText(aclError code) const {
  const char *const message = acl_.GetRecentErrMsg();
  return "error " + std::to_string(code) +
         (message == nullptr ? "" : std::string(": ") + OneLine(message));
}

}  // namespace slimsr
