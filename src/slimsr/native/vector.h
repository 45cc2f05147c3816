// SPDX-License-Identifier: Apache-2.0
// Vectors of the machine's width, by the compiler's vector extension.

#ifndef SLIMSR_NATIVE_VECTOR_H_
#define SLIMSR_NATIVE_VECTOR_H_

#include <cstdint>
#include <cstring>
#include <utility>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace slimsr {

#if defined(SLIMSR_LANES)  // more than the machine has: the compiler takes several of its own
constexpr int kLanes = SLIMSR_LANES;
#elif defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

using Vector = float __attribute__((vector_size(sizeof(float) * kLanes)));
using Lanes = int32_t __attribute__((vector_size(sizeof(int32_t) * kLanes)));

inline Vector Load(const float *from) {
  using Loose = float __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));
  return *reinterpret_cast<const Loose *>(from);
}

inline void Store(float *to, Vector value) {
  using Loose = float __attribute__((vector_size(sizeof(float) * kLanes), aligned(4), may_alias));
  *reinterpret_cast<Loose *>(to) = value;
}

// Touches only the first `count` lanes' memory; loads zeros into the others. `count` may exceed
// the lanes.
inline Vector Load(const float *from, int64_t count) {
  if (count >= kLanes) return Load(from);
#ifdef __AVX512F__
  return (Vector)_mm512_maskz_loadu_ps((1u << count) - 1, from);
#else
  Vector value = {};
  std::memcpy(&value, from, sizeof(float) * count);
  return value;
#endif
}

inline void Store(float *to, Vector value, int64_t count) {
  if (count >= kLanes) return Store(to, value);
#ifdef __AVX512F__
  _mm512_mask_storeu_ps(to, (1u << count) - 1, (__m512)value);
#else
  std::memcpy(to, &value, sizeof(float) * count);
#endif
}

// Lanes of the concatenation of two vectors: Pick::Of(0), Pick::Of(1), ...
template <typename Pick, size_t... lane>
inline Vector Shuffled(Vector a, Vector b, std::index_sequence<lane...>) {
  constexpr Lanes picked = {Pick::Of(lane)...};
  return __builtin_shuffle(a, b, picked);
}
template <typename Pick>
inline Vector Shuffle(Vector a, Vector b) {
  return Shuffled<Pick>(a, b, std::make_index_sequence<kLanes>());
}

// Every other lane, beginning at `first`.
template <int first>
struct EveryOther {
  static constexpr int Of(int lane) { return 2 * lane + first; }
};

// Lanes of both vectors in turn: the first or the second half of them.
template <int half>
struct InTurn {
  static constexpr int Of(int lane) { return (lane % 2) * kLanes + lane / 2 + half * kLanes / 2; }
};

// A step of a transposition: swaps blocks of `size` lanes.
template <int size, bool second>
struct Swapped {
  static constexpr int Of(int lane) {
    if (second) return lane & size ? kLanes + lane : lane + size;
    return lane & size ? kLanes + lane - size : lane;
  }
};

template <int size>
inline void TransposeFrom(Vector *rows) {
  if constexpr (size < kLanes) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if (i & size) continue;
      const Vector a = rows[i], b = rows[i + size];
      rows[i] = Shuffle<Swapped<size, false>>(a, b);
      rows[i + size] = Shuffle<Swapped<size, true>>(a, b);
    }
    TransposeFrom<2 * size>(rows);
  }
}

// Transposes kLanes vectors in place.
inline void Transpose(Vector *rows) { TransposeFrom<1>(rows); }

// The even and the odd ones of 2 * kLanes floats.
inline void Split(const float *from, Vector *phases) {
  const Vector a = Load(from), b = Load(from + kLanes);
  phases[0] = Shuffle<EveryOther<0>>(a, b), phases[1] = Shuffle<EveryOther<1>>(a, b);
}

// The inverse of Split.
inline void Merge(const Vector *phases, float *to) {
  Store(to, Shuffle<InTurn<0>>(phases[0], phases[1]));
  Store(to + kLanes, Shuffle<InTurn<1>>(phases[0], phases[1]));
}

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_VECTOR_H_
