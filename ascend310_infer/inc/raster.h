// SPDX-License-Identifier: Apache-2.0
// What a picture file holds, before it is brought to the 8-bit colours that the network takes.
#ifndef SLIMSR_RASTER_H_
#define SLIMSR_RASTER_H_

#include <cstdint>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace slimsr {

using Bytes = std::vector<unsigned char>;

struct Raster {
  cv::Mat pixels;              // 8 or 16-bit; 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha
  bool premultiplied = false;  // the colours are multiplied by alpha already
  int orientation = 0;         // of EXIF, TIFF and else XMP, 1 to 8; 0 if none is told
  std::string warning;         // about a picture that is used nevertheless
};

// Sets the size of `pixels`, their values left open. Throws InputError for more pixels than are
// taken, or than `bytes` bytes can hold where one byte holds `most_per_byte` at most.
void Allocate(int64_t width, int64_t height, int type, size_t bytes, int64_t most_per_byte,
              cv::Mat *pixels);

// 8-bit BGR: seen over white, 16-bit values v as round(v / 257), upright.
cv::Mat Shown(const Raster &raster);

// One reader per format. All throw InputError for what is damaged, cut short or not supported.
Raster ReadPng(const Bytes &file);
Raster ReadJpeg(const Bytes &file);
Raster ReadTiff(const Bytes &file);
Raster ReadWebp(const Bytes &file);
Raster ReadBmp(const Bytes &file);

// What they say: "the file WHAT, expected a whole picture; mend or remove it", or another remedy.
[[noreturn]] void RefusePicture(const std::string &what,
                                const std::string &remedy = "mend or remove it");

// The orientation in a block of EXIF, which begins with the header of a TIFF; 0 if it has none.
int ExifOrientation(const unsigned char *exif, size_t length);

// The orientation in a packet of XMP, which counts where nothing else tells one; 0 if it has none.
int XmpOrientation(const void *xmp, size_t length);

}  // namespace slimsr

#endif  // SLIMSR_RASTER_H_
