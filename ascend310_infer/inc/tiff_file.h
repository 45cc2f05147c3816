// SPDX-License-Identifier: Apache-2.0
// A TIFF in memory, opened by libtiff, and what libtiff says of it.

#ifndef SLIMSR_INFER_TIFF_FILE_H_
#define SLIMSR_INFER_TIFF_FILE_H_

#include <tiffio.h>

#include <cstdint>
#include <memory>
#include <string>

#include "raster.h"

namespace slimsr {

struct TiffNotes {
  std::string complaint;    // may be about wrong pixels, so a picture with one is refused
  bool undeclared = false;  // there are channels of which the file tells nothing
  bool decoding = false;    // from here on warnings are about pixels, before about tags
  std::string damage;       // the first of them: the picture is used as far as it can be read
};

// While it lives, it is the one file that this thread reads.
class TiffFile {
 public:
  // `file` is to outlive it.
  explicit TiffFile(const Bytes &file);
  TiffFile(const TiffFile &) = delete;
  TiffFile &operator=(const TiffFile &) = delete;
  ~TiffFile();

  TIFF *get() const { return tiff_.get(); }  // null where it could not be opened
  size_t size() const { return memory_.file.size(); }

  // The photometric interpretation as it is in the file: libtiff calls a picture grey or RGB whose
  // palette is missing. 0 if there is none.
  uint64_t StoredPhotometric() const;

  TiffNotes notes;

 private:
  struct Memory {
    const Bytes &file;
    uint64_t at;
  };
  struct Close {
    void operator()(TIFF *tiff) const { TIFFClose(tiff); }
  };
  static tmsize_t Read(thandle_t handle, void *to, tmsize_t count);
  static toff_t Seek(thandle_t handle, toff_t offset, int whence);

  Memory memory_;
  std::unique_ptr<TIFF, Close> tiff_;
};

}  // namespace slimsr

#endif  // SLIMSR_INFER_TIFF_FILE_H_
