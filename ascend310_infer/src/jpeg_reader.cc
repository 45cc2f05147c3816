// SPDX-License-Identifier: Apache-2.0
#include <csetjmp>
#include <cstdio>
#include <cstring>
// jpeglib.h needs what cstdio declares.
#include <jpeglib.h>

#include "error.h"
#include "raster.h"

namespace slimsr {

namespace {

// libjpeg leaves by longjmp, which runs no destructors: what is to be destroyed lives here, outside
// of the functions that it leaves.
class JpegFile {
 public:
  explicit JpegFile(const Bytes &file) : file_(file) {
    jpeg_.err = jpeg_std_error(&errors_);
    jpeg_.client_data = this;
    errors_.error_exit = [](j_common_ptr jpeg) {
      auto *self = static_cast<JpegFile *>(jpeg->client_data);
      (*jpeg->err->format_message)(jpeg, self->message_);
      std::longjmp(self->jump_, 1);
    };
    errors_.emit_message = [](j_common_ptr jpeg, int level) {
      auto *self = static_cast<JpegFile *>(jpeg->client_data);
      if (level < 0 && jpeg->err->num_warnings++ == 0) {
        (*jpeg->err->format_message)(jpeg, self->warning_);
      }
    };
    progress_.progress_monitor = [](j_common_ptr jpeg) {
      constexpr int kMostScans = 500;  // each goes over the whole picture and may have ten bytes
      auto *self = static_cast<JpegFile *>(jpeg->client_data);
      if (self->jpeg_.input_scan_number > kMostScans) {
        std::strcpy(self->message_, "too many scans");
        std::longjmp(self->jump_, 1);
      }
    };
  }
  JpegFile(const JpegFile &) = delete;
  JpegFile &operator=(const JpegFile &) = delete;
  ~JpegFile() { jpeg_destroy_decompress(&jpeg_); }

  Raster Read(Content content) {
    if (!ReadHeader()) {
      Refuse();
    }
    if (jpeg_.num_components != 1 && jpeg_.num_components != 3) {
      RefusePicture("has " + std::to_string(jpeg_.num_components) + " channels, such as CMYK",
                    "save it as grey or RGB");
    }
    Raster raster;
    raster.orientation = Orientation();  // now: the markers go when the pixels are read
    const int bands = jpeg_.num_components;
    jpeg_.out_color_space = bands == 1 ? JCS_GRAYSCALE : JCS_RGB;
    // A block of 64 pixels takes a bit at least.
    Allocate(jpeg_.image_width, jpeg_.image_height, CV_MAKETYPE(CV_8U, bands), file_.size(), 8 * 64,
             &raster.pixels);
    if (content == Content::kSize) {
      return raster;
    }
    pixels_ = &raster.pixels;
    if (!ReadRows()) {
      Refuse();
    }
    raster.warning = OneLine(warning_, 160);
    return raster;
  }

 private:
  bool ReadHeader() {
    if (setjmp(jump_) != 0) {
      return false;
    }
    jpeg_create_decompress(&jpeg_);
    jpeg_.progress = &progress_;
    jpeg_mem_src(&jpeg_, const_cast<unsigned char *>(file_.data()), file_.size());
    jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }

  bool ReadRows() {
    if (setjmp(jump_) != 0) {
      return false;
    }
    jpeg_start_decompress(&jpeg_);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW row = pixels_->ptr(static_cast<int>(jpeg_.output_scanline));
      jpeg_read_scanlines(&jpeg_, &row, 1);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  // Of the first EXIF and XMP, as libvips has it.
  int Orientation() const {
    using namespace std::string_view_literals;
    constexpr std::string_view kExif = "Exif\0\0"sv, kXmp = "http";
    constexpr size_t kLongestName = 80;
    std::string_view exif, xmp;
    for (auto *marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data = TextOf(marker->data, marker->data_length);
      if (exif.data() == nullptr && data.substr(0, kExif.size()) == kExif) {
        exif = data.substr(kExif.size());
      } else if (xmp.data() == nullptr && data.substr(0, kXmp.size()) == kXmp &&
                 data.find('\0') < kLongestName) {
        xmp = data.substr(data.find('\0') + 1);
      }
    }
    return OrientationOf(exif, xmp);
  }

  [[noreturn]] void Refuse() const {
    RefusePicture("cannot be decoded (libjpeg: " + OneLine(message_, 160) + ")");
  }

  const Bytes &file_;
  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  char message_[JMSG_LENGTH_MAX] = "", warning_[JMSG_LENGTH_MAX] = "";
  cv::Mat *pixels_ = nullptr;
};

}  // namespace

Raster ReadJpeg(const Bytes &file, Content content) { return JpegFile(file).Read(content); }

}  // namespace slimsr
