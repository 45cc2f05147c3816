// SPDX-License-Identifier: Apache-2.0
// Any bytes as manifest.json, and what is then chosen from it.
#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "error.h"
#include "files.h"
#include "manifest.h"
#include "model_choice.h"

namespace {

// A folder of this process, removed at its end.
struct Folder {
  std::filesystem::path path;
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "slimsr-XXXXXX").string();
    path = mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path); }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const Folder folder;
  try {
    slimsr::PendingFile file(folder.path / "manifest.json");
    file.Write({reinterpret_cast<const char *>(data), size});
    file.Finish();
    const slimsr::Manifest manifest = slimsr::ReadManifest(folder.path);
    slimsr::Options options;
    options.model = folder.path.string();
    const slimsr::Runtime runtime = slimsr::ChooseRuntime(
        options, manifest, {slimsr::Runtime::kLite, slimsr::Runtime::kOpenVino});
    for (const auto *model : slimsr::ChooseModels(options, manifest, runtime)) {
      slimsr::ChooseTiling(options, manifest, *model, runtime);
      slimsr::ReadModelFile(manifest, *model);
    }
  } catch (const slimsr::InputError &) {
  }
  return 0;
}
