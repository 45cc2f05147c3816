// SPDX-License-Identifier: Apache-2.0
// The fields are those of onnx.proto, in protobuf's wire format.
#include "onnx_file.h"

#include <cstdint>
#include <string_view>

#include "error.h"

namespace slimsr {

namespace {

constexpr uint64_t kNewestOpset = 30;
constexpr uint64_t kOpsetImport = 8, kOpsetVersion = 2;             // numbers of fields
constexpr uint64_t kNumber = 0, kEight = 1, kBytes = 2, kFour = 5;  // wire types

struct Damaged {};

// Takes seven bits of each byte, lowest first.
uint64_t TakeNumber(std::string_view *data) {
  uint64_t value = 0;
  for (int shift = 0; shift < 64 && !data->empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(data->front());
    data->remove_prefix(1);
    value |= uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) {
      return value;
    }
  }
  throw Damaged();
}

struct Field {
  uint64_t number, type;
  uint64_t value;          // of a number
  std::string_view bytes;  // of all else
};

Field TakeField(std::string_view *data) {
  const uint64_t key = TakeNumber(data);
  Field field{key >> 3, key & 7, 0, {}};
  if (field.type == kNumber) {
    field.value = TakeNumber(data);
    return field;
  }
  if (field.type != kBytes && field.type != kEight && field.type != kFour) {
    throw Damaged();
  }
  const uint64_t length = field.type == kBytes ? TakeNumber(data) : field.type == kEight ? 8 : 4;
  if (length > data->size()) {
    throw Damaged();
  }
  field.bytes = data->substr(0, length);
  data->remove_prefix(length);
  return field;
}

// Of an entry of opset_import; 0 if it has none.
uint64_t VersionOf(std::string_view entry) {
  uint64_t version = 0;
  while (!entry.empty()) {
    const Field field = TakeField(&entry);
    version = field.number == kOpsetVersion ? field.value : version;
  }
  return version;
}

}  // namespace

void CheckOnnx(const ModelFile &model) {
  std::string_view data = model.bytes;
  const auto refuse = [&](const std::string &what, const std::string &expected) {
    throw InputError(model.name + what + ", expected " + expected + "; export it again");
  };
  if (data.find("\n\x08location") != data.npos) {  // the key of a tensor that stands elsewhere
    refuse(" has weights in other files", "all of it in one");
  }
  try {
    if (data.substr(0, 1) != "\x08") {  // field 1, the version of the format, a number
      throw Damaged();
    }
    while (!data.empty()) {
      const Field field = TakeField(&data);
      if (field.number != kOpsetImport) {
        continue;
      }
      const uint64_t version = VersionOf(field.bytes);
      if (version < 1 || version > kNewestOpset) {
        refuse(" is written in ONNX's opset " + std::to_string(version),
               "1 to " + std::to_string(kNewestOpset));
      }
    }
  } catch (const Damaged &) {
    refuse(" cannot be read as ONNX", "an ONNX model");
  }
}

}  // namespace slimsr
