// SPDX-License-Identifier: Apache-2.0
#include "fake_lite.h"

#include <cstring>

#include "include/api/model.h"

namespace fake_lite {

State state;

static mindspore::Status Call(const std::string &name, const std::string &arguments) {
  state.calls.push_back(name + " " + arguments);
  return name == state.failing ? mindspore::Status(mindspore::kLiteError) : mindspore::kSuccess;
}

}  // namespace fake_lite

namespace mindspore {

using fake_lite::Call;
using fake_lite::state;

struct Status::Data {
  enum StatusCode code;
};
Status::Status(enum StatusCode code, const std::vector<char> &) : data_(new Data{code}) {}
bool Status::operator!=(enum StatusCode other) const { return data_->code != other; }
std::vector<char> Status::ToCString() const { return StringToChar("the fake\nfails"); }

class MSTensor::Impl {
 public:
  std::string name;
  enum DataType type;
  std::vector<int64_t> shape;
  std::vector<char> bytes;
};
MSTensor::MSTensor(const std::shared_ptr<Impl> &impl) : impl_(impl) {}
MSTensor::~MSTensor() = default;
std::vector<char> MSTensor::CharName() const { return StringToChar(impl_->name); }
enum DataType MSTensor::DataType() const { return impl_->type; }
const std::vector<int64_t> &MSTensor::Shape() const { return impl_->shape; }
size_t MSTensor::DataSize() const { return impl_->bytes.size(); }
void *MSTensor::MutableData() { return impl_->bytes.data(); }
std::shared_ptr<const void> MSTensor::Data() const { return {impl_, impl_->bytes.data()}; }

struct Context::Data {
  std::vector<std::shared_ptr<DeviceInfoContext>> devices;
};
Context::Context() : data_(new Data) {}
std::vector<std::shared_ptr<DeviceInfoContext>> &Context::MutableDeviceInfo() {
  return data_->devices;
}
DeviceInfoContext::DeviceInfoContext() = default;
void CPUDeviceInfo::SetEnableFP16(bool on) { Call("SetEnableFP16", on ? "yes" : "no"); }
void AscendDeviceInfo::SetDeviceID(uint32_t id) { Call("SetDeviceID", std::to_string(id)); }
void AscendDeviceInfo::SetPrecisionMode(const std::vector<char> &mode) {
  Call("SetPrecisionMode", CharToString(mode));
}

namespace {

std::vector<MSTensor> inputs;

size_t BytesOf(enum DataType type) {
  return type == DataType::kNumberTypeFloat16 ? 2 : type == DataType::kNumberTypeUInt8 ? 1 : 4;
}

MSTensor MakeTensor(const std::string &name, enum DataType type,
                    const std::vector<int64_t> &shape) {
  auto impl = std::make_shared<MSTensor::Impl>();
  impl->name = name;
  impl->type = type;
  impl->shape = shape;
  size_t bytes = BytesOf(type);
  for (const int64_t side : shape) {
    bytes *= side > 0 ? static_cast<size_t>(side) : 0;
  }
  impl->bytes.resize(bytes);
  return MSTensor(impl);
}

}  // namespace

Model::Model() = default;
Model::~Model() = default;
Status Model::LoadConfig(const std::vector<char> &path) {
  return Call("LoadConfig", CharToString(path));
}
Status Model::UpdateConfig(const std::vector<char> &section,
                           const std::pair<std::vector<char>, std::vector<char>> &config) {
  return Call("UpdateConfig", CharToString(section) + " " + CharToString(config.first) + "=" +
                                  CharToString(config.second));
}
Status Model::Build(const void *data, size_t size, ModelType type,
                    const std::shared_ptr<Context> &context) {
  inputs.assign(state.inputs, MakeTensor("lr", state.input_type, state.shape));
  const bool ascend = context->MutableDeviceInfo().at(0)->GetDeviceType() == kAscend;
  return Call("Build", std::string(static_cast<const char *>(data), size) +
                           (type == kMindIR ? " MINDIR" : "") + (ascend ? " Ascend" : " CPU"));
}
std::vector<MSTensor> Model::GetInputs() { return inputs; }
Status Model::Resize(const std::vector<MSTensor> &,
                     const std::vector<std::vector<int64_t>> &shapes) {
  std::string text;
  for (const int64_t side : shapes.at(0)) {
    text += std::to_string(side) + " ";
  }
  inputs = {MakeTensor("lr", state.input_type, shapes[0])};
  return Call("Resize", text);
}
Status Model::Predict(const std::vector<MSTensor> &given, std::vector<MSTensor> *outputs,
                      const MSKernelCallBack &, const MSKernelCallBack &) {
  // Values are only moved, so an input of halves has a result of halves.
  const MSTensor &input = given.at(0);
  if (state.input_type == DataType::kNumberTypeUInt8) {
    const auto *bytes = static_cast<const char *>(input.Data().get());
    outputs->assign(1, MakeTensor("sr", state.output_type, {1, 3, 1, 1}));
    return Call("Predict", std::string(bytes, input.DataSize()));
  }
  const std::vector<int64_t> &shape = input.Shape();
  MSTensor output = MakeTensor("sr", state.output_type, {shape[0], 3, 2 * shape[2], 2 * shape[3]});
  const size_t bytes = BytesOf(state.output_type);
  const auto *from = static_cast<const char *>(input.Data().get());
  auto *to = static_cast<char *>(output.MutableData());
  for (int64_t y = 0; y < shape[0] * 3 * 2 * shape[2]; ++y) {
    for (int64_t x = 0; x < 2 * shape[3]; ++x, to += bytes) {
      std::memcpy(to, from + (y / 2 * shape[3] + x / 2) * static_cast<int64_t>(bytes), bytes);
    }
  }
  output.impl()->bytes.resize(output.DataSize() - state.missing_bytes);
  outputs->assign(state.outputs, output);
  return Call("Predict", "");
}

}  // namespace mindspore
