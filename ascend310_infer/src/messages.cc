// SPDX-License-Identifier: Apache-2.0
#include "messages.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <mutex>

#include "error.h"

namespace slimsr {

namespace {

std::mutex mutex;
int real_stderr = STDERR_FILENO;  // another descriptor while that one is captured

}  // namespace

void Say(const std::string &line) {
  const std::string text = line + "\n";
  const std::lock_guard<std::mutex> lock(mutex);
  // Nobody can be told if it fails.
  [[maybe_unused]] const ssize_t written = write(real_stderr, text.data(), text.size());
}

StderrCapture::StderrCapture()
    : file_(memfd_create("stderr", MFD_CLOEXEC)),
      saved_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)) {
  if (file_ >= 0 && saved_ >= 0) {
    const std::lock_guard<std::mutex> lock(mutex);
    dup2(file_, STDERR_FILENO);
    real_stderr = saved_;
  }
}

StderrCapture::~StderrCapture() {
  if (file_ >= 0 && saved_ >= 0) {
    const std::lock_guard<std::mutex> lock(mutex);
    dup2(saved_, STDERR_FILENO);
    real_stderr = STDERR_FILENO;
  }
  for (const int descriptor : {file_, saved_}) {
    if (descriptor >= 0) {
      close(descriptor);
    }
  }
}

std::string StderrCapture::Text() const {
  char text[1024];
  const ssize_t count = file_ >= 0 ? pread(file_, text, sizeof(text), 0) : 0;
  return OneLine(std::string(text, count > 0 ? static_cast<size_t>(count) : 0), 160);
}

}  // namespace slimsr
