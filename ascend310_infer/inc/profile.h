// SPDX-License-Identifier: Apache-2.0
// The times of a network's layers, for --profile.
#ifndef SLIMSR_PROFILE_H_
#define SLIMSR_PROFILE_H_

#include <string>
#include <vector>

#include "engine.h"

namespace slimsr {

// Writes acl.json into a folder, which is made: with it AscendCL, and so MindSpore Lite on Ascend,
// puts raw times there, which CANN's msprof reads. Returns its path. Throws InputError.
std::string WriteAclConfig(const std::string &folder);

// The longest first.
std::string LayersJson(std::vector<LayerTime> layers);

}  // namespace slimsr

#endif  // SLIMSR_PROFILE_H_
