// SPDX-License-Identifier: Apache-2.0
// BMP by ourselves: OpenCV 4.6 takes masks for granted, drops bits of 16-bit pixels and reads on
// where a file ends.
#include <algorithm>

#include "raster.h"

namespace slimsr {

namespace {

constexpr uint32_t kRgb = 0, kRle8 = 1, kRle4 = 2, kBitfields = 3, kAlphaBitfields = 6;

// A channel of a pixel of 16 or 32 bits.
struct Mask {
  uint32_t most = 0;
  int shift = 0;

  explicit Mask(uint32_t bits) {
    if (bits != 0) {
      for (; ((bits >> shift) & 1) == 0; ++shift) {
      }
      most = bits >> shift;
    }
  }
  unsigned char Of(uint32_t pixel) const {
    return most == 0 ? 0
                     : static_cast<unsigned char>(uint64_t{(pixel >> shift) & most} * 255 / most);
  }
};

class BmpFile {
 public:
  explicit BmpFile(const Bytes &file) : file_(file) {}

  Raster Read(Content content) {
    ReadHeader();
    const bool rle = compression_ == kRle8 || compression_ == kRle4;
    const bool alpha = masks_[3] != 0;
    Raster raster;
    // A run of RLE is up to 255 pixels by two bytes.
    Allocate(width_, height_, alpha ? CV_8UC4 : CV_8UC3, file_.size(), rle ? 128 : 8,
             &raster.pixels);
    if (content == Content::kSize) {
      return raster;
    }
    if (bits_ <= 8) {
      const std::vector<unsigned char> indices = rle ? ReadRuns() : ReadIndices();
      for (size_t i = 0; i < indices.size(); ++i) {
        std::copy_n(palette_[indices[i]], 3, raster.pixels.data + 3 * i);
      }
    } else {
      ReadPixels(&raster.pixels);
    }
    if (!top_down_) {
      cv::flip(raster.pixels.clone(), raster.pixels, 0);
    }
    return raster;
  }

 private:
  uint32_t Number(size_t at, size_t bytes) const {
    if (at + bytes > file_.size()) {
      RefusePicture("is cut short");
    }
    uint32_t value = 0;
    for (size_t i = bytes; i-- > 0;) {
      value = value << 8 | file_[at + i];
    }
    return value;
  }

  void ReadHeader() {
    constexpr size_t kFileHeader = 14, kOs2 = 12, kInfo = 40, kWithMasks = 52, kWithAlpha = 56;
    start_ = Number(10, 4);
    const size_t size = Number(kFileHeader, 4);
    const size_t at = kFileHeader + 4;
    uint32_t colours = 0;
    if (size == kOs2) {
      width_ = Number(at, 2);
      height_ = Number(at + 2, 2);
      bits_ = Number(at + 6, 2);
    } else if (size >= kInfo && size <= 128) {
      width_ = static_cast<int32_t>(Number(at, 4));
      height_ = static_cast<int32_t>(Number(at + 4, 4));
      bits_ = Number(at + 10, 2);
      compression_ = Number(at + 12, 4);
      colours = Number(at + 28, 4);
    } else {
      NotSupported();
    }
    top_down_ = height_ < 0;
    height_ = std::abs(height_);
    size_t after = kFileHeader + size;
    if (bits_ <= 8) {
      ReadPalette(after, size == kOs2 ? 3 : 4, colours);
    } else if (compression_ == kBitfields || compression_ == kAlphaBitfields) {
      const bool alpha = size >= kWithAlpha || compression_ == kAlphaBitfields;
      for (size_t i = 0; i < (alpha ? 4 : 3); ++i) {
        masks_[i] = Number(kFileHeader + kInfo + 4 * i, 4);
      }
      static_assert(kWithMasks == kInfo + 3 * 4, "with a smaller header they follow it");
    } else if (bits_ == 16) {
      std::copy_n(std::begin({0x7c00U, 0x3e0U, 0x1fU}), 3, masks_);
    } else {
      std::copy_n(std::begin({0xff0000U, 0xff00U, 0xffU}), 3, masks_);
    }
    const bool plain = compression_ == kRgb && (bits_ == 1 || bits_ == 4 || bits_ == 8 ||
                                                bits_ == 16 || bits_ == 24 || bits_ == 32);
    const bool masked = (compression_ == kBitfields || compression_ == kAlphaBitfields) &&
                        (bits_ == 16 || bits_ == 32);
    const bool runs =
        (compression_ == kRle8 && bits_ == 8) || (compression_ == kRle4 && bits_ == 4);
    if (!plain && !masked && !runs) {
      NotSupported();
    }
  }

