// SPDX-License-Identifier: Apache-2.0
#include "manifest.h"

#include <algorithm>
#include <climits>
#include <nlohmann/json.hpp>

#include "error.h"
#include "files.h"
#include "sha256.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kVersion = 1;
constexpr char kRemedy[] = "; export the bundle again";

// Reads the values of one JSON object; `place` says in messages where it stands.
class Reader {
 public:
  Reader(const json &object, std::string place) : object_(object), place_(std::move(place)) {
    if (!object.is_object()) {
      throw InputError(place_ + " is " + object.type_name() + ", expected an object" + kRemedy);
    }
  }

  const json &Get(const std::string &key, const std::string &expected) const {
    const auto found = object_.find(key);
    if (found == object_.end()) {
      throw InputError(place_ + " has no \"" + key + "\", expected " + expected + kRemedy);
    }
    return *found;
  }

  [[noreturn]] void Refuse(const std::string &key, const std::string &expected) const {
    const std::string given = object_[key].dump(-1, ' ', false, json::error_handler_t::replace);
    throw InputError(place_ + " has \"" + key + "\": " + OneLine(given, 80) + ", expected " +
                     expected + kRemedy);
  }

  int Whole(const std::string &key, int least, int most) const {
    const std::string expected =
        "a whole number from " + std::to_string(least) + " to " + std::to_string(most);
    const json &value = Get(key, expected);
    if (!IsWhole(value, least, most)) {
      Refuse(key, expected);
    }
    return value.get<int>();
  }

  std::string Text(const std::string &key, const std::string &expected) const {
    const json &value = Get(key, expected);
    if (!value.is_string() || value.get<std::string>().empty()) {
      Refuse(key, expected);
    }
    return value.get<std::string>();
  }

  void Equals(const std::string &key, const json &expected) const {
    if (Get(key, expected.dump()) != expected) {
      Refuse(key, expected.dump());
    }
  }

  static bool IsWhole(const json &value, int64_t least, int64_t most) {
    // An unsigned value beyond int64 would come out negative.
    return value.is_number_integer() && value >= least && value <= most;
  }

 private:
  const json &object_;
  const std::string place_;
};

void ReadShape(const Reader &input, ModelEntry *model) {
  const std::string expected =
      "[N, 3, H, W], each of N, H and W a number or null, H and W of the same kind";
  const json &shape = input.Get("shape", expected);
  constexpr int kLongestSide = 8192;
  const auto is_side = [](const json &side) {
    return side.is_null() || Reader::IsWhole(side, 1, kLongestSide);
  };
  if (!shape.is_array() || shape.size() != 4 || shape[1] != 3 || !is_side(shape[0]) ||
      !is_side(shape[2]) || !is_side(shape[3]) || shape[2].is_null() != shape[3].is_null()) {
    input.Refuse("shape", expected);
  }
  const auto side = [&](int axis) {
    return shape[axis].is_null() ? std::nullopt : std::optional<int>(shape[axis].get<int>());
  };
  model->batch = side(0);
  model->tile_height = side(2);
  model->tile_width = side(3);
}

ModelEntry ReadModel(const json &object, const std::string &place) {
  const Reader reader(object, place);
  ModelEntry model;
  model.file = reader.Text("file", "the name of a file beside the manifest");
  if (fs::path(model.file).filename() != model.file || model.file == "." || model.file == ".." ||
      model.file.find('\0') != std::string::npos || model.file.size() > NAME_MAX) {
    reader.Refuse("file", "the name of a file beside the manifest");
  }
  const std::string formats = "\"ONNX\", \"MINDIR\", \"OM\" or \"AIR\"";
  model.format = reader.Text("format", formats);
  if (formats.find('"' + model.format + '"') == formats.npos) {
    reader.Refuse("format", formats);
  }
  const json &width = reader.Get("width", "a number above 0, at most 1");
  if (!width.is_number() || !(width > 0.0) || width > 1.0) {
    reader.Refuse("width", "a number above 0, at most 1");
  }
  model.width = width.get<double>();
  const json &bytes = reader.Get("bytes", "the size of the file");
  if (!bytes.is_number_integer() || bytes < 1) {
    reader.Refuse("bytes", "the size of the file");
  }
  model.bytes = bytes.get<uintmax_t>();
  const std::string digits = "64 hexadecimal digits in lower case";
  model.sha256 = reader.Text("sha256", digits);
  if (model.sha256.size() != 64 ||
      model.sha256.find_first_not_of("0123456789abcdef") != std::string::npos) {
    reader.Refuse("sha256", digits);
  }
  const Reader input(reader.Get("input", "an object"), place + ".input");
  ReadShape(input, &model);
  const std::string type = input.Text("dtype", "\"float32\" or \"uint8\"");
  if (type != "float32" && type != "uint8") {
    input.Refuse("dtype", "\"float32\" or \"uint8\"");
  }
  model.takes_bytes = type == "uint8";
  input.Equals("layout", model.takes_bytes ? "NHWC" : "NCHW");
  return model;
}

