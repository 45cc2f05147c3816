// SPDX-License-Identifier: Apache-2.0
#include "listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "error.h"
#include "messages.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool IsPicture(const fs::path &path) {
  static const std::set<std::string> kSuffixes = {".png",  ".jpg", ".jpeg", ".jpe", ".jfif",
                                                  ".webp", ".tif", ".tiff", ".bmp"};
  return kSuffixes.count(Lower(path.extension().string())) != 0;
}

// Editors, file servers, archives and systems leave beside pictures what only looks like some.
bool IsPassedOver(const std::string &name) {
  static const std::set<std::string> kNotOurs = {
      "@eadir", "__macosx", "#recycle", "lost+found", "$recycle.bin", "system volume information"};
  return name.front() == '.' || kNotOurs.count(Lower(name)) != 0;
}

// What tells a folder, whatever links lead to it.
using Identity = std::pair<dev_t, ino_t>;

std::optional<Identity> IdentityOf(const fs::path &path) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return Identity(status.st_dev, status.st_ino);
}

// The names in a folder, sorted.
std::vector<std::string> NamesIn(const fs::path &folder, std::error_code *error) {
  std::vector<std::string> names;
  for (fs::directory_iterator entry(folder, *error), end; !*error && entry != end;
       entry.increment(*error)) {
    names.push_back(entry->path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool LiesIn(const fs::path &path, const fs::path &folder) {
  std::error_code error;
  const fs::path whole = fs::weakly_canonical(path, error);
  const fs::path outer = fs::weakly_canonical(folder, error);
  return !error &&
         std::mismatch(outer.begin(), outer.end(), whole.begin(), whole.end()).first == outer.end();
}

}  // namespace

std::vector<fs::path> PicturesBelow(const fs::path &folder, const fs::path &besides) {
  std::vector<fs::path> found;
  std::set<Identity> seen;
  const bool inside = LiesIn(folder, besides);
  std::vector<fs::path> own = {fs::path()}, linked;  // relative to the folder
  while (!own.empty() || !linked.empty()) {
    std::vector<fs::path> &next = own.empty() ? linked : own;
    const fs::path here = next.back();
    const bool top = here.empty();
    const fs::path path = top ? folder : folder / here;
    next.pop_back();
    const std::optional<Identity> identity = IdentityOf(path);
    if ((identity && !seen.insert(*identity).second) || (!inside && LiesIn(path, besides))) {
      continue;
    }
    std::error_code error;
    const std::vector<std::string> names = NamesIn(path, &error);
    if (error && top) {
      throw InputError("cannot list " + path.string() + " (" + error.message() +
                       "), expected a folder that can be read; mend it or give another --input");
    }
    if (error) {
      Say("warning: " + here.string() + " is left out: " + error.message());
      continue;
    }
    if (!top && std::binary_search(names.begin(), names.end(), kRecord)) {
      Say("warning: " + here.string() + " is left out: it holds results (" + kRecord + ")");
      continue;
    }
    for (auto name = names.rbegin(); name != names.rend(); ++name) {  // the last is taken next
      if (IsPassedOver(*name)) {
        continue;
      }
      std::error_code ignored;  // e.g. a link to itself: its reader says what is wrong
      if (fs::is_directory(path / *name, ignored)) {
        (fs::is_symlink(path / *name, ignored) ? linked : own).push_back(here / *name);
      } else if (IsPicture(*name)) {
        found.push_back(here / *name);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace slimsr