  void ReadPalette(size_t at, size_t bytes, uint32_t colours) {
    const size_t most = size_t{1} << bits_;
    const size_t count = colours == 0 ? most : std::min<size_t>(colours, most);
    for (size_t i = 0; i < count; ++i) {
      for (size_t j = 0; j < 3; ++j) {
        palette_[i][2 - j] = static_cast<unsigned char>(Number(at + i * bytes + j, 1));
      }
    }
  }

  // The bytes of a row, which end at a multiple of four.
  const unsigned char *Row(int64_t y) const {
    const uint64_t stride = (static_cast<uint64_t>(width_) * bits_ + 31) / 32 * 4;
    const uint64_t last = (static_cast<uint64_t>(width_) * bits_ + 7) / 8;
    const uint64_t at = start_ + static_cast<uint64_t>(y) * stride;
    if (at + last > file_.size()) {
      RefusePicture("is cut short");
    }
    return file_.data() + at;
  }

  std::vector<unsigned char> ReadIndices() const {
    std::vector<unsigned char> indices;
    Row(height_ - 1);
    indices.reserve(static_cast<size_t>(width_ * height_));
    for (int64_t y = 0; y < height_; ++y) {
      const unsigned char *row = Row(y);
      for (size_t bit = 0; bit < static_cast<size_t>(width_) * bits_; bit += bits_) {
        indices.push_back((row[bit / 8] >> (8 - bits_ - bit % 8)) & ((1U << bits_) - 1));
      }
    }
    return indices;
  }

  // Runs of one index, stretches of several, jumps; what is jumped over has index 0.
  std::vector<unsigned char> ReadRuns() const {
    std::vector<unsigned char> indices(static_cast<size_t>(width_ * height_), 0);
    int64_t x = 0, y = 0;
    const auto put = [&](unsigned char index) {
      if (x < width_ && y < height_) {
        indices[static_cast<size_t>(y * width_ + x)] = index;
      }
      ++x;
    };
    const auto nibble = [&](uint32_t byte, uint32_t i) {
      return static_cast<unsigned char>(compression_ == kRle8 ? byte
                                        : i % 2 == 0          ? byte >> 4
                                                              : byte & 15);
    };
    for (size_t at = start_; y < height_;) {
      const uint32_t count = Number(at, 1), value = Number(at + 1, 1);
      at += 2;
      if (count > 0) {
        for (uint32_t i = 0; i < count; ++i) {
          put(nibble(value, i));
        }
      } else if (value == 0) {  // end of the row
        x = 0;
        ++y;
      } else if (value == 1) {  // end of the picture
        break;
      } else if (value == 2) {
        x += Number(at, 1);
        y += Number(at + 1, 1);
        at += 2;
      } else {
        const size_t bytes = compression_ == kRle8 ? value : (value + 1) / 2;
        for (uint32_t i = 0; i < value; ++i) {
          put(nibble(Number(at + (compression_ == kRle8 ? i : i / 2), 1), i));
        }
        at += bytes + bytes % 2;
      }
    }
    return indices;
  }

  void ReadPixels(cv::Mat *pixels) const {
    const Mask masks[] = {Mask(masks_[0]), Mask(masks_[1]), Mask(masks_[2]), Mask(masks_[3])};
    const int bands = pixels->channels();
    for (int y = 0; y < pixels->rows; ++y) {
      const unsigned char *row = Row(y);
      unsigned char *to = pixels->ptr(y);
      for (int x = 0; x < pixels->cols; ++x, row += bits_ / 8, to += bands) {
        uint32_t pixel = row[0] | row[1] << 8;
        pixel |= bits_ >= 24 ? uint32_t{row[2]} << 16 : 0;
        pixel |= bits_ == 32 ? uint32_t{row[3]} << 24 : 0;
        for (int i = 0; i < bands; ++i) {
          to[i] = masks[i].Of(pixel);
        }
      }
    }
  }

  [[noreturn]] void NotSupported() const {
    RefusePicture("is a BMP of a kind that is not supported (" + std::to_string(bits_) +
                      " bits, compression " + std::to_string(compression_) + ")",
                  "save it as PNG");
  }

  const Bytes &file_;
  size_t start_ = 0;
  int64_t width_ = 0, height_ = 0;
  uint32_t bits_ = 0, compression_ = kRgb;
  bool top_down_ = false;
  uint32_t masks_[4] = {};  // red, green, blue, alpha
  unsigned char palette_[256][3] = {};
};

}  // namespace

Raster ReadBmp(const Bytes &file, Content content) { return BmpFile(file).Read(content); }

}  // namespace slimsr
