// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "error.h"
#include "raster.h"
#include "tiff_file.h"

namespace slimsr {

namespace {

class TiffReader {
 public:
  explicit TiffReader(const Bytes &file) : tiff_(file) {}

  Raster Read(Content content) {
    if (tiff_.get() == nullptr) {
      Refuse();
    }
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGEWIDTH, &width_);
    TIFFGetField(tiff_.get(), TIFFTAG_IMAGELENGTH, &height_);
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_BITSPERSAMPLE, &bits_);
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_SAMPLESPERPIXEL, &samples_);
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_PLANARCONFIG, &planar_);
    if (TIFFGetField(tiff_.get(), TIFFTAG_PHOTOMETRIC, &photometric_) == 0) {
      RefusePicture("does not say what its values mean", "save it as grey or RGB");
    }
    CheckKind();
    Raster raster;
    raster.orientation = Orientation();
    if (content == Content::kSize) {
      Allocate(width_, height_, CV_8UC1, tiff_.size(), MostPixelsPerByte(), &raster.pixels);
      return raster;
    }
    tiff_.notes.decoding = true;
    if (photometric_ == PHOTOMETRIC_YCBCR) {
      ReadYcbcr(&raster);
    } else {
      ReadSamples(&raster);
    }
    if (!tiff_.notes.complaint.empty()) {
      Refuse();
    }
    if (!tiff_.notes.damage.empty()) {
      raster.warning += (raster.warning.empty() ? "" : "; ") + tiff_.notes.damage;
    }
    return raster;
  }

 private:
  void CheckKind() {
    if (photometric_ != PHOTOMETRIC_PALETTE && tiff_.StoredPhotometric() == PHOTOMETRIC_PALETTE) {
      RefusePicture("has no palette, or a part of it");
    }
    uint16_t format = SAMPLEFORMAT_UINT;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_COMPRESSION, &compression_);
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_SAMPLEFORMAT, &format);
    // The same on every machine, whatever its libtiff was built with.
    static constexpr uint16_t kCodecs[] = {
        COMPRESSION_NONE,      COMPRESSION_CCITTRLE, COMPRESSION_CCITTFAX3,
        COMPRESSION_CCITTFAX4, COMPRESSION_LZW,      COMPRESSION_JPEG,
        COMPRESSION_DEFLATE,   COMPRESSION_PACKBITS, COMPRESSION_ADOBE_DEFLATE};
    if (std::find(std::begin(kCodecs), std::end(kCodecs), compression_) == std::end(kCodecs) ||
        TIFFIsCODECConfigured(compression_) == 0) {
      const TIFFCodec *codec = TIFFFindCODEC(compression_);
      RefusePicture("is compressed by a codec that is not supported (" +
                        (codec == nullptr ? "number " + std::to_string(compression_)
                                          : std::string(codec->name)) +
                        ")",
                    "save it with LZW, deflate or none");
    }
    // libtiff turns planes that are stored apart into no colours.
    if (compression_ == COMPRESSION_JPEG && photometric_ == PHOTOMETRIC_YCBCR &&
        planar_ == PLANARCONFIG_CONTIG) {
      TIFFSetField(tiff_.get(), TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
      photometric_ = PHOTOMETRIC_RGB;
    }
    const bool integers = format == SAMPLEFORMAT_UINT || format == SAMPLEFORMAT_VOID;
    if (!integers || (bits_ != 1 && bits_ != 2 && bits_ != 4 && bits_ != 8 && bits_ != 16)) {
      RefusePicture("holds values of " + std::to_string(bits_) + " bits" +
                        (integers ? "" : " that are signed or floating-point"),
                    "save it as 8-bit or 16-bit");
    }
    const bool grey = photometric_ == PHOTOMETRIC_MINISBLACK ||
                      (photometric_ == PHOTOMETRIC_MINISWHITE && samples_ <= 2);
    const bool palette = photometric_ == PHOTOMETRIC_PALETTE && samples_ == 1 && bits_ <= 8;
    const bool rgb = photometric_ == PHOTOMETRIC_RGB && samples_ >= 3 && bits_ >= 8;
    const bool ycbcr = photometric_ == PHOTOMETRIC_YCBCR && samples_ == 3 && bits_ == 8;
    if (samples_ < 1 || samples_ > 64 || !(grey || palette || rgb || ycbcr)) {
      RefusePicture("is of a kind that is not supported (photometric " +
                        std::to_string(photometric_) + ", " + std::to_string(samples_) +
                        " channels of " + std::to_string(bits_) + " bits)",
                    "save it as grey or RGB");
    }
  }

  int Orientation() const {
    uint16_t orientation = 1;
    uint32_t length = 0;
    const void *xmp = nullptr;
    if (TIFFGetField(tiff_.get(), TIFFTAG_ORIENTATION, &orientation) != 0) {
      return orientation >= 1 && orientation <= 8 ? orientation : 1;
    }
    TIFFGetField(tiff_.get(), TIFFTAG_XMLPACKET, &length, &xmp);
    return OrientationOf({}, TextOf(xmp, length));
  }

  // Every sample as it is stored, from strips or tiles, together or one plane per channel.
  void ReadSamples(Raster *raster) {
    // GDAL calls the three channels of a colour picture grey ones.
    const bool rgb = photometric_ == PHOTOMETRIC_RGB ||
                     (photometric_ == PHOTOMETRIC_MINISBLACK && samples_ >= 3);
    const bool palette = photometric_ == PHOTOMETRIC_PALETTE;
    const int stored = rgb ? 3 : 1;
    const bool alpha = FindAlpha(stored, raster);
    const int kept = stored + (alpha ? 1 : 0);
    const int depth = bits_ == 16 ? CV_16U : CV_8U;
    Allocate(width_, height_, CV_MAKETYPE(depth, palette ? 3 : kept), tiff_.size(),
             MostPixelsPerByte(), &raster->pixels);
    if (palette && TIFFGetField(tiff_.get(), TIFFTAG_COLORMAP, &map_[0], &map_[1], &map_[2]) == 0) {
      RefusePicture("has no palette");
    }
    // Some write values of 8 bits where the standard has 16.
    const auto deep = [this](const uint16_t *map) {
      return std::any_of(map, map + (size_t{1} << bits_), [](uint16_t v) { return v > 255; });
    };
    map_shift_ = palette && std::any_of(map_, map_ + 3, deep) ? 8 : 0;
    const bool tiled = TIFFIsTiled(tiff_.get()) != 0;
    uint32_t across = width_, down = height_;
    if (tiled) {
      TIFFGetField(tiff_.get(), TIFFTAG_TILEWIDTH, &across);
      TIFFGetField(tiff_.get(), TIFFTAG_TILELENGTH, &down);
    } else {
      TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ROWSPERSTRIP, &down);
      down = std::min(down, height_);
    }
    const tmsize_t size = tiled ? TIFFTileSize(tiff_.get()) : TIFFStripSize(tiff_.get());
    const uint64_t row_bytes = static_cast<uint64_t>(std::max<tmsize_t>(
        tiled ? TIFFTileRowSize(tiff_.get()) : TIFFScanlineSize(tiff_.get()), 0));
    const int together = planar_ == PLANARCONFIG_SEPARATE ? 1 : samples_;
    const uint64_t needed = (uint64_t{across} * together * bits_ + 7) / 8;
    // As of the whole picture: a small file must not claim memory for its tiles.
    const bool claims =
        tiled && int64_t{across} * down > MostPixelsPerByte() * static_cast<int64_t>(tiff_.size());
    constexpr int64_t kMostInBlock = int64_t{1} << 31;
    if (across == 0 || down == 0 || size <= 0 || size > kMostInBlock || claims ||
        row_bytes < needed || row_bytes * std::min(down, height_) > static_cast<uint64_t>(size)) {
      Refuse();
    }
    std::vector<unsigned char> block(static_cast<size_t>(size));
    for (int plane = 0; plane < (together == 1 ? kept : 1); ++plane) {
      for (uint32_t top = 0; top < height_; top += down) {
        for (uint32_t left = 0; left < width_; left += across) {
          const uint32_t rows = std::min(down, height_ - top);
          const auto sample = static_cast<uint16_t>(plane);
          const tmsize_t expected = tiled ? size : static_cast<tmsize_t>(row_bytes * rows);
          const uint32_t index = tiled ? TIFFComputeTile(tiff_.get(), left, top, 0, sample)
                                       : TIFFComputeStrip(tiff_.get(), top, sample);
          CheckStored(index, compression_ == COMPRESSION_NONE ? expected : 1);
          const tmsize_t got =
              tiled ? TIFFReadEncodedTile(tiff_.get(), index, block.data(), size)
                    : TIFFReadEncodedStrip(tiff_.get(), index, block.data(), expected);
          if (got < expected || !tiff_.notes.complaint.empty()) {
            Refuse();
          }
          for (uint32_t y = 0; y < rows; ++y) {
            Unpack(block.data() + y * row_bytes, std::min(across, width_ - left), together, plane,
                   kept, static_cast<int>(top + y), static_cast<int>(left), &raster->pixels);
          }
        }
      }
    }
  }

  // A strip or tile without compression libtiff reads from wherever, however few bytes it has.
  void CheckStored(uint32_t index, tmsize_t least) const {
    if (TIFFRawStripSize(tiff_.get(), index) < least) {
      Refuse();
    }
  }

  // Whether there is a channel of alpha, known as such or, as OpenCV writes it, not declared.
  // Another one, such as infrared, is left out.
  bool FindAlpha(int stored, Raster *raster) const {
    if (samples_ <= stored) {
      return false;
    }
    if (samples_ > stored + 1) {
      RefusePicture("has " + std::to_string(samples_) + " channels", "save it as grey or RGB");
    }
    uint16_t count = 0;
    const uint16_t *kinds = nullptr;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_EXTRASAMPLES, &count, &kinds);
    if (count == 0 || tiff_.notes.undeclared) {
      raster->warning = "channel " + std::to_string(samples_) + " is not declared, taken for alpha";
      return true;
    }
    const uint16_t kind = kinds[count - 1];
    raster->premultiplied = kind == EXTRASAMPLE_ASSOCALPHA;
    if (raster->premultiplied || kind == EXTRASAMPLE_UNASSALPHA) {
      return true;
    }
    raster->warning = "1 channel beside the colours left out, not being alpha";
    return false;
  }

  // One row of a strip or tile: those channels of it that are kept, as whole 8 or 16-bit values.
  void Unpack(const unsigned char *row, uint32_t pixels, int together, int plane, int kept, int y,
              int left, cv::Mat *picture) const {
    const uint32_t most = (1U << bits_) - 1;
    const bool white = photometric_ == PHOTOMETRIC_MINISWHITE;
    const int bands = picture->channels();
    for (uint32_t x = 0; x < pixels; ++x) {
      for (int i = 0; i < (together == 1 ? 1 : kept); ++i) {
        const size_t index = size_t{x} * static_cast<size_t>(together) + static_cast<size_t>(i);
        uint32_t value = 0;
        if (bits_ == 16) {
          uint16_t deep = 0;  // libtiff has brought it to the machine's order of bytes
          std::memcpy(&deep, row + 2 * index, sizeof(deep));
          value = deep;
        } else {
          const size_t bit = index * bits_;
          value = (row[bit / 8] >> (8 - bits_ - bit % 8)) & most;
        }
        const int band = together == 1 ? plane : i;
        const size_t at = (static_cast<size_t>(left) + x) * static_cast<size_t>(bands);
        if (photometric_ == PHOTOMETRIC_PALETTE) {
          for (size_t j = 0; j < 3; ++j) {
            picture->ptr<unsigned char>(y)[at + j] =
                static_cast<unsigned char>(map_[j][value] >> map_shift_);
          }
          continue;
        }
        value = white && band == 0 ? most - value : value;
        if (bits_ == 16) {
          picture->ptr<uint16_t>(y)[at + static_cast<size_t>(band)] = static_cast<uint16_t>(value);
        } else {
          picture->ptr<unsigned char>(y)[at + static_cast<size_t>(band)] =
              static_cast<unsigned char>(value * 255 / most);
        }
      }
    }
  }

  // By libtiff's own conversion, which knows the coefficients and the subsampling.
  void ReadYcbcr(Raster *raster) {
    Allocate(width_, height_, CV_8UC3, tiff_.size(), MostPixelsPerByte(), &raster->pixels);
    const bool tiled = TIFFIsTiled(tiff_.get()) != 0;
    const uint32_t count = tiled ? TIFFNumberOfTiles(tiff_.get()) : TIFFNumberOfStrips(tiff_.get());
    for (uint32_t i = 0; i < count; ++i) {
      CheckStored(i, 1);
    }
    std::vector<uint32_t> packed(size_t{width_} * height_);
    uint16_t stored = ORIENTATION_TOPLEFT;
    TIFFGetFieldDefaulted(tiff_.get(), TIFFTAG_ORIENTATION, &stored);
    if (TIFFReadRGBAImageOriented(tiff_.get(), width_, height_, packed.data(), stored,
                                  /*stop_on_error=*/1) == 0) {
      Refuse();
    }
    for (uint32_t y = 0; y < height_; ++y) {
      unsigned char *to = raster->pixels.ptr<unsigned char>(static_cast<int>(y));
      for (uint32_t x = 0; x < width_; ++x, to += 3) {
        const uint32_t pixel = packed[size_t{y} * width_ + x];
        to[0] = static_cast<unsigned char>(TIFFGetR(pixel));
        to[1] = static_cast<unsigned char>(TIFFGetG(pixel));
        to[2] = static_cast<unsigned char>(TIFFGetB(pixel));
      }
    }
  }

  // Fax codes and JPEG's hold whole rows of white in a few bits.
  int64_t MostPixelsPerByte() const {
    switch (compression_) {
      case COMPRESSION_NONE:
        return 8;
      case COMPRESSION_PACKBITS:
        return 8 * 64;
      case COMPRESSION_CCITTRLE:
      case COMPRESSION_CCITTFAX3:
      case COMPRESSION_CCITTFAX4:
        return 1 << 20;
      default:  // the most that deflate or LZW can do
        return 8 * 1400;
    }
  }

  [[noreturn]] void Refuse() const {
    RefusePicture("cannot be decoded" + (tiff_.notes.complaint.empty()
                                             ? std::string()
                                             : " (libtiff: " + tiff_.notes.complaint + ")"));
  }

  TiffFile tiff_;
  uint16_t compression_ = COMPRESSION_NONE;
  uint32_t width_ = 0, height_ = 0;
  uint16_t bits_ = 1, samples_ = 1, planar_ = PLANARCONFIG_CONTIG;
  uint16_t photometric_ = PHOTOMETRIC_MINISBLACK;
  const uint16_t *map_[3] = {};
  int map_shift_ = 0;
};

}  // namespace

Raster ReadTiff(const Bytes &file, Content content) { return TiffReader(file).Read(content); }

}  // namespace slimsr
