// SPDX-License-Identifier: Apache-2.0
#include "fake_acl.h"

#include <cstdlib>
#include <cstring>
#include <mutex>
#include <sstream>
#include <vector>

#include "acl_library.h"

namespace fake_acl {

State &state() {
  static State all = [] {
    State first;
    if (const char *failing = std::getenv("FAKE_ACL_FAILING")) {
      first.failing = failing;
    }
    return first;
  }();
  return all;
}

}  // namespace fake_acl

using fake_acl::state;

struct aclDataBuffer {
  void *memory;
  size_t size;
};
struct aclmdlDataset {
  aclDataBuffer *buffer;
};

namespace {

struct Model {
  int scale = 0, input_type = 0, output_type = 0, device = 0;
  std::vector<int64_t> input, output;
};

std::mutex mutex;  // several devices are used at the same time
std::vector<Model> models;
thread_local int *current = nullptr;  // the device of the context that is set

constexpr int kFault = 507000, kDevices = 2;

aclError Answer(const char *name) { return state().failing == name ? kFault : 0; }

template <class T>
T *Keep(T *made) {
  const std::lock_guard<std::mutex> lock(mutex);
  state().alive.insert(made);
  return made;
}

bool Forget(const void *made) {
  const std::lock_guard<std::mutex> lock(mutex);
  return state().alive.erase(made) == 1;
}

bool IsOnDevice(const void *memory) {
  const std::lock_guard<std::mutex> lock(mutex);
  return state().alive.count(memory) == 1;
}

size_t BytesOf(int type) { return type == ACL_FLOAT ? 4 : type == ACL_FLOAT16 ? 2 : 1; }

size_t SizeOf(const std::vector<int64_t> &shape, int type) {
  size_t size = BytesOf(type);
  for (const int64_t side : shape) {
    size *= side > 0 ? static_cast<size_t>(side) : 0;
  }
  return size;
}

Model &Of(const aclmdlDesc *description) {
  return models.at(*reinterpret_cast<const uint32_t *>(description));
}

aclError Describe(const std::vector<int64_t> &shape, aclmdlIODims *dims) {
  dims->dimCount = shape.size();
  std::copy(shape.begin(), shape.end(), dims->dims);
  return 0;
}

// Bytes pixel by pixel become planes of float; what else there is, is moved as it is.
void Enlarge(const Model &model, const char *from, char *to) {
  const size_t size = BytesOf(model.output_type);
  const int64_t rows = model.output[2], columns = model.output[3], width = columns / model.scale;
  for (int64_t plane = 0; plane < model.output[0] * 3; ++plane) {
    for (int64_t y = 0; y < rows; ++y) {
      for (int64_t x = 0; x < columns; ++x, to += size) {
        const int64_t row = y / model.scale, column = x / model.scale, height = rows / model.scale;
        if (model.input_type == ACL_UINT8) {
          const int64_t pixel = (plane / 3 * height + row) * width + column;
          const float value = static_cast<unsigned char>(from[pixel * 3 + plane % 3]);
          std::memcpy(to, &value, sizeof(value));
        } else {
          std::memcpy(to, from + ((plane * height + row) * width + column) * int64_t(size), size);
        }
      }
    }
  }
}

}  // namespace

