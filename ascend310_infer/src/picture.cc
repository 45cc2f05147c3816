// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <opencv2/imgcodecs.hpp>

#include "error.h"
#include "messages.h"

namespace slimsr {

namespace {

using Bytes = std::vector<unsigned char>;

bool HasAt(const Bytes &file, size_t at, const char *text) {
  const size_t length = std::strlen(text);
  return at + length <= file.size() && std::memcmp(file.data() + at, text, length) == 0;
}

uint32_t BigEndian(const Bytes &file, size_t at, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; ++i) {
    value = value << 8 | file[at + i];
  }
  return value;
}

// Chunks of length, name, data and check sum; the last is IEND.
bool PngIsWhole(const Bytes &file) {
  constexpr size_t kSignature = 8, kAroundData = 12;
  for (size_t at = kSignature; at + kAroundData <= file.size();) {
    if (HasAt(file, at + 4, "IEND")) {
      return true;
    }
    at += kAroundData + BigEndian(file, at, 4);
  }
  return false;
}

// Segments of marker, length and data; scans, which have no length, run to the next marker; the
// last marker is EOI. Cameras may append anything after it.
bool JpegIsWhole(const Bytes &file) {
  constexpr unsigned char kEscaped = 0x00, kTem = 0x01, kRst0 = 0xd0, kSoi = 0xd8, kEoi = 0xd9;
  for (size_t at = 0; at + 1 < file.size();) {
    const unsigned char marker = file[at + 1];
    if (file[at] != 0xff || marker == 0xff) {
      ++at;  // inside a scan, or fill before a marker
    } else if (marker == kEoi) {
      return true;
    } else if (marker == kEscaped || marker == kTem || (marker >= kRst0 && marker <= kSoi)) {
      at += 2;
    } else if (at + 4 > file.size()) {
      return false;
    } else {
      at += 2 + BigEndian(file, at + 2, 2);
    }
  }
  return false;
}

}  // namespace

bool IsWhole(const Bytes &file) {
  if (HasAt(file, 0, "\x89PNG")) {
    return PngIsWhole(file);
  }
  if (HasAt(file, 0, "\xff\xd8\xff")) {
    return JpegIsWhole(file);
  }
  if (HasAt(file, 0, "RIFF") && HasAt(file, 8, "WEBP")) {
    const uint64_t body = file[4] | file[5] << 8 | file[6] << 16 | uint64_t{file[7]} << 24;
    return body + 8 <= file.size();
  }
  return true;
}

cv::Mat DecodePicture(const Bytes &file, std::string *warning) {
  const auto refuse = [](const std::string &what) {
    throw InputError("the file " + what + ", expected a whole picture; mend or remove it");
  };
  if (file.empty()) {
    refuse("is empty");
  }
  if (!IsWhole(file)) {
    refuse("is cut short");
  }
  cv::Mat picture;
  try {
    const StderrCapture capture;
    picture = cv::imdecode(file, cv::IMREAD_COLOR);
    *warning = capture.Text();
  } catch (const cv::Exception &error) {  // e.g. more pixels than OpenCV takes
    *warning = OneLine(error.err, 160);
  }
  if (picture.empty()) {
    refuse("cannot be decoded" + (warning->empty() ? "" : " (" + *warning + ")"));
  }
  return picture;
}

Bytes EncodePicture(const cv::Mat &picture, const std::string &format) {
  // Above 100, WebP is without loss. What OpenCV does by itself for PNG is the fastest that it can.
  const std::vector<int> parameters = {cv::IMWRITE_JPEG_QUALITY, 95, cv::IMWRITE_WEBP_QUALITY, 101};
  Bytes file;
  bool done = false;
  try {
    done = cv::imencode("." + format, picture, file, parameters);
  } catch (const cv::Exception &) {  // says no more than the message below
  }
  if (!done || file.empty()) {
    throw InputError("the result has " + std::to_string(picture.cols) + "x" +
                     std::to_string(picture.rows) + " pixels, expected a size that " + format +
                     " can hold; give --format png or tiff");
  }
  return file;
}

}  // namespace slimsr
