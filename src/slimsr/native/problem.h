// SPDX-License-Identifier: Apache-2.0
// A convolution in numbers, and what can carry it out.

#ifndef SLIMSR_NATIVE_PROBLEM_H_
#define SLIMSR_NATIVE_PROBLEM_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace slimsr {

using Dims = std::vector<int64_t>;

inline Dims Shape(int ndim, const int64_t *shape) { return Dims(shape, shape + ndim); }

inline int64_t Size(const Dims &dims) { return dims[0] * dims[1] * dims[2] * dims[3]; }

inline int64_t Ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }

enum class Kind : int64_t { kForward, kInputGradient, kWeightGradient };

// Whether pictures of ever new sizes are to come. One switch for all threads: graphs have their
// own.
inline std::atomic<bool> &SizesVary() {
  static std::atomic<bool> vary{false};
  return vary;
}

// A convolution, in numbers. y has ceil-free size: floor((x + pads - kernel) / stride) + 1.
struct Problem {
  Kind kind;
  Dims x, w, y;  // (N, I, H, W), (O, I / groups, kh, kw), (N, O, H', W')
  int64_t stride_h, stride_w, pad_h, pad_w, groups;  // padding: above and at the left
  bool bias, relu;
  bool sizes_vary = SizesVary();  // no plan may leave memory behind

  std::vector<int64_t> Key() const {
    std::vector<int64_t> key = {int64_t(kind), stride_h, stride_w, pad_h,     pad_w,
                                groups,        bias,     relu,     sizes_vary};
    for (const Dims *dims : {&x, &w, &y}) key.insert(key.end(), dims->begin(), dims->end());
    return key;
  }
  // Zeros that are read beyond the last row or column.
  int64_t PadAfter(int axis) const {
    const int64_t stride = axis == 2 ? stride_h : stride_w, before = axis == 2 ? pad_h : pad_w;
    return std::max<int64_t>(0, (y[axis] - 1) * stride + w[axis] - x[axis] - before);
  }
  double Work() const { return 2.0 * w[1] * w[2] * w[3] * y[0] * y[1] * y[2] * y[3]; }
};

// A way to carry out one problem.
class Plan {
 public:
  virtual ~Plan() = default;
  // All in plain layout, contiguous. Of x, y, and weights and bias, the kind says which are read
  // and which are written; `bias` is null where there is none.
  virtual void Run(float *x, float *y, float *weights, float *bias) const = 0;
};

// By oneDNN's direct kernels: any problem.
std::unique_ptr<const Plan> MakeDirect(const Problem &problem);

// By Winograd's minimal filtering; null for problems other than 3 x 3 filters with stride 1 and one
// group.
std::unique_ptr<const Plan> MakeWinograd(const Problem &problem);

// The same, of a weight gradient.
std::unique_ptr<const Plan> MakeWinogradGradient(const Problem &problem);

// Whether the second way is the faster one, or the only one that is accurate enough, where to
// change one weight or half a vector to one of Winograd's points takes so many products of two
// vectors.
bool WinogradPays(const Problem &problem, double transform);

// By the one of these that is faster and accurate enough.
std::unique_ptr<const Plan> MakeBest(const Problem &problem);

// The best plan of a problem, made at the first call.
std::shared_ptr<const Plan> PlanOf(const Problem &problem);

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_PROBLEM_H_
