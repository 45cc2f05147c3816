// SPDX-License-Identifier: Apache-2.0
#include "error.h"

namespace slimsr {

std::string OneLine(const std::string &text, size_t longest) {
  std::string line;
  for (const unsigned char c : text) {
    if (c > ' ' && c != 0x7f) {
      line += static_cast<char>(c);
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  if (!line.empty() && line.back() == ' ') {
    line.pop_back();
  }
  if (line.size() > longest) {
    line = line.substr(0, longest) + "...";
  }
  return line;
}

}  // namespace slimsr
