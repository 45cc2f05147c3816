// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <opencv2/imgcodecs.hpp>

#include "raster.h"

namespace slimsr {

namespace {

constexpr size_t kFirstChunk = 12, kChunkHeader = 8;

uint32_t Number(const Bytes &file, size_t at, size_t bytes) {
  uint32_t value = 0;
  for (size_t i = bytes; i-- > 0;) {
    value = value << 8 | file[at + i];
  }
  return value;
}

// The data of the first chunk of a name; nothing if there is none.
std::pair<const unsigned char *, size_t> Chunk(const Bytes &file, const char *name) {
  for (size_t at = kFirstChunk; at + kChunkHeader <= file.size();) {
    const size_t length = Number(file, at + 4, 4), data = at + kChunkHeader;
    if (std::memcmp(file.data() + at, name, 4) == 0 && data + length <= file.size()) {
      return {file.data() + data, length};
    }
    at = data + length + length % 2;
  }
  return {nullptr, 0};
}

}  // namespace

Raster ReadWebp(const Bytes &file) {
  constexpr unsigned kAnimated = 2;
  const auto [extended, length] = Chunk(file, "VP8X");
  if (length >= 10 && (extended[0] & kAnimated) != 0) {
    RefusePicture("is an animation", "save its first picture as PNG");
  }
  Raster raster;
  try {
    raster.pixels = cv::imdecode(file, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception &) {  // more pixels than it takes
  }
  if (raster.pixels.empty() || raster.pixels.depth() != CV_8U || raster.pixels.channels() < 3) {
    RefusePicture("cannot be decoded (it is damaged, or no WebP)");
  }
  const int bands = raster.pixels.channels();
  for (int y = 0; y < raster.pixels.rows; ++y) {  // from BGR
    unsigned char *pixel = raster.pixels.ptr(y);
    for (int x = 0; x < raster.pixels.cols; ++x, pixel += bands) {
      std::swap(pixel[0], pixel[2]);
    }
  }
  const auto [exif, bytes] = Chunk(file, "EXIF");
  constexpr char kJpegs[] = "Exif\0";  // what begins a JPEG's, and some put it here
  const size_t skipped =
      bytes > sizeof(kJpegs) && std::memcmp(exif, kJpegs, sizeof(kJpegs)) == 0 ? sizeof(kJpegs) : 0;
  raster.orientation = ExifOrientation(exif + skipped, bytes - skipped);
  if (raster.orientation == 0) {
    const auto [xmp, size] = Chunk(file, "XMP ");
    raster.orientation = XmpOrientation(xmp, size);
  }
  return raster;
}

}  // namespace slimsr
