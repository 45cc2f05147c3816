// SPDX-License-Identifier: Apache-2.0
#include "leftovers.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <regex>
#include <sstream>

#include "sha256.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;

constexpr char kPrefix[] = ".slimsr-";
constexpr time_t kOld = 86400;  // seconds without a change after which nobody writes any more

std::string Contents(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// What tells the process numbers of this system from those of any other.
std::string Machine() {
  utsname names{};
  uname(&names);
  std::string traits = names.nodename;
  const std::string boot = Contents("/proc/sys/kernel/random/boot_id");
  traits += boot.empty() ? "" : "\n" + boot;
  std::error_code error;
  const fs::path space = fs::read_symlink("/proc/self/ns/pid", error);  // containers count from 1
  traits += error ? "" : "\n" + space.string();
  return Sha256(traits).substr(0, 12);
}

struct Birth {
  std::string state = "?", start = "0";  // where they are not told
};

Birth BirthOf(const std::string &process) {
  const std::string text = Contents("/proc/" + process + "/stat");
  const size_t name_end = text.rfind(')');  // the name may hold anything
  Birth birth;
  if (name_end != std::string::npos) {
    constexpr int kBetween = 18;  // fields between the two
    std::istringstream fields(text.substr(name_end + 1));
    std::string state, field;
    fields >> state;
    for (int i = 0; i <= kBetween; ++i) {
      fields >> field;
    }
    if (fields) {
      birth = {state, field};
    }
  }
  return birth;
}

bool Lives(const std::string &process, const std::string &start) {
  errno = 0;
  const long number = std::strtol(process.c_str(), nullptr, 10);
  if (errno != 0 || number < 1 || number > INT32_MAX ||
      (kill(static_cast<pid_t>(number), 0) != 0 && errno == ESRCH)) {
    return false;
  }
  const Birth birth = BirthOf(process);
  return birth.state != "Z" && birth.state != "X" && (birth.start == start || birth.start == "0");
}

time_t LastChange(const fs::path &path) {
  time_t last = 0;
  const auto look = [&](const fs::path &at) {
    struct stat status{};
    last = std::max(last, lstat(at.c_str(), &status) == 0 ? status.st_mtime : std::time(nullptr));
  };
  look(path);
  std::error_code error;
  if (!fs::is_directory(fs::symlink_status(path, error))) {
    return last;
  }
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    look(entry->path());
  }
  return error ? std::time(nullptr) : last;  // somebody is at work in it
}

bool IsAbandoned(const fs::path &path, const std::string &machine) {
  static const std::regex kName(R"(\.slimsr-([0-9a-f]{12})-([0-9]+)-([0-9]+)-[^]*)");
  const std::string name = path.filename().string();
  std::smatch owner;
  if (std::regex_match(name, owner, kName) && owner[1] == machine) {
    return !Lives(owner[2], owner[3]);
  }
  return std::time(nullptr) - LastChange(path) > kOld;
}

}  // namespace

std::string OwnPrefix() {
  const std::string process = std::to_string(getpid());
  return kPrefix + Machine() + "-" + process + "-" + BirthOf(process).start + "-";
}

void RemoveLeftovers(const fs::path &folder) {
  const std::string machine = Machine();
  std::error_code error;  // what cannot be tidied disturbs nobody
  std::vector<fs::path> found;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    if (entry->path().filename().string().rfind(kPrefix, 0) == 0) {
      found.push_back(entry->path());
    }
  }
  for (const fs::path &path : found) {
    if (IsAbandoned(path, machine)) {
      fs::remove_all(path, error);
    }
  }
}

}  // namespace slimsr
