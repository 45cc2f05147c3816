// SPDX-License-Identifier: Apache-2.0
#include "model_choice.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "error.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;

constexpr int kDefaultTile = 128, kDefaultBatch = 1;

// The entry that --model names itself; nothing for a bundle.
const ModelEntry *NamedModel(const Options &options, const Manifest &manifest) {
  std::error_code ignored;
  if (fs::is_directory(options.model, ignored)) {
    return nullptr;
  }
  const std::string name = fs::path(options.model).filename().string();
  for (const ModelEntry &model : manifest.models) {
    if (model.file == name) {
      return &model;
    }
  }
  std::string known;
  for (const ModelEntry &model : manifest.models) {
    known += (known.empty() ? "" : ", ") + model.file;
  }
  throw InputError("--model " + options.model + " is not in its manifest, expected one of " +
                   known + "; give one of them or the folder");
}

bool IsRegularFile(const fs::path &path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

// "1, 0.5"
std::string WidthText(const std::vector<const ModelEntry *> &models) {
  std::ostringstream text;
  for (const ModelEntry *model : models) {
    text << (model == models.front() ? "" : ", ") << model->width;
  }
  return text.str();
}

bool Holds(const Manifest &manifest, Runtime runtime) {
  return std::any_of(manifest.models.begin(), manifest.models.end(),
                     [&](const ModelEntry &model) { return model.format == FormatOf(runtime); });
}

}  // namespace

Runtime ChooseRuntime(const Options &options, const Manifest &manifest,
                      const std::vector<Runtime> &built) {
  const ModelEntry *named = NamedModel(options, manifest);
  const auto runs = [&](Runtime runtime) {
    return named != nullptr ? named->format == FormatOf(runtime) : Holds(manifest, runtime);
  };
  std::string known;
  for (const Runtime runtime : built) {
    known +=
        (known.empty() ? "" : ", ") + std::string(NameOf(runtime)) + " (" + FormatOf(runtime) + ")";
    const bool wanted = options.engine == "auto"
                            ? runtime != Runtime::kAcl || options.device != "CPU"
                            : options.engine == NameOf(runtime);
    if (wanted && runs(runtime)) {
      return runtime;
    }
  }
  const bool known_engine =
      options.engine == "auto" || std::any_of(built.begin(), built.end(), [&](Runtime runtime) {
        return options.engine == NameOf(runtime);
      });
  if (!known_engine) {
    throw InputError("--engine " + options.engine + ", expected one that this program has: " +
                     known + "; give one of them or build it in (build.sh)");
  }
  throw InputError("no model in --model " + options.model + " for --engine " + options.engine +
                   ", expected a format that this program runs: " + known +
                   "; export one or give another --engine");
}

EngineOptions ChooseEngineOptions(const Options &options, Runtime runtime) {
  const auto refuse = [&](const std::string &given, const std::string &remedy) {
    throw InputError(given + " with engine " + NameOf(runtime) + ", expected " + remedy);
  };
  const bool lite = runtime == Runtime::kLite;
  if (runtime == Runtime::kOpenVino && options.device == "Ascend") {
    refuse("--device Ascend", "CPU; give a MINDIR model");
  }
  if (runtime == Runtime::kAcl && options.device == "CPU") {
    refuse("--device CPU", "Ascend; give an ONNX or a MINDIR model");
  }
  if (runtime == Runtime::kAcl && options.precision) {
    refuse("--precision " + *options.precision, "what ATC has chosen; give it to ATC");
  }
  if (lite && options.precision == "bf16") {
    refuse("--precision bf16", "f32 or f16; give one of them");
  }
  if (!lite && !options.config.empty()) {
    refuse("--config", "engine lite; remove it");
  }
  if (!options.config.empty() && !IsRegularFile(options.config)) {
    throw InputError("--config " + options.config + " is not a file, expected a config file of " +
                     "MindSpore Lite; give the path of one");
  }
  EngineOptions chosen;
  chosen.ascend = runtime != Runtime::kOpenVino && options.device != "CPU";
  if (!chosen.ascend && options.device_ids.size() > 1) {
    refuse("several devices by --device_id", "one on a CPU, which uses all its cores; give one");
  }
  if (!chosen.ascend && lite && !options.profile.empty()) {
    refuse("--profile on a CPU", "Ascend, or engine openvino; give one of them");
  }
  chosen.device_id = options.device_ids.front();
  chosen.precision = options.precision;
  chosen.config = options.config;
  chosen.profile = options.profile;
  return chosen;
}

