// SPDX-License-Identifier: Apache-2.0
// In the place of MindSpore Lite's library, which only comes with its own package: just the
// functions that LiteEngine calls, declared by the real headers, over a network that repeats every
// pixel twice.
#ifndef SLIMSR_TEST_FAKE_LITE_H_
#define SLIMSR_TEST_FAKE_LITE_H_

#include <string>
#include <vector>

#include "include/api/data_type.h"
#include "include/api/status.h"

namespace fake_lite {

struct State {
  // How the model and the library are.
  std::vector<int64_t> shape = {-1, 3, -1, -1};  // of the input
  mindspore::DataType input_type = mindspore::DataType::kNumberTypeFloat32;
  mindspore::DataType output_type = mindspore::DataType::kNumberTypeFloat32;
  int inputs = 1, outputs = 1;
  size_t missing_bytes = 0;  // of the output
  std::string failing;       // the name of the function that fails

  // What was called, with its arguments.
  std::vector<std::string> calls;
};

extern State state;

}  // namespace fake_lite

#endif  // SLIMSR_TEST_FAKE_LITE_H_
