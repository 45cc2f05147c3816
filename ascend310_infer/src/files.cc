// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <map>
#include <random>
#include <set>
#include <system_error>
#include <utility>

#include "error.h"
#include "leftovers.h"
#include "listing.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;

struct DescriptorCloser {
  const int descriptor;
  ~DescriptorCloser() { close(descriptor); }
};

std::string Reason(int number) { return std::generic_category().message(number); }

[[noreturn]] void CannotWrite(const fs::path &path, int number) {
  throw InputError("cannot write " + path.string() + " (" + Reason(number) +
                   "), expected a place that is writable and has room; give another --output, "
                   "--report or --profile");
}

// Where a path leads, also if it does not exist or cannot be followed.
fs::path Whole(const fs::path &path) {
  std::error_code error;
  fs::path whole = fs::weakly_canonical(path, error);
  return error ? path.lexically_normal() : whole;
}

// Gives every job its output, by the names of upscale.py: a.jpg and a.png become a.jpg.png and
// a.png.
void NameResults(std::vector<Job> *jobs, const fs::path &output, const std::string &format) {
  for (Job &job : *jobs) {
    job.output = output / fs::path(job.name).replace_extension(format);
  }
  // A name with its suffix may meet another picture's without: repeat until all differ.
  bool also_of_this_format = false;
  for (bool changed = true; changed || !also_of_this_format;) {
    also_of_this_format = !changed;
    std::map<fs::path, int> uses;
    for (const Job &job : *jobs) {
      ++uses[job.output];
    }
    changed = false;
    for (Job &job : *jobs) {
      const fs::path whole = output / (job.name + "." + format);
      const bool other_format = fs::path(job.name).extension() != "." + format;
      if (uses[job.output] > 1 && job.output != whole && (other_format || also_of_this_format)) {
        job.output = whole;
        changed = true;
      }
    }
  }
}

}  // namespace

std::vector<Job> ListJobs(const fs::path &input, const fs::path &output,
                          const std::string &format) {
  std::error_code error;
  const fs::file_status status = fs::status(input, error);
  if (status.type() == fs::file_type::not_found) {
    throw InputError("--input " + input.string() +
                     " does not exist, expected a picture or a folder; give the path of one");
  }
  if (error) {
    throw InputError("cannot read --input " + input.string() + " (" + error.message() +
                     "), expected a picture or a folder; give the path of one");
  }
  std::vector<Job> jobs;
  if (!fs::is_directory(status)) {
    jobs.push_back({input.filename().string(), input, {}});
  } else if (fs::equivalent(input, output, error)) {
    throw InputError("--output " + output.string() +
                     " is the input folder, expected another one; give a new folder");
  } else {
    for (const fs::path &name : PicturesBelow(input, output)) {
      jobs.push_back({name.string(), input / name, {}});
    }
  }
  if (jobs.empty()) {
    throw InputError(
        "no pictures in --input " + input.string() +
        ", expected png, jpg, jpeg, jpe, jfif, webp, tif, tiff or bmp; give another folder");
  }
  NameResults(&jobs, output, format);
  std::set<fs::path> inputs;
  for (const Job &job : jobs) {
    inputs.insert(Whole(job.input));
  }
  for (const Job &job : jobs) {
    if (inputs.count(Whole(job.output)) != 0) {
      throw InputError("the result " + job.output.string() +
                       " would replace a picture of the input, expected another place; give " +
                       "another --output");
    }
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
    CannotWrite(folder, error ? error.value() : ENOTDIR);
  }
}

std::vector<unsigned char> ReadFile(const fs::path &path) {
  const auto refuse = [&](const std::string &reason) {
    throw InputError("the file cannot be read (" + reason +
                     "), expected a whole one; mend or remove it");
  };
  // Not blocking: what opens a pipe waits for its other end.
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) {
    refuse(Reason(errno));
  }
  const DescriptorCloser closer{descriptor};
  struct stat status{};
  if (fstat(descriptor, &status) != 0) {
    refuse(Reason(errno));
  }
  if (!S_ISREG(status.st_mode)) {  // a pipe or a device has no end
    refuse(S_ISDIR(status.st_mode) ? Reason(EISDIR) : "it is no regular file");
  }
  constexpr off_t kMostBytes = off_t{1} << 32;  // all that OpenCV can decode is smaller
  if (status.st_size > kMostBytes) {
    refuse("it has " + std::to_string(status.st_size) + " bytes, more than " +
           std::to_string(kMostBytes));
  }
  std::vector<unsigned char> bytes(static_cast<size_t>(status.st_size));
  for (size_t filled = 0; filled < bytes.size();) {
    const ssize_t count = read(descriptor, bytes.data() + filled, bytes.size() - filled);
    if (count > 0) {
      filled += static_cast<size_t>(count);
    } else if (count == 0) {
      refuse("it has become shorter while it was read");
    } else if (errno != EINTR) {
      refuse(Reason(errno));
    }
  }
  return bytes;
}

PendingFile::PendingFile(const fs::path &path) : path_(path) {
  std::error_code error;
  if (fs::is_directory(path, error)) {
    CannotWrite(path, EISDIR);
  }
  if (path.filename().string().size() > NAME_MAX) {
    CannotWrite(path, ENAMETOOLONG);
  }
  static std::atomic<unsigned> count{0};
  std::random_device random;
  constexpr int kAttempts = 100;  // the name may be taken: a killed process can have had this one's
  for (int i = 0; descriptor_ < 0 && i < kAttempts; ++i) {
    temporary_ = path.parent_path() /
                 (OwnPrefix() + std::to_string(count++) + "-" + std::to_string(random()));
    descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) {
      break;
    }
  }
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