extern "C" {

aclError aclInit(const char *config) {
  state().config = config == nullptr ? "" : config;
  return Answer("aclInit");
}
aclError aclFinalize() { return Answer("aclFinalize"); }
const char *aclGetRecentErrMsg() { return "the fake\nfails"; }
aclError aclrtGetRunMode(aclrtRunMode *mode) {
  *mode = state().on_board ? ACL_DEVICE : ACL_HOST;
  return Answer("aclrtGetRunMode");
}
aclError aclrtCreateContext(aclrtContext *context, int32_t device) {
  if (device >= kDevices || Answer("aclrtCreateContext") != 0) {
    return kFault;
  }
  current = Keep(new int(device));
  *context = current;
  return 0;
}
aclError aclrtDestroyContext(aclrtContext context) {
  Forget(context);
  delete static_cast<int *>(context);
  return 0;
}
aclError aclrtSetCurrentContext(aclrtContext context) {
  current = static_cast<int *>(context);
  return Answer("aclrtSetCurrentContext");
}
aclError aclrtMalloc(void **memory, size_t size, aclrtMemMallocPolicy) {
  if (Answer("aclrtMalloc") != 0) {
    return kFault;
  }
  *memory = Keep(std::malloc(size));
  return 0;
}
aclError aclrtFree(void *memory) {
  Forget(memory);
  std::free(memory);
  return 0;
}
aclError aclrtMemcpy(void *to, size_t room, const void *from, size_t size, aclrtMemcpyKind kind) {
  const bool in = IsOnDevice(to), out = IsOnDevice(from);
  const bool right = state().on_board ? kind == ACL_MEMCPY_DEVICE_TO_DEVICE
                     : in             ? kind == ACL_MEMCPY_HOST_TO_DEVICE
                                      : kind == ACL_MEMCPY_DEVICE_TO_HOST;
  if (in == out || !right || room < size || Answer(in ? "aclrtMemcpy" : "back") != 0) {
    return kFault;
  }
  std::memcpy(to, from, size);
  return 0;
}
aclDataBuffer *aclCreateDataBuffer(void *memory, size_t size) {
  return Keep(new aclDataBuffer{memory, size});
}
aclError aclDestroyDataBuffer(const aclDataBuffer *buffer) {
  Forget(buffer);
  delete buffer;
  return 0;
}
aclmdlDataset *aclmdlCreateDataset() { return Keep(new aclmdlDataset{nullptr}); }
aclError aclmdlDestroyDataset(const aclmdlDataset *dataset) {
  Forget(dataset);
  delete dataset;
  return 0;
}
aclError aclmdlAddDatasetBuffer(aclmdlDataset *dataset, aclDataBuffer *buffer) {
  dataset->buffer = buffer;
  return Answer("aclmdlAddDatasetBuffer");
}
aclError aclmdlLoadFromMem(const void *data, size_t size, uint32_t *id) {
  std::istringstream text(std::string(static_cast<const char *>(data), size));
  Model model;
  text >> model.scale >> model.input_type >> model.output_type;
  for (int64_t side = 0; text >> side;) {
    model.input.push_back(side);
  }
  if (model.input.size() != 4 || Answer("aclmdlLoadFromMem") != 0) {
    return kFault;
  }
  const bool bytes = model.input_type == ACL_UINT8;
  model.output = {model.input[0], 3, model.input[bytes ? 1 : 2] * model.scale,
                  model.input[bytes ? 2 : 3] * model.scale};
  model.device = *current;
  const std::lock_guard<std::mutex> lock(mutex);
  models.push_back(model);
  *id = static_cast<uint32_t>(models.size() - 1);
  state().models.insert(static_cast<int>(*id));
  return 0;
}
aclError aclmdlUnload(uint32_t id) {
  const std::lock_guard<std::mutex> lock(mutex);
  state().models.erase(static_cast<int>(id));
  return 0;
}
aclmdlDesc *aclmdlCreateDesc() { return reinterpret_cast<aclmdlDesc *>(Keep(new uint32_t(0))); }
aclError aclmdlDestroyDesc(aclmdlDesc *description) {
  Forget(description);
  delete reinterpret_cast<uint32_t *>(description);
  return 0;
}
aclError aclmdlGetDesc(aclmdlDesc *description, uint32_t id) {
  *reinterpret_cast<uint32_t *>(description) = id;
  return Answer("aclmdlGetDesc");
}
size_t aclmdlGetNumInputs(aclmdlDesc *) { return state().inputs; }
size_t aclmdlGetNumOutputs(aclmdlDesc *) { return 1; }
size_t aclmdlGetInputSizeByIndex(aclmdlDesc *description, size_t) {
  return SizeOf(Of(description).input, Of(description).input_type);
}
size_t aclmdlGetOutputSizeByIndex(aclmdlDesc *description, size_t) {
  return SizeOf(Of(description).output, Of(description).output_type) - state().missing_bytes;
}
aclDataType aclmdlGetInputDataType(const aclmdlDesc *description, size_t) {
  return static_cast<aclDataType>(Of(description).input_type);
}
aclDataType aclmdlGetOutputDataType(const aclmdlDesc *description, size_t) {
  return static_cast<aclDataType>(Of(description).output_type);
}
aclError aclmdlGetInputDims(const aclmdlDesc *description, size_t, aclmdlIODims *dims) {
  return Describe(Of(description).input, dims) + Answer("aclmdlGetInputDims");
}
aclError aclmdlGetOutputDims(const aclmdlDesc *description, size_t, aclmdlIODims *dims) {
  return Describe(Of(description).output, dims) + Answer("aclmdlGetOutputDims");
}
aclError aclmdlExecute(uint32_t id, const aclmdlDataset *input, aclmdlDataset *output) {
  const Model &model = models.at(id);
  if (current == nullptr || *current != model.device || Answer("aclmdlExecute") != 0) {
    return kFault;  // a thread must set the context in which the model was loaded
  }
  Enlarge(model, static_cast<const char *>(input->buffer->memory),
          static_cast<char *>(output->buffer->memory));
  const std::lock_guard<std::mutex> lock(mutex);
  state().executed_on.insert(model.device);
  return 0;
}

}  // extern "C"
