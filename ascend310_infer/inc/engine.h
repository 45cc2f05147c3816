// SPDX-License-Identifier: Apache-2.0
// What runs a network: one interface, one class per runtime.
#ifndef SLIMSR_ENGINE_H_
#define SLIMSR_ENGINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace slimsr {

// The shape batch x 3 x height x width of a network's input.
struct TileShape {
  int batch, height, width;
};

// A result that the engine owns; valid until its next Run.
struct TensorView {
  std::vector<int64_t> shape;
  const float *data;
};

class Engine {
 public:
  virtual ~Engine() = default;

  // `tiles`: planes R, G, B of each tile, values in [0, 255]. They are only read; the runtimes' own
  // functions want a pointer to what could be changed. Throws EngineError.
  virtual TensorView Run(float *tiles, const TileShape &shape) = 0;
};

enum class Runtime { kLite, kOpenVino };

struct EngineOptions {
  bool ascend = false;  // else the CPU
  int device_id = 0;    // of the Ascend device
  std::optional<std::string> precision;
  std::string config;  // of MindSpore Lite, empty: none
};

const char *NameOf(Runtime runtime);

// How the manifest names the files that the runtime reads.
const char *FormatOf(Runtime runtime);

bool IsBuilt(Runtime runtime);

// A model in memory: what was compared with its check sum is what runs.
struct ModelFile {
  std::string name;  // for messages
  std::string bytes;
};

// Loads a model. A runtime that can run one shape only is prepared for `shape`. Throws InputError.
std::unique_ptr<Engine> OpenEngine(Runtime runtime, ModelFile model, const TileShape &shape,
                                   const EngineOptions &options);

// "1x3x128x128"
std::string ShapeText(const std::vector<int64_t> &shape);

}  // namespace slimsr

#endif  // SLIMSR_ENGINE_H_
