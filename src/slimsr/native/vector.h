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

// Every third one of 3 * kLanes floats, beginning at `phase`. Their places within their vectors
// all differ, so they are brought into one vector by choosing for each place, and then into order.
template <int phase>
struct EveryThird {
  // Which of the three vectors has such a one at a place.
  static constexpr int VectorOf(int place) {
    int vector = 0;
    while ((vector * kLanes + place) % 3 != phase) ++vector;
    return vector;
  }
  template <int vector>
  struct FromVector {
    static constexpr int Of(int place) {
      return VectorOf(place) == vector ? kLanes + place : place;
    }
  };
  struct Ordered {
    static constexpr int Of(int lane) { return (3 * lane + phase) % kLanes; }
  };
  struct Placed {
    static constexpr int Of(int place) { return (VectorOf(place) * kLanes + place) / 3; }
  };
};

// The places of one vector of 3 * kLanes floats where a phase is.
template <int vector, int phase>
struct PlacesOf {
  static constexpr int Of(int place) {
    return (vector * kLanes + place) % 3 == phase ? kLanes + place : place;
  }
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

template <int phase>
inline Vector TakeThird(const Vector *from) {
  using Third = EveryThird<phase>;
  Vector found = Shuffle<typename Third::template FromVector<1>>(from[0], from[1]);
  found = Shuffle<typename Third::template FromVector<2>>(found, from[2]);
  return Shuffle<typename Third::Ordered>(found, found);
}

// The first `count` phases of 3 * kLanes floats.
template <int count>
inline void Split(const float *from, Vector *phases) {
  const Vector all[] = {Load(from), Load(from + kLanes), Load(from + 2 * kLanes)};
  phases[0] = TakeThird<0>(all), phases[1] = TakeThird<1>(all);
  if constexpr (count == 3) phases[2] = TakeThird<2>(all);
}

template <int vector>
inline Vector InTurn(const Vector *placed) {
  const Vector two = Shuffle<PlacesOf<vector, 1>>(placed[0], placed[1]);
  return Shuffle<PlacesOf<vector, 2>>(two, placed[2]);
}

// The inverse of Split.
inline void Merge(const Vector *phases, float *to) {
  const Vector placed[] = {Shuffle<EveryThird<0>::Placed>(phases[0], phases[0]),
                           Shuffle<EveryThird<1>::Placed>(phases[1], phases[1]),
                           Shuffle<EveryThird<2>::Placed>(phases[2], phases[2])};
  Store(to, InTurn<0>(placed)), Store(to + kLanes, InTurn<1>(placed));
  Store(to + 2 * kLanes, InTurn<2>(placed));
}

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_VECTOR_H_
