// SPDX-License-Identifier: Apache-2.0
#include <opencv2/imgcodecs.hpp>

#include "error.h"
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
std::string_view Chunk(const Bytes &file, std::string_view name) {
  for (size_t at = kFirstChunk; at + kChunkHeader <= file.size();) {
    const size_t length = Number(file, at + 4, 4), data = at + kChunkHeader;
    if (TextOf(file.data() + at, name.size()) == name && data + length <= file.size()) {
      return TextOf(file.data() + data, length);
    }
    at = data + length + length % 2;
  }
  return {};
}

}  // namespace

Raster ReadWebp(const Bytes &file) {
  constexpr unsigned kAnimated = 2;
  const std::string_view extended = Chunk(file, "VP8X");
  if (extended.size() >= 10 && (extended[0] & kAnimated) != 0) {
    RefusePicture("is an animation", "save its first picture as PNG");
  }
  Raster raster;
  try {
    raster.pixels = cv::imdecode(file, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception &error) {  // else more pixels than it takes
    if (IsOutOfMemory(error)) {
      throw;
    }
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
  std::string_view exif = Chunk(file, "EXIF");
  constexpr std::string_view kJpegs("Exif\0\0", 6);  // begins a JPEG's, and some put it here
  if (exif.substr(0, kJpegs.size()) == kJpegs) {
    exif.remove_prefix(kJpegs.size());
  }
  raster.orientation = OrientationOf(exif, Chunk(file, "XMP "));
  return raster;
}

}  // namespace slimsr
