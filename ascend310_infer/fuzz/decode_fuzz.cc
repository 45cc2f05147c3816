// SPDX-License-Identifier: Apache-2.0
// Any bytes as a picture: read or refused by InputError, nothing else.
#include <cstddef>
#include <cstdint>

#include "error.h"
#include "picture.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  try {
    std::string warning;
    slimsr::DecodePicture({data, data + size}, &warning);
  } catch (const slimsr::InputError &) {
  }
  return 0;
}