// How deep brackets are nested; those in texts are passed over.
int Depth(const std::string &text) {
  int depth = 0, deepest = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      quoted = text[i] != '"';
      i += text[i] == '\\' ? 1 : 0;
    } else if (text[i] == '"') {
      quoted = true;
    } else if (text[i] == '[' || text[i] == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (text[i] == ']' || text[i] == '}') {
      --depth;
    }
  }
  return deepest;
}

json Parse(const fs::path &path) {
  constexpr size_t kMostBytes = 16 << 20;
  constexpr int kDeepest = 64;  // the library goes one level of the stack down with each
  std::vector<unsigned char> bytes;
  try {
    bytes = ReadFile(path);
  } catch (const InputError &error) {
    throw InputError("no " + path.string() + " that can be read, expected it beside the models; " +
                     "give --model a folder that export.py has written (" + error.what() + ")");
  }
  const std::string text(bytes.begin(), bytes.end());
  if (text.size() > kMostBytes || Depth(text) > kDeepest) {
    throw InputError(path.string() + " has " + std::to_string(text.size()) +
                     " bytes and brackets nested " + std::to_string(Depth(text)) +
                     " deep, expected a manifest" + kRemedy);
  }
  try {
    return json::parse(text);
  } catch (const json::parse_error &error) {
    throw InputError(path.string() + " is not JSON, expected a manifest (byte " +
                     std::to_string(error.byte) + ")" + kRemedy);
  } catch (const json::exception &error) {  // a number that no type holds
    throw InputError(path.string() + " is not JSON, expected a manifest (" +
                     OneLine(error.what(), 80) + ")" + kRemedy);
  }
}

}  // namespace

Manifest ReadManifest(const fs::path &model) {
  std::error_code ignored;
  if (!fs::exists(model, ignored)) {
    throw InputError("--model " + model.string() +
                     " does not exist, expected a model or a bundle; give the path of one");
  }
  Manifest manifest;
  manifest.folder = fs::is_directory(model, ignored) ? model : model.parent_path();
  const fs::path path = manifest.folder / "manifest.json";
  const json root = Parse(path);
  const Reader reader(root, path.string());
  reader.Equals("slimsr_manifest", kVersion);
  manifest.scale = reader.Whole("scale", 1, 16);
  manifest.margin = reader.Whole("margin", 0, 100000);
  reader.Equals("colour", "RGB");
  reader.Equals("range", {0, 255});
  const json &models = reader.Get("models", "a list of models");
  if (!models.is_array() || models.empty()) {
    reader.Refuse("models", "a list of models");
  }
  for (size_t i = 0; i < models.size(); ++i) {
    manifest.models.push_back(
        ReadModel(models[i], path.string() + ": models[" + std::to_string(i) + "]"));
  }
  return manifest;
}

std::string ReadModelFile(const Manifest &manifest, const ModelEntry &model) {
  const fs::path path = manifest.folder / model.file;
  const auto refuse = [&](const std::string &what, const std::string &expected,
                          const std::string &remedy) {
    throw InputError(path.string() + what + ", expected " + expected + ", as manifest.json says" +
                     remedy);
  };
  std::error_code unknown;
  const uintmax_t size = fs::file_size(path, unknown);  // before its memory is taken
  if (!unknown && size != model.bytes) {
    refuse(" has " + std::to_string(size) + " bytes", std::to_string(model.bytes),
           "; copy or export it again");
  }
  std::string bytes;
  try {
    const std::vector<unsigned char> file = ReadFile(path);
    bytes.assign(file.begin(), file.end());
  } catch (const InputError &error) {
    refuse(" cannot be read (" + std::string(error.what()) + ")", "a model", kRemedy);
  }
  const std::string digits = Sha256(bytes);
  if (digits != model.sha256) {
    refuse(" has SHA-256 " + digits, model.sha256, "; copy or export it again");
  }
  return bytes;
}

}  // namespace slimsr
