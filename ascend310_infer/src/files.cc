// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "error.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;

std::string Reason(int number) { return std::generic_category().message(number); }

[[noreturn]] void CannotWrite(const fs::path &path, int number) {
  throw InputError(
      "cannot write " + path.string() + " (" + Reason(number) +
      "), expected a place that is writable and has room; give another --output or --report");
}

bool IsPicture(const fs::path &path) {
  std::string suffix = path.extension().string();
  std::transform(suffix.begin(), suffix.end(), suffix.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static const std::set<std::string> kSuffixes = {".png", ".jpg",  ".jpeg", ".webp",
                                                  ".tif", ".tiff", ".bmp"};
  return kSuffixes.count(suffix) != 0;
}

// Hidden files are no pictures: editors and other systems leave such beside pictures.
bool IsHidden(const fs::path &path) { return path.filename().string().front() == '.'; }

std::vector<fs::path> PicturesBelow(const fs::path &folder, const fs::path &output) {
  std::vector<fs::path> found;
  for (auto entry = fs::recursive_directory_iterator(folder);
       entry != fs::recursive_directory_iterator(); ++entry) {
    if (entry->is_directory()) {
      if (IsHidden(entry->path()) || fs::weakly_canonical(entry->path()) == output) {
        entry.disable_recursion_pending();
      }
    } else if (IsPicture(entry->path()) && !IsHidden(entry->path())) {
      found.push_back(entry->path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Gives every job its output.
void NameResults(std::vector<Job> *jobs, const fs::path &output, const std::string &format) {
  for (Job &job : *jobs) {
    job.output = output / fs::path(job.name).replace_extension(format);
  }
  // A name with its suffix may meet another picture's without: repeat until all differ.
  for (bool changed = true; changed;) {
    std::map<fs::path, int> uses;
    for (const Job &job : *jobs) {
      ++uses[job.output];
    }
    changed = false;
    for (Job &job : *jobs) {
      const fs::path whole = output / (job.name + "." + format);
      if (uses[job.output] > 1 && job.output != whole) {
        job.output = whole;
        changed = true;
      }
    }
  }
}

}  // namespace

std::vector<Job> ListJobs(const fs::path &input, const fs::path &output,
                          const std::string &format) {
  std::error_code ignored;
  std::vector<Job> jobs;
  try {
    if (!fs::exists(input, ignored)) {
      throw InputError("--input " + input.string() +
                       " does not exist, expected a picture or a folder; give the path of one");
    }
    const fs::path target = fs::weakly_canonical(output);
    if (!fs::is_directory(input)) {
      jobs.push_back({input.filename().string(), input, {}});
    } else if (fs::weakly_canonical(input) == target) {
      throw InputError("--output " + output.string() +
                       " is the input folder, expected another one; give a new folder");
    } else {
      for (const fs::path &path : PicturesBelow(input, target)) {
        jobs.push_back({path.lexically_relative(input).string(), path, {}});
      }
    }
    if (jobs.empty()) {
      throw InputError("no pictures in --input " + input.string() +
                       ", expected png, jpg, jpeg, webp, tif, tiff or bmp; give another folder");
    }
    NameResults(&jobs, output, format);
    std::set<fs::path> inputs;
    for (const Job &job : jobs) {
      inputs.insert(fs::weakly_canonical(job.input));
    }
    for (const Job &job : jobs) {
      if (inputs.count(fs::weakly_canonical(job.output)) != 0) {
        throw InputError("the result " + job.output.string() +
                         " would replace a picture of the input, expected another place; give " +
                         "another --output");
      }
    }
  } catch (const fs::filesystem_error &error) {
    throw InputError("cannot list " + error.path1().string() + " (" + error.code().message() +
                     "), expected a folder that can be read; mend it or give another --input");
  }
  return jobs;
}

void MakeFolder(const fs::path &folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    CannotWrite(folder, error.value());
  }
  if (!fs::is_directory(folder, error)) {
    CannotWrite(folder, ENOTDIR);
  }
}

std::vector<unsigned char> ReadFile(const fs::path &path) {
  const auto refuse = [&](int number) {
    throw InputError("the file cannot be read (" + Reason(number) +
                     "), expected a picture; mend or remove it");
  };
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    refuse(errno);
  }
  struct stat status {};
  std::vector<unsigned char> bytes;
  int error = fstat(descriptor, &status) == 0 ? 0 : errno;
  if (error == 0 && !S_ISREG(status.st_mode)) {  // a pipe or a device has no end
    error = S_ISDIR(status.st_mode) ? EISDIR : EINVAL;
  }
  if (error == 0) {
    bytes.resize(static_cast<size_t>(status.st_size));
    size_t filled = 0;
    while (error == 0 && filled < bytes.size()) {
      const ssize_t count = read(descriptor, bytes.data() + filled, bytes.size() - filled);
      if (count > 0) {
        filled += static_cast<size_t>(count);
      } else if (count == 0) {
        break;  // it has become shorter
      } else if (errno != EINTR) {
        error = errno;
      }
    }
    bytes.resize(filled);
  }
  close(descriptor);
  if (error != 0) {
    refuse(error);
  }
  return bytes;
}

PendingFile::PendingFile(const fs::path &path) : path_(path) {
  if (fs::is_directory(path)) {
    CannotWrite(path, EISDIR);
  }
  static std::atomic<int> count{0};
  temporary_ =
      path.parent_path() / (".slimsr-" + std::to_string(getpid()) + "-" + std::to_string(count++));
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor_ < 0) {
    CannotWrite(path_, errno);
  }
}

PendingFile::~PendingFile() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
  if (!finished_) {
    unlink(temporary_.c_str());
  }
}

void PendingFile::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) {
      CannotWrite(path_, errno);
    }
    bytes.remove_prefix(count < 0 ? 0 : static_cast<size_t>(count));
  }
}

void PendingFile::Finish() {
  // A full network disk may say so only when the file is closed.
  const int closed = close(std::exchange(descriptor_, -1));
  if (closed != 0 || rename(temporary_.c_str(), path_.c_str()) != 0) {
    CannotWrite(path_, errno);
  }
  finished_ = true;
}

}  // namespace slimsr
