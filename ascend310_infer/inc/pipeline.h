// SPDX-License-Identifier: Apache-2.0
// Reads, enlarges and writes pictures at the same time.
#ifndef SLIMSR_PIPELINE_H_
#define SLIMSR_PIPELINE_H_

#include <atomic>
#include <string>
#include <vector>

#include "files.h"
#include "report.h"
#include "upscaler.h"

namespace slimsr {

// One thread decodes, one for each of `upscalers` (the first of them the caller's) runs a network,
// others encode; a few pictures are in memory at a time. A device that fails leaves its picture and
// the rest to the others. A picture that fails is said on standard
// error and does not stop the rest; after *stop no further one is begun. Returns one report per
// job, in their order.
std::vector<PictureReport> RunPipeline(const std::vector<Job> &jobs,
                                       const std::vector<Upscaler *> &upscalers,
                                       const std::string &format, const std::atomic<bool> *stop);

}  // namespace slimsr

#endif  // SLIMSR_PIPELINE_H_
