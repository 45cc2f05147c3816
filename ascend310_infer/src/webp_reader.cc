// SPDX-License-Identifier: Apache-2.0
#include <opencv2/imgcodecs.hpp>

#include "error.h"
#include "raster.h"

namespace slimsr {

namespace {

constexpr size_t kFirstChunk = 12, kChunkHeader = 8;
// One colour takes a few bytes, whatever its size.
constexpr int64_t kMostPerByte = int64_t{1} << 28;

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

int Orientation(const Bytes &file) {
  std::string_view exif = Chunk(file, "EXIF");
  constexpr std::string_view kJpegs("Exif\0\0", 6);  // begins a JPEG's, and some put it here
  if (exif.substr(0, kJpegs.size()) == kJpegs) {
    exif.remove_prefix(kJpegs.size());
  }
  return OrientationOf(exif, Chunk(file, "XMP "));
}

// By the header of the canvas, of a lossy or of a lossless picture; empty if there is none of them.
cv::Size SizeInHeader(const Bytes &file) {
  const auto number = [](std::string_view data, size_t at, size_t bytes) {
    return static_cast<int>(Number(Bytes(data.begin(), data.end()), at, bytes));
  };
  constexpr int kSide = 0x3fff;  // 14 bits
  if (const auto canvas = Chunk(file, "VP8X").substr(0, 10); canvas.size() == 10) {
    return {number(canvas, 4, 3) + 1, number(canvas, 7, 3) + 1};
  }
  if (const auto lossy = Chunk(file, "VP8 ").substr(0, 10); lossy.size() == 10) {
    return {number(lossy, 6, 2) & kSide, number(lossy, 8, 2) & kSide};
  }
  if (const auto lossless = Chunk(file, "VP8L").substr(0, 5); lossless.size() == 5) {
    const int sides = number(lossless, 1, 4);
    return {(sides & kSide) + 1, (sides >> 14 & kSide) + 1};
  }
  return {};
}

}  // namespace

Raster ReadWebp(const Bytes &file, Content content) {
  constexpr unsigned kAnimated = 2;
  const std::string_view extended = Chunk(file, "VP8X");
  if (extended.size() >= 10 && (extended[0] & kAnimated) != 0) {
    RefusePicture("is an animation", "save its first picture as PNG");
  }
  Raster raster;
  raster.orientation = Orientation(file);
  if (content == Content::kSize) {
    const cv::Size size = SizeInHeader(file);
    Allocate(size.width, size.height, CV_8UC1, file.size(), kMostPerByte, &raster.pixels);
    return raster;
  }
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
  return raster;
}

}  // namespace slimsr
