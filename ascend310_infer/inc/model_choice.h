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

// The context that tiles of this side get where the user names none, as in upscale.py: what the
// network sees, at most 40 pixels; small tiles keep 32 pixels or at least half of themselves.
int DefaultOverlap(int margin, int side);

Tiling ChooseTiling(const Options &options, const Manifest &manifest, const ModelEntry &model,
                    Runtime runtime);

}  // namespace slimsr

#endif  // SLIMSR_MODEL_CHOICE_H_
