// SPDX-License-Identifier: Apache-2.0
#include "error.h"

#include <cstdint>
#include <cstdio>
#include <new>
#include <opencv2/core.hpp>
#include <system_error>

namespace slimsr {

namespace {

// The character that begins at `at`, and how many bytes it has; no bytes if it is no UTF-8.
uint32_t Character(const std::string &text, size_t at, size_t *bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  uint32_t character = length < 2 ? first : first & (0x7f >> length);
  *bytes = at + length <= text.size() ? length : 0;
  for (size_t i = 1; i < *bytes; ++i) {
    if ((byte(at + i) & 0xc0) != 0x80) {
      *bytes = 0;
    } else {
      character = character << 6 | (byte(at + i) & 0x3f);
    }
  }
  return *bytes == 0 ? first : character;
}

// Controls, ends of lines and paragraphs, and what turns the direction of text.
bool IsPrintable(uint32_t character) {
  return character >= 0x20 && (character < 0x7f || character > 0x9f) &&
         (character < 0x2028 || character > 0x202e) && (character < 0x2066 || character > 0x2069);
}

}  // namespace

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

std::string Escaped(const std::string &text) {
  std::string escaped;
  for (size_t at = 0, bytes = 0; at < text.size(); at += bytes) {
    const uint32_t character = Character(text, at, &bytes);
    if (bytes > 0 && IsPrintable(character)) {
      escaped += text.substr(at, bytes);
      continue;
    }
    bytes = bytes == 0 ? 1 : bytes;
    char code[16];
    std::snprintf(code, sizeof(code), character < 0x100 ? "\\x%02x" : "\\u%04x", character);
    escaped += character == '\n' ? "\\n" : character == '\t' ? "\\t" : code;
  }
  return escaped;
}

bool IsOutOfMemory(const std::exception &error) {
  const auto *picture = dynamic_cast<const cv::Exception *>(&error);
  const auto *system = dynamic_cast<const std::system_error *>(&error);
  return dynamic_cast<const std::bad_alloc *>(&error) != nullptr ||
         (picture != nullptr && picture->code == cv::Error::StsNoMem) ||
         (system != nullptr && (system->code() == std::errc::not_enough_memory ||
                                system->code() == std::errc::resource_unavailable_try_again));
}

std::string Message(const std::exception &error) {
  return IsOutOfMemory(error)
             ? "not enough memory, expected more; give a smaller --tile, --batch " +
                   std::string("or picture, or allow more")
             : OneLine(error.what(), std::string::npos);
}

}  // namespace slimsr
