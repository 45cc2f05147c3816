// SPDX-License-Identifier: Apache-2.0
// What MindSpore's custom operators in C++ share.
//
// Their signature is MindSpore's: number of arrays (inputs, then outputs), their data, numbers of
// axes, shapes, types, and two pointers that are not used. They return 0 if all is well.

#ifndef SLIMSR_NATIVE_OPERATOR_H_
#define SLIMSR_NATIVE_OPERATOR_H_

#include <cstdint>
#include <cstdio>
#include <exception>
#include <functional>
#include <numeric>

#define SLIMSR_EXPORT extern "C" __attribute__((visibility("default")))
#define SLIMSR_OPERATOR(name) SLIMSR_EXPORT int name

namespace slimsr {

// How many numbers an array of any number of axes has.
inline int64_t SizeOf(int axes, const int64_t *shape) {
  return std::accumulate(shape, shape + axes, int64_t{1}, std::multiplies<>());
}

template <typename Work>
int Guarded(const Work &work) {
  try {
    work();
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "native operator: %s\n", error.what());
    return 1;
  }
}

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_OPERATOR_H_
