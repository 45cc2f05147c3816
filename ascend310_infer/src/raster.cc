// SPDX-License-Identifier: Apache-2.0
#include "raster.h"

#include <algorithm>

#include "error.h"

namespace slimsr {

namespace {

constexpr int64_t kMostPixels = int64_t{1} << 28;  // more than a WebP file or any scanner gives

template <class Sample>
unsigned char EightBits(uint32_t value) {
  return static_cast<unsigned char>(sizeof(Sample) == 1 ? value : (value + 128) / 257);
}

template <class Sample>
cv::Mat OverWhite(const cv::Mat &pixels, bool premultiplied) {
  constexpr uint32_t kWhite = static_cast<Sample>(~Sample{0});
  const int bands = pixels.channels(), colours = bands <= 2 ? 1 : 3;
  cv::Mat shown(pixels.size(), CV_8UC3);
  for (int y = 0; y < pixels.rows; ++y) {
    const Sample *pixel = pixels.ptr<Sample>(y);
    unsigned char *to = shown.ptr<unsigned char>(y);
    for (int x = 0; x < pixels.cols; ++x, pixel += bands, to += 3) {
      const uint32_t alpha = bands == colours ? kWhite : pixel[colours];
      for (int i = 0; i < 3; ++i) {
        uint32_t value = pixel[colours == 1 ? 0 : 2 - i];
        if (premultiplied) {
          value = std::min(kWhite, value + (kWhite - alpha));
        } else {  // at most 65535^2 + 65535 / 2, which 32 bits just hold
          value = (value * alpha + kWhite * (kWhite - alpha) + kWhite / 2) / kWhite;
        }
        to[i] = EightBits<Sample>(value);
      }
    }
  }
  return shown;
}

// Undoes an orientation: 5 to 8 swap the axes; then those that run backwards are flipped.
cv::Mat Upright(cv::Mat picture, int orientation) {
  if (orientation >= 5) {
    cv::transpose(picture.clone(), picture);
  }
  const bool down = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool across = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  if (down || across) {
    cv::flip(picture.clone(), picture, down && across ? -1 : (down ? 0 : 1));
  }
  return picture;
}

}  // namespace

void Allocate(int64_t width, int64_t height, int type, size_t bytes, int64_t most_per_byte,
              cv::Mat *pixels) {
  constexpr int64_t kLongestSide = 1 << 20;
  const std::string size = std::to_string(width) + "x" + std::to_string(height) + " pixels";
  if (width < 1 || height < 1) {
    RefusePicture("has " + size);
  }
  if (width > kLongestSide || height > kLongestSide || width * height > kMostPixels) {
    RefusePicture("has " + size + ", more than " + std::to_string(kMostPixels),
                  "cut it into parts");
  }
  if (width * height > most_per_byte * static_cast<int64_t>(bytes)) {
    RefusePicture("is cut short or damaged: its header claims " + size + ", which " +
                  std::to_string(bytes) + " bytes cannot hold");
  }
  pixels->create(static_cast<int>(height), static_cast<int>(width), type);
}

cv::Mat Shown(const Raster &raster) {
  const cv::Mat shown = raster.pixels.depth() == CV_16U
                            ? OverWhite<uint16_t>(raster.pixels, raster.premultiplied)
                            : OverWhite<unsigned char>(raster.pixels, raster.premultiplied);
  return Upright(shown, raster.orientation);
}

void RefusePicture(const std::string &what, const std::string &remedy) {
  throw InputError("the file " + what + ", expected a whole picture; " + remedy);
}

}  // namespace slimsr
