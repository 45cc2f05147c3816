// SPDX-License-Identifier: Apache-2.0
// manifest.json: what an export says about its models.
#ifndef SLIMSR_MANIFEST_H_
#define SLIMSR_MANIFEST_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace slimsr {

struct ModelEntry {
  std::string file;    // a name in the manifest's folder
  std::string format;  // ONNX, MINDIR, OM or AIR
  double width;
  uintmax_t bytes;
  std::string sha256;
  std::optional<int> batch;        // nothing: free
  std::optional<int> tile_height;  // both or none
  std::optional<int> tile_width;
  bool takes_bytes = false;  // uint8, NHWC: AIPP stands before it; else float32, NCHW
};

struct Manifest {
  std::filesystem::path folder;
  int scale;
  int margin;  // radius of the receptive field in pixels of the input
  std::vector<ModelEntry> models;
};

// `model`: a bundle or one of its models. Throws InputError for a manifest that is missing, broken
// or of another kind.
Manifest ReadManifest(const std::filesystem::path &model);

// The bytes of a model. Throws InputError unless they are those that the manifest describes.
std::string ReadModelFile(const Manifest &manifest, const ModelEntry &model);

}  // namespace slimsr

#endif  // SLIMSR_MANIFEST_H_
