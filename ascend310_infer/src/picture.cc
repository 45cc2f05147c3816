// SPDX-License-Identifier: Apache-2.0
#include "picture.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <opencv2/imgcodecs.hpp>
#include <string_view>

#include "error.h"
#include "raster.h"

namespace slimsr {

namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view begins, then;  // at bytes 0 and 8
  Raster (*read)(const Bytes &, Content);
};

constexpr Format kFormats[] = {
    {"\x89PNG\r\n\x1a\n"sv, ""sv, ReadPng},
    {"\xff\xd8\xff"sv, ""sv, ReadJpeg},
    {"RIFF"sv, "WEBP"sv, ReadWebp},
    {"BM"sv, ""sv, ReadBmp},
    {"II*\0"sv, ""sv, ReadTiff},
    {"MM\0*"sv, ""sv, ReadTiff},
    {"II+\0"sv, ""sv, ReadTiff},
    {"MM\0+"sv, ""sv, ReadTiff},
};

bool HasAt(const Bytes &file, size_t at, std::string_view text) {
  return at + text.size() <= file.size() &&
         std::memcmp(file.data() + at, text.data(), text.size()) == 0;
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
      break;
    } else {
      at += 2 + BigEndian(file, at + 2, 2);
    }
  }
  // Damage may have made a marker whose length leads astray.
  const auto fill = [](unsigned char byte) { return byte == 0 || byte == '\r' || byte == '\n'; };
  const auto last = std::find_if_not(file.rbegin(), file.rend(), fill);
  return file.rend() - last >= 2 && last[0] == kEoi && last[1] == 0xff;
}

Raster Read(const Bytes &file, Content content) {
  if (file.empty()) {
    RefusePicture("is empty");
  }
  if (!IsWhole(file)) {
    RefusePicture("is cut short");
  }
  Raster (*read)(const Bytes &, Content) = nullptr;
  for (const Format &format : kFormats) {
    if (HasAt(file, 0, format.begins) && HasAt(file, 8, format.then)) {
      read = format.read;
    }
  }
  if (read == nullptr) {
    RefusePicture("cannot be decoded: it is no PNG, JPEG, TIFF, WebP or BMP",
                  "save it as one of them or remove it");
  }
  return read(file, content);
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

cv::Size SizeOfPicture(const Bytes &file) {
  const Raster raster = Read(file, Content::kSize);
  const cv::Size size = raster.pixels.size();
  return raster.orientation > 4 ? cv::Size(size.height, size.width) : size;
}

cv::Mat DecodePicture(const Bytes &file, std::string *warning) {
  const Raster raster = Read(file, Content::kAll);
  *warning = raster.warning;
  return Shown(raster);
}

Bytes EncodePicture(const cv::Mat &picture, const std::string &format) {
  // Above 100, WebP is without loss. What OpenCV does by itself for PNG is the fastest that it can.
  const std::vector<int> parameters = {cv::IMWRITE_JPEG_QUALITY, 95, cv::IMWRITE_WEBP_QUALITY, 101};
  Bytes file;
  bool done = false;
  try {
    done = cv::imencode("." + format, picture, file, parameters);
  } catch (const cv::Exception &error) {  // else it says no more than the message below
    if (IsOutOfMemory(error)) {
      throw;
    }
  }
  if (!done || file.empty()) {
    throw InputError("the result has " + std::to_string(picture.cols) + "x" +
                     std::to_string(picture.rows) + " pixels, expected a size that " + format +
                     " can hold; give --format png or tiff");
  }
  return file;
}

}  // namespace slimsr
