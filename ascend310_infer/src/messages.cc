// SPDX-License-Identifier: Apache-2.0
#include "messages.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>

#include "error.h"

namespace slimsr {

void OpenClosedStreams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) == -1 && errno == EBADF) {
      open("/dev/null", O_RDWR);  // takes the lowest number that is free
    }
  }
}

void Say(const std::string &line) {
  const std::string text = Escaped(line) + "\n";
  // Nobody can be told if it fails.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text.data(), text.size());
}

bool FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) {
    return true;
  }
  if (errno != EPIPE) {
    throw InputError("cannot write to standard output (" +
                     std::generic_category().message(errno == 0 ? EIO : errno) +
                     "), expected room for a few lines; make room or give another place");
  }
  return false;
}

}  // namespace slimsr
