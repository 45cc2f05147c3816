// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include <algorithm>
#include <cstring>

#include "error.h"
#include "raster.h"

namespace slimsr {

namespace {

// libpng leaves by longjmp, which runs no destructors: what is to be destroyed lives here, outside
// of the functions that it leaves.
class PngFile {
 public:
  explicit PngFile(const Bytes &file) : file_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, OnError, OnWarning);
    info_ = png_ == nullptr ? nullptr : png_create_info_struct(png_);
  }
  PngFile(const PngFile &) = delete;
  PngFile &operator=(const PngFile &) = delete;
  ~PngFile() { png_destroy_read_struct(&png_, &info_, nullptr); }

  Raster Read(Content content) {
    if (info_ == nullptr || !ReadInfo()) {
      Refuse();
    }
    Raster raster;
    raster.orientation =
        OrientationOf(Exif(), Xmp());  // of what stands before the pixels, as libvips
    const int type = CV_MAKETYPE(png_get_bit_depth(png_, info_) == 16 ? CV_16U : CV_8U,
                                 png_get_channels(png_, info_));
    // Deflate makes 1032 bytes of one at most, and a byte holds up to 8 pixels.
    Allocate(png_get_image_width(png_, info_), png_get_image_height(png_, info_), type,
             file_.size(), 8 * 1032, &raster.pixels);
    if (content == Content::kSize) {
      return raster;
    }
    for (int y = 0; y < raster.pixels.rows; ++y) {
      rows_.push_back(raster.pixels.ptr(y));
    }
    if (!ReadRows()) {
      Refuse();
    }
    return raster;
  }

 private:
  bool ReadInfo() {
    if (setjmp(png_jmpbuf(png_)) != 0) {
      return false;
    }
    png_set_read_fn(png_, this, [](png_structp png, png_bytep to, size_t count) {
      auto *self = static_cast<PngFile *>(png_get_io_ptr(png));
      if (count > self->file_.size() - self->at_) {
        png_error(png, "cut short");
      }
      std::memcpy(to, self->file_.data() + self->at_, count);
      self->at_ += count;
    });
    png_read_info(png_, info_);
    png_set_expand(png_);  // palettes and few bits to 8 bits, a transparent value to alpha
    if (png_get_bit_depth(png_, info_) == 16) {
      png_set_swap(png_);  // the machine's order of bytes: all that we know are little-endian
    }
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool ReadRows() {
    if (setjmp(png_jmpbuf(png_)) != 0) {
      return false;
    }
    png_read_image(png_, rows_.data());
    png_read_end(png_, info_);
    return true;
  }

  std::string_view Exif() const {
#ifdef PNG_eXIf_SUPPORTED
    png_uint_32 length = 0;
    png_bytep exif = nullptr;
    if (png_get_eXIf_1(png_, info_, &length, &exif) != 0) {
      return TextOf(exif, length);
    }
#endif
    return {};
  }

  std::string_view Xmp() const {
    png_textp texts = nullptr;
    const int count = png_get_text(png_, info_, &texts, nullptr);
    for (int i = count - 1; i >= 0; --i) {
      if (std::strcmp(texts[i].key, "XML:com.adobe.xmp") == 0) {  // with the length of one kind
        return TextOf(texts[i].text, std::max(texts[i].text_length, texts[i].itxt_length));
      }
    }
    return {};
  }

  [[noreturn]] void Refuse() const {
    RefusePicture("cannot be decoded (libpng: " + OneLine(message_, 160) + ")");
  }

  static void OnError(png_structp png, png_const_charp message) {
    std::strncpy(static_cast<PngFile *>(png_get_error_ptr(png))->message_, message,
                 sizeof(message_) - 1);
    png_longjmp(png, 1);
  }
  static void OnWarning(png_structp, png_const_charp) {}  // about what we do not use

  const Bytes &file_;
  size_t at_ = 0;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::vector<png_bytep> rows_;
  char message_[200] = "no memory";
};

}  // namespace

Raster ReadPng(const Bytes &file, Content content) { return PngFile(file).Read(content); }

}  // namespace slimsr
