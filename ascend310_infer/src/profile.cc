// SPDX-License-Identifier: Apache-2.0
#include "profile.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "files.h"

namespace slimsr {

namespace {

using nlohmann::ordered_json;

// A layer's name may be no UTF-8.
std::string Text(const ordered_json &root) {
  return root.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string WriteAclConfig(const std::string &folder) {
  const std::filesystem::path path = std::filesystem::absolute(folder);
  MakeFolder(path);
  PendingFile file(path / "acl.json");
  file.Write(Text({{"profiler", {{"switch", "on"}, {"output", path.string()}}}}));
  file.Finish();
  return path / "acl.json";
}

std::string LayersJson(std::vector<LayerTime> layers) {
  std::stable_sort(layers.begin(), layers.end(),
                   [](const LayerTime &a, const LayerTime &b) { return a.ms > b.ms; });
  ordered_json entries = ordered_json::array();
  for (const LayerTime &layer : layers) {
    const double rounded = std::round(layer.ms * 1000) / 1000;
    entries.push_back({{"name", layer.name}, {"type", layer.type}, {"ms", rounded}});
  }
  return Text(entries);
}

}  // namespace slimsr
