// SPDX-License-Identifier: Apache-2.0
// A command line, its arguments ended by zero bytes.
#include <cstddef>
#include <cstdint>

#include "args.h"
#include "error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  std::vector<std::string> arguments(1);
  for (size_t i = 0; i < size; ++i) {
    if (data[i] == 0) {
      arguments.emplace_back();
    } else {
      arguments.back() += static_cast<char>(data[i]);
    }
  }
  try {
    slimsr::ParseArgs(arguments);
  } catch (const slimsr::InputError &error) {
    slimsr::Escaped(error.what());
  }
  return 0;
}
