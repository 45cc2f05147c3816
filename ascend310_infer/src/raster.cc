// SPDX-License-Identifier: Apache-2.0
#include "raster.h"

#include <algorithm>
#include <cstring>
#include <string_view>

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

int ExifOrientation(const unsigned char *exif, size_t length) {
  constexpr uint32_t kOrientation = 274, kShort = 3;
  constexpr size_t kHeader = 8, kEntry = 12;
  if (length < kHeader) {
    return 0;
  }
  const bool little = exif[0] == 'I';
  if (std::memcmp(exif, little ? "II" : "MM", 2) != 0) {
    return 0;
  }
  const auto number = [&](size_t at, size_t bytes) {  // 0 outside of the block
    uint32_t value = 0;
    for (size_t i = 0; i < bytes && at + bytes <= length; ++i) {
      value = value << 8 | exif[at + (little ? bytes - 1 - i : i)];
    }
    return value;
  };
  const size_t directory = number(4, 4);
  const size_t entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * kEntry;
    if (number(at, 2) == kOrientation && number(at + 2, 2) == kShort) {
      const uint32_t value = number(at + 8, 2);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 0;
    }
  }
  return 0;
}

int XmpOrientation(const void *xmp, size_t length) {
  static constexpr std::string_view kName = "tiff:Orientation";
  std::string_view text(static_cast<const char *>(xmp), length);
  const auto skip_blanks = [&text] {
    text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n\v\f"), text.size()));
  };
  for (size_t at = 0; (at = text.find(kName)) != std::string_view::npos;) {
    text.remove_prefix(at + kName.size());
    skip_blanks();  // an attribute, ="6", or an element, >6
    bool begins = !text.empty() && text[0] == '>';
    if (!text.empty() && text[0] == '=') {
      text.remove_prefix(1);
      skip_blanks();
      begins = !text.empty() && (text[0] == '"' || text[0] == '\'');
    }
    if (begins && text.size() > 1 && text[1] >= '1' && text[1] <= '8') {
      return text[1] - '0';
    }
  }
  return 0;
}

}  // namespace slimsr