std::vector<const ModelEntry *> ChooseModels(const Options &options, const Manifest &manifest,
                                             Runtime runtime) {
  if (const ModelEntry *named = NamedModel(options, manifest)) {
    if (options.width || options.budget_ms) {
      throw InputError(std::string(options.width ? "--width" : "--budget_ms") + " with the model " +
                       options.model + ", expected it with a bundle; give the folder as --model");
    }
    return {named};
  }
  std::vector<const ModelEntry *> models;
  for (const ModelEntry &model : manifest.models) {
    if (model.format == FormatOf(runtime)) {
      models.push_back(&model);
    }
  }
  std::stable_sort(models.begin(), models.end(),
                   [](const auto *a, const auto *b) { return a->width > b->width; });
  if (options.budget_ms) {
    return models;
  }
  if (!options.width) {
    return {models.front()};
  }
  for (const ModelEntry *model : models) {
    if (std::abs(model->width - *options.width) < 1e-6) {
      return {model};
    }
  }
  std::ostringstream given;
  given << "--width " << *options.width
        << ", expected a width of the bundle: " << WidthText(models);
  throw InputError(given.str() + "; give one of them or export it");
}

int DefaultOverlap(int margin, int side) {
  constexpr int kFarthest = 40;  // what lies further away hardly counts
  constexpr int kKept = 32;
  return std::min({margin, kFarthest, std::max((side - kKept) / 2, side / 4)});
}

Tiling ChooseTiling(const Options &options, const Manifest &manifest, const ModelEntry &model,
                    Runtime runtime) {
  if (options.tile && model.tile_height &&
      (*options.tile != *model.tile_height || *options.tile != *model.tile_width)) {
    throw InputError("--tile " + std::to_string(*options.tile) + " with the model " + model.file +
                     ", expected its own tile " + std::to_string(*model.tile_height) + "x" +
                     std::to_string(*model.tile_width) + "; remove --tile");
  }
  if (options.batch && model.batch && *options.batch != *model.batch) {
    throw InputError("--batch " + std::to_string(*options.batch) + " with the model " + model.file +
                     ", expected its own batch " + std::to_string(*model.batch) +
                     "; remove --batch");
  }
  const int tile = options.tile.value_or(kDefaultTile);
  Tiling tiling;
  tiling.tile.batch = model.batch.value_or(options.batch.value_or(kDefaultBatch));
  tiling.tile.height = model.tile_height.value_or(tile);
  tiling.tile.width = model.tile_width.value_or(tile);
  // MindSpore Lite prepares a model for one shape, and Ascend knows a few only.
  tiling.fixed_size = runtime != Runtime::kOpenVino || model.tile_height.has_value();
  tiling.fixed_batch = runtime != Runtime::kOpenVino || model.batch.has_value();
  const int smallest = std::min(tiling.tile.height, tiling.tile.width);
  tiling.overlap = options.overlap.value_or(DefaultOverlap(manifest.margin, smallest));
  if (smallest <= 2 * tiling.overlap) {
    throw InputError("--overlap " + std::to_string(tiling.overlap) + " with tiles of " +
                     std::to_string(smallest) + ", expected at most " +
                     std::to_string((smallest - 1) / 2) +
                     "; give a smaller overlap or larger tiles");
  }
  constexpr int64_t kMostValues = int64_t{1} << 30;  // 4 GiB of them
  const int64_t values = int64_t{3} * manifest.scale * manifest.scale * tiling.tile.batch *
                         tiling.tile.height * tiling.tile.width;
  if (values > kMostValues) {
    throw InputError("tiles of " + std::to_string(tiling.tile.height) + "x" +
                     std::to_string(tiling.tile.width) + " with batch " +
                     std::to_string(tiling.tile.batch) + " at scale " +
                     std::to_string(manifest.scale) + " have results of " + std::to_string(values) +
                     " values, expected at most " + std::to_string(kMostValues) +
                     "; give a smaller --tile and --batch, or export smaller ones");
  }
  tiling.cross_fade = tiling.overlap < manifest.margin;
  return tiling;
}

}  // namespace slimsr
