// SPDX-License-Identifier: Apache-2.0
// Where the tiles of a picture lie, and how much of its result each tile decides.
#ifndef SLIMSR_TILER_H_
#define SLIMSR_TILER_H_

#include <vector>

namespace slimsr {

// One tile along one axis: it reads [start, stop) of the picture and keeps [keep_start, keep_stop).
struct Span {
  int start, stop;
  int keep_start, keep_stop;
};

// Tiles of one size along an axis of `length`. The keeps are a partition of the axis, and each is
// at least `overlap` away from the sides of its tile that are not sides of the picture; the last
// tile is shifted inward instead of being cut. Needs 1 <= tile <= length, and tile > 2 * overlap
// unless one tile is the whole axis.
std::vector<Span> PlanAxis(int length, int tile, int overlap);

// The side of tiles that are as many as those of side `tile`, and as small as may be: so the last
// one does less again; all of an axis that is shorter. As upscale.py does. Needs tile > 2 *
// overlap.
int EvenTile(int length, int tile, int overlap);

// Half the width of the zone around each boundary of two keeps in which their tiles are
// cross-faded: it lies in what both tiles have read, and no pixel lies in two zones.
int FadeRadius(const std::vector<Span> &spans, int overlap);

// What one tile contributes to the enlarged axis: pixels from `first` on, with these weights. The
// weights of all tiles of an axis add up to 1 at every pixel.
struct Share {
  int first;
  std::vector<float> weights;
};

Share ShareOf(const std::vector<Span> &spans, int index, int fade_radius, int scale);

}  // namespace slimsr

#endif  // SLIMSR_TILER_H_
