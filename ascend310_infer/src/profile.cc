// SPDX-License-Identifier: Apache-2.0
#include "profile.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "files.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

fs::path WriteJson(const fs::path &folder, const std::string &name, const ordered_json &root) {
  MakeFolder(folder);
  PendingFile file(folder / name);
  file.Write(root.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n");
  file.Finish();
  return folder / name;
}

}  // namespace

std::string WriteAclConfig(const std::string &folder) {
  const ordered_json profiler = {{"switch", "on"}, {"output", fs::absolute(folder).string()}};
  return WriteJson(folder, "acl.json", {{"profiler", profiler}});
}

void WriteLayers(const std::string &folder, std::vector<LayerTime> layers) {
  std::stable_sort(layers.begin(), layers.end(),
                   [](const LayerTime &a, const LayerTime &b) { return a.ms > b.ms; });
  ordered_json entries = ordered_json::array();
  for (const LayerTime &layer : layers) {
    entries.push_back({{"name", layer.name}, {"type", layer.type}, {"ms", layer.ms}});
  }
  WriteJson(folder, "layers.json", entries);
}

}  // namespace slimsr
