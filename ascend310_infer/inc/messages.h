// SPDX-License-Identifier: Apache-2.0
// Standard error: one line per message of ours; what the picture libraries print is caught.
#ifndef SLIMSR_MESSAGES_H_
#define SLIMSR_MESSAGES_H_

#include <string>

namespace slimsr {

// Prints one line, also while a StderrCapture is at work in another thread.
void Say(const std::string &line);

// While it lives, what others print to standard error goes to it. The libraries behind OpenCV print
// there instead of reporting, without the name of the picture. One at a time.
class StderrCapture {
 public:
  StderrCapture();
  StderrCapture(const StderrCapture &) = delete;
  StderrCapture &operator=(const StderrCapture &) = delete;
  ~StderrCapture();

  // What was printed so far, in one line.
  std::string Text() const;

 private:
  const int file_, saved_;
};

}  // namespace slimsr

#endif  // SLIMSR_MESSAGES_H_
