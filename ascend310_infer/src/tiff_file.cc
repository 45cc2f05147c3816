// SPDX-License-Identifier: Apache-2.0
#include "tiff_file.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <mutex>

#include "error.h"

namespace slimsr {

namespace {

thread_local TiffNotes *notes_of_thread = nullptr;

std::string Text(const char *format, va_list arguments) {
  char text[300];
  std::vsnprintf(text, sizeof(text), format, arguments);
  return OneLine(text, 160);
}

void OnError(thandle_t, const char *, const char *format, va_list arguments) {
  if (notes_of_thread != nullptr && notes_of_thread->complaint.empty()) {
    notes_of_thread->complaint = Text(format, arguments);
  }
}

// Those before the pixels are about tags that nobody needs. After one of them the tag for extra
// channels looks as if the file had it.
void OnWarning(thandle_t, const char *, const char *format, va_list arguments) {
  if (notes_of_thread == nullptr) {
    return;
  }
  if (std::strstr(format, "channels as ExtraSamples") != nullptr) {
    notes_of_thread->undeclared = true;
  } else if (notes_of_thread->decoding && notes_of_thread->damage.empty()) {
    notes_of_thread->damage = Text(format, arguments);
  }
}

}  // namespace

TiffFile::TiffFile(const Bytes &file) : memory_{file, 0} {
  static std::once_flag once;
  std::call_once(once, [] {
    TIFFSetErrorHandler(nullptr);
    TIFFSetErrorHandlerExt(OnError);
    TIFFSetWarningHandler(nullptr);
    TIFFSetWarningHandlerExt(OnWarning);
  });
  notes_of_thread = &notes;
  const auto write = [](thandle_t, void *, tmsize_t) -> tmsize_t { return -1; };
  const auto close = [](thandle_t) { return 0; };
  const auto size = [](thandle_t handle) -> toff_t {
    return static_cast<Memory *>(handle)->file.size();
  };
  // m: without mapping it.
  tiff_.reset(
      TIFFClientOpen("picture", "rm", &memory_, Read, write, Seek, close, size, nullptr, nullptr));
}

TiffFile::~TiffFile() { notes_of_thread = nullptr; }

tmsize_t TiffFile::Read(thandle_t handle, void *to, tmsize_t count) {
  auto *from = static_cast<Memory *>(handle);
  const uint64_t left = from->file.size() - std::min<uint64_t>(from->at, from->file.size());
  const auto length = std::min<uint64_t>(left, static_cast<uint64_t>(std::max<tmsize_t>(count, 0)));
  if (length > 0) {
    std::memcpy(to, from->file.data() + from->at, length);
  }
  from->at += length;
  return static_cast<tmsize_t>(length);
}

toff_t TiffFile::Seek(thandle_t handle, toff_t offset, int whence) {
  auto *from = static_cast<Memory *>(handle);
  const uint64_t base = whence == SEEK_CUR ? from->at : whence == SEEK_END ? from->file.size() : 0;
  from->at = base + offset;
  return from->at;
}

uint64_t TiffFile::StoredPhotometric() const {
  const Bytes &file = memory_.file;
  const bool little = file[0] == 'I';
  const auto number = [&](uint64_t at, uint64_t bytes) {  // 0 outside of the file
    uint64_t value = 0;
    if (at < file.size() && bytes <= file.size() - at) {
      for (uint64_t i = 0; i < bytes; ++i) {
        value = value << 8 | file[at + (little ? bytes - 1 - i : i)];
      }
    }
    return value;
  };
  const bool big = number(2, 2) == TIFF_VERSION_BIG;
  uint64_t at = big ? number(8, 8) : number(4, 4);
  const uint64_t entries = number(at, big ? 8 : 2);
  at += big ? 8 : 2;
  for (uint64_t i = 0; i < entries && at < file.size(); ++i, at += big ? 20 : 12) {
    if (number(at, 2) == TIFFTAG_PHOTOMETRIC) {
      return number(at + (big ? 12 : 8), number(at + 2, 2) == TIFF_LONG ? 4 : 2);
    }
  }
  return 0;
}

}  // namespace slimsr
