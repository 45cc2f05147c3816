// SPDX-License-Identifier: Apache-2.0
// Which model runs, on which engine, with which tiles: from the command line and the manifest.
#ifndef SLIMSR_MODEL_CHOICE_H_
#define SLIMSR_MODEL_CHOICE_H_

#include <vector>

#include "args.h"
#include "engine.h"
#include "manifest.h"
#include "upscaler.h"

namespace slimsr {

// `built`: the runtimes of this program, the preferred one first. All throw InputError.
Runtime ChooseRuntime(const Options &options, const Manifest &manifest,
                      const std::vector<Runtime> &built);

EngineOptions ChooseEngineOptions(const Options &options, Runtime runtime);

// The models in question, the widest first: several if a budget is to decide, else one.
std::vector<const ModelEntry *> ChooseModels(const Options &options, const Manifest &manifest,
                                             Runtime runtime);

Tiling ChooseTiling(const Options &options, const Manifest &manifest, const ModelEntry &model,
                    Runtime runtime);

}  // namespace slimsr

#endif  // SLIMSR_MODEL_CHOICE_H_
