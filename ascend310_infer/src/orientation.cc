// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>

#include "raster.h"

namespace slimsr {

namespace {

// What EXIF says, a block that begins with the header of a TIFF; 0 if it says nothing.
int FromExif(std::string_view exif) {
  constexpr uint32_t kOrientation = 274, kShort = 3, kLong = 4;
  constexpr size_t kHeader = 8, kEntry = 12;
  const bool little = exif.substr(0, 2) == "II";
  if (exif.size() < kHeader || (!little && exif.substr(0, 2) != "MM")) {
    return 0;
  }
  const auto number = [&](size_t at, size_t bytes) {  // 0 outside of the block
    uint32_t value = 0;
    for (size_t i = 0; i < bytes && at + bytes <= exif.size(); ++i) {
      value = value << 8 | static_cast<unsigned char>(exif[at + (little ? bytes - 1 - i : i)]);
    }
    return value;
  };
  const size_t directory = number(4, 4);
  const size_t entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    const size_t at = directory + 2 + i * kEntry;
    const uint32_t type = number(at + 2, 2);
    if (number(at, 2) == kOrientation && (type == kShort || type == kLong)) {
      const uint32_t value = number(at + 8, type == kShort ? 2 : 4);
      return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
    }
  }
  return 0;
}

// The same of XMP, where it is an attribute (tiff:Orientation="6") or an element.
int FromXmp(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation", kSpace = " \t\n\r\f\v";
  const auto skip = [&](size_t at) {
    return std::min(xmp.find_first_not_of(kSpace, at), xmp.size());
  };
  for (size_t at = 0; (at = xmp.find(kName, at)) != std::string_view::npos;) {
    at += kName.size();
    size_t value = skip(at);
    const char sign = value < xmp.size() ? xmp[value] : '\0';
    if (sign == '=') {
      value = skip(value + 1);
      if (value == xmp.size() || (xmp[value] != '"' && xmp[value] != '\'')) {
        continue;
      }
    } else if (sign != '>') {
      continue;
    }
    if (++value < xmp.size() && xmp[value] >= '1' && xmp[value] <= '8') {
      return xmp[value] - '0';
    }
  }
  return 0;
}

}  // namespace

int OrientationOf(std::string_view exif, std::string_view xmp) {
  const int told = FromExif(exif);
  return std::max(told == 0 ? FromXmp(xmp) : told, 1);
}

}  // namespace slimsr
