// SPDX-License-Identifier: Apache-2.0
// Mean absolute differences of feature maps, and their gradient, as custom operators of MindSpore.
//
// One pass over the maps instead of one for each difference, absolute value, sum, and sign.

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "operator.h"
#include "pool.h"
#include "problem.h"

namespace {

using slimsr::Pool;

constexpr int64_t kPiece = 4096;  // numbers of one map: some of them stay in a core's L1 cache
constexpr int kLanes = 16;

// Anchors and positives (B, ...), negatives (M, ...), and which negative meets which anchor,
// (K, B).
struct Maps {
  Maps(void **data, const int *ndims, int64_t **shapes)
      : x(static_cast<const float *>(data[0])),
        positives(static_cast<const float *>(data[1])),
        negatives(static_cast<const float *>(data[2])),
        choice(static_cast<const int32_t *>(data[3])),
        pictures(shapes[0][0]),
        rounds(shapes[3][0]),
        length(slimsr::SizeOf(ndims[0] - 1, shapes[0] + 1)),
        pieces((length + kPiece - 1) / kPiece) {}

  // Calls work(number, begin, count, negatives of round k at the same place) for every piece.
  template <typename Work>
  void ForEachPiece(const Work &work) const {
    Pool::Get().Run(static_cast<int>(pictures * pieces), [&](int number) {
      const int64_t picture = number / pieces, first = number % pieces * kPiece;
      work(number, picture * length + first, std::min(kPiece, length - first),
           [&, picture, first](int64_t k) {
             return negatives + choice[k * pictures + picture] * length + first;
           });
    });
  }
  double Size() const { return static_cast<double>(pictures * length); }

  const float *x, *positives, *negatives;
  const int32_t *choice;
  const int64_t pictures, rounds, length, pieces;
};

double SumOfDifferences(const float *a, const float *b, int64_t count) {
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane)
      sums[lane] += __builtin_fabsf(a[i + lane] - b[i + lane]);
  }
  for (; i < count; ++i) sums[i % kLanes] += __builtin_fabsf(a[i] - b[i]);
  return std::accumulate(sums, sums + kLanes, 0.0);
}

// Adds factor * sign(a - b) to `sum`; NaN where the difference is.
void AddSigns(const float *a, const float *b, float factor, int64_t count, float *sum) {
  for (int64_t i = 0; i < count; ++i) {
    const float difference = a[i] - b[i];
    const float sign = difference > 0 ? factor : difference < 0 ? -factor : difference;
    sum[i] += sign;
  }
}

// Calls work(number, begin, count) for every piece of an array.
template <typename Work>
void ForEachPiece(int64_t size, const Work &work) {
  Pool::Get().Run(static_cast<int>(slimsr::Ceil(size, kPiece)), [&](int number) {
    const int64_t begin = number * kPiece;
    work(number, begin, std::min(kPiece, size - begin));
  });
}

}  // namespace

// a, b; mean |a - b|
SLIMSR_OPERATOR(SlimMeanDistance)(int, void **data, int *ndims, int64_t **shapes, const char **,
                                  void *, void *) {
  return slimsr::Guarded([&] {
    const auto *a = static_cast<const float *>(data[0]), *b = static_cast<const float *>(data[1]);
    const int64_t size = slimsr::SizeOf(ndims[0], shapes[0]);
    std::vector<double> sums(slimsr::Ceil(size, kPiece));  // added up in their order
    ForEachPiece(size, [&](int number, int64_t begin, int64_t count) {
      sums[number] = SumOfDifferences(a + begin, b + begin, count);
    });
    const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
    *static_cast<float *>(data[2]) = static_cast<float>(total / static_cast<double>(size));
  });
}

// a, b, gradient of the result; gradient of a
SLIMSR_OPERATOR(SlimMeanDistanceGradient)(int, void **data, int *ndims, int64_t **shapes,
                                          const char **, void *, void *) {
  return slimsr::Guarded([&] {
    const auto *a = static_cast<const float *>(data[0]), *b = static_cast<const float *>(data[1]);
    const int64_t size = slimsr::SizeOf(ndims[0], shapes[0]);
    const float factor = *static_cast<const float *>(data[2]) / static_cast<float>(size);
    auto *gradient = static_cast<float *>(data[3]);
    ForEachPiece(size, [&](int, int64_t begin, int64_t count) {
      std::fill_n(gradient + begin, count, 0.f);
      AddSigns(a + begin, b + begin, factor, count, gradient + begin);
    });
  });
}

// x, positives, negatives, choice; mean |x - p|, sum over k of mean |x - n_k|
SLIMSR_OPERATOR(SlimDistances)(int, void **data, int *ndims, int64_t **shapes, const char **,
                               void *, void *) {
  return slimsr::Guarded([&] {
    const Maps maps(data, ndims, shapes);
    struct Sums {
      double near, far;
    };
    // Added up in their order, whoever made them.
    std::vector<Sums> sums(maps.pictures * maps.pieces);
    maps.ForEachPiece([&](int number, int64_t begin, int64_t count, const auto &negatives_of) {
      Sums &sum = sums[number];
      sum.near = SumOfDifferences(maps.x + begin, maps.positives + begin, count);
      for (int64_t k = 0; k < maps.rounds; ++k)
        sum.far += SumOfDifferences(maps.x + begin, negatives_of(k), count);
    });
    Sums total = {};
    for (const Sums &sum : sums) total.near += sum.near, total.far += sum.far;
    *static_cast<float *>(data[4]) = static_cast<float>(total.near / maps.Size());
    *static_cast<float *>(data[5]) = static_cast<float>(total.far / maps.Size());
  });
}

// x, positives, negatives, choice, what x's gradient is already, gradients of the two results;
// gradient of x
SLIMSR_OPERATOR(SlimDistancesGradient)(int, void **data, int *ndims, int64_t **shapes,
                                       const char **, void *, void *) {
  return slimsr::Guarded([&] {
    const Maps maps(data, ndims, shapes);
    const auto *later = static_cast<const float *>(data[4]);
    const auto near = static_cast<float>(*static_cast<const float *>(data[5]) / maps.Size());
    const auto far = static_cast<float>(*static_cast<const float *>(data[6]) / maps.Size());
    auto *gradient = static_cast<float *>(data[7]);
    maps.ForEachPiece([&](int, int64_t begin, int64_t count, const auto &negatives_of) {
      std::fill_n(gradient + begin, count, 0.f);
      AddSigns(maps.x + begin, maps.positives + begin, near, count, gradient + begin);
      for (int64_t k = 0; k < maps.rounds; ++k)
        AddSigns(maps.x + begin, negatives_of(k), far, count, gradient + begin);
      for (int64_t i = begin; i < begin + count; ++i) gradient[i] += later[i];
    });
  });
}
