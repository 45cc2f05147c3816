// SPDX-License-Identifier: Apache-2.0
// What runs a network: one interface, one class per runtime.
#ifndef SLIMSR_ENGINE_H_
#define SLIMSR_ENGINE_H_

#include <cstddef>
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

// What a network takes for each tile: planes R, G, B of float, or, where AIPP stands before it,
// bytes pixel by pixel. Values are in [0, 255].
enum class Pixels { kFloatPlanes, kBytes };

// The time of one layer over all runs.
struct LayerTime {
  std::string name, type;
  double ms;
};

class Engine {
 public:
  virtual ~Engine() = default;

  virtual Pixels Takes() const { return Pixels::kFloatPlanes; }

  // Of the arithmetic, as far as the runtime tells.
  virtual std::string Precision() const = 0;

  // `tiles`: what Takes() says. They are only read; the runtimes' own functions want a pointer to
  // what could be changed. Throws EngineError.
  virtual TensorView Run(void *tiles, const TileShape &shape) = 0;

  // With EngineOptions::profile; nothing where the device's own tool writes its times.
  virtual std::vector<LayerTime> Layers() const { return {}; }
  virtual void ForgetLayers() {}
};

enum class Runtime { kLite, kAcl, kOpenVino };

struct EngineOptions {
  bool ascend = false;  // else the CPU
  int device_id = 0;    // of the Ascend device
  std::optional<std::string> precision;
  std::string config;   // of MindSpore Lite, empty: none
  std::string profile;  // the folder for times of layers, empty: none are taken
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

// To be made before the first engine: at its end it closes what runtimes keep open in the process.
struct ProcessWideRuntimes {
  ~ProcessWideRuntimes();
};

// Loads a model. A runtime that can run one shape only is prepared for `shape`. Throws InputError.
std::unique_ptr<Engine> OpenEngine(Runtime runtime, ModelFile model, const TileShape &shape,
                                   const EngineOptions &options);

// The shape of an input.
std::vector<int64_t> Sides(const TileShape &shape, Pixels pixels);

// Values of a tensor; 0 where a side is not known.
size_t Count(const std::vector<int64_t> &shape);

// "1x3x128x128"
std::string ShapeText(const std::vector<int64_t> &shape);

}  // namespace slimsr

#endif  // SLIMSR_ENGINE_H_
