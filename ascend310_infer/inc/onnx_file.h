// SPDX-License-Identifier: Apache-2.0
#ifndef SLIMSR_ONNX_FILE_H_
#define SLIMSR_ONNX_FILE_H_

#include "engine.h"

namespace slimsr {

// Throws InputError for what is no ONNX, has weights in other files, which no checksum covers, or
// an opset that does not exist, from which OpenVINO would count down to one that it knows.
void CheckOnnx(const ModelFile &model);

}  // namespace slimsr

#endif  // SLIMSR_ONNX_FILE_H_
