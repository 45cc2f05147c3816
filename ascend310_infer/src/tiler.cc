// SPDX-License-Identifier: Apache-2.0
#include "tiler.h"

#include <algorithm>

namespace slimsr {

std::vector<Span> PlanAxis(int length, int tile, int overlap) {
  std::vector<Span> spans;
  for (int kept = 0; kept < length; kept = spans.back().keep_stop) {
    const int start = std::clamp(kept - overlap, 0, length - tile);
    const int stop = start + tile;
    spans.push_back({start, stop, kept, stop == length ? length : stop - overlap});
  }
  return spans;
}

int EvenTile(int length, int tile, int overlap) {
  if (length <= tile) {
    return length;
  }
  constexpr int kFold = 8;  // pixels that some network folds
  const auto ceil = [](int a, int b) { return (a + b - 1) / b; };
  const int inner = length - 2 * overlap;
  const int step = ceil(inner, ceil(inner, tile - 2 * overlap));
  return std::min(tile, 2 * overlap + ceil(step, kFold) * kFold);
}

int FadeRadius(const std::vector<Span> &spans, int overlap) {
  int widest = overlap;
  for (const Span &span : spans) {
    widest = std::min(widest, span.keep_stop - span.keep_start);
  }
  return widest / 2;
}

Share ShareOf(const std::vector<Span> &spans, int index, int fade_radius, int scale) {
  const Span &span = spans[index];
  const int before = index == 0 ? 0 : fade_radius;
  const int after = index + 1 == static_cast<int>(spans.size()) ? 0 : fade_radius;
  const int first = (span.keep_start - before) * scale;
  const int last = (span.keep_stop + after) * scale;
  Share share{first, std::vector<float>(last - first, 1.0F)};
  // Rises over `zone` pixels at the near end; falls, as 1 minus the neighbour's rise, at the far
  // one.
  const auto rise = [](int i, int zone) {
    return (static_cast<float>(i) + 0.5F) / static_cast<float>(zone);
  };
  for (int i = 0; i < 2 * before * scale; ++i) {
    share.weights[i] = rise(i, 2 * before * scale);
  }
  const int falling = last - first - 2 * after * scale;
  for (int i = 0; i < 2 * after * scale; ++i) {
    share.weights[falling + i] = 1.0F - rise(i, 2 * after * scale);
  }
  return share;
}

}  // namespace slimsr
