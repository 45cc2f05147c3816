// SPDX-License-Identifier: Apache-2.0
// What a picture file holds, before it is brought to the 8-bit colours that the network takes.
#ifndef SLIMSR_RASTER_H_
#define SLIMSR_RASTER_H_

#include <cstdint>
#include <opencv2/core.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace slimsr {

using Bytes = std::vector<unsigned char>;

struct Raster {
  cv::Mat pixels;              // 8 or 16-bit; 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
  bool premultiplied = false;  // the colours are multiplied by alpha already
  int orientation = 1;         // of EXIF and TIFF, 1 to 8
  std::string warning;         // about a picture that is used nevertheless
};

// Sets the size of `pixels`, their values left open. Throws InputError for more pixels than are
// taken, or than `bytes` bytes can hold where one byte holds `most_per_byte` at most.
void Allocate(int64_t width, int64_t height, int type, size_t bytes, int64_t most_per_byte,
              cv::Mat *pixels);

// 8-bit BGR: seen over white, 16-bit values v as round(v / 257), upright.
cv::Mat Shown(const Raster &raster);

// What a reader is asked for. Of kSize, `pixels` has its size and no values: only the header is
// read.
enum class Content { kAll, kSize };

// One reader per format. All throw InputError for what is damaged, cut short or not supported.
Raster ReadPng(const Bytes &file, Content content = Content::kAll);
Raster ReadJpeg(const Bytes &file, Content content = Content::kAll);
Raster ReadTiff(const Bytes &file, Content content = Content::kAll);
Raster ReadWebp(const Bytes &file, Content content = Content::kAll);
Raster ReadBmp(const Bytes &file, Content content = Content::kAll);

// What they say: "the file WHAT, expected a whole picture; mend or remove it", or another remedy.
[[noreturn]] void RefusePicture(const std::string &what,
                                const std::string &remedy = "mend or remove it");

// The orientation, 1 to 8, that EXIF (a block that begins with the header of a TIFF) tells, else
// XMP, else 1. Either may be empty.
int OrientationOf(std::string_view exif, std::string_view xmp);

// Bytes that a library gives, as text.
inline std::string_view TextOf(const void *bytes, size_t length) {
  return {static_cast<const char *>(bytes), length};
}

}  // namespace slimsr

#endif  // SLIMSR_RASTER_H_
