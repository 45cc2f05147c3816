// SPDX-License-Identifier: Apache-2.0
// Convolution by 3 x 3 filters by Winograd's minimal filtering, and its input gradient, which is
// the convolution by the filters turned by 180 degrees.
//
// The work is cut into blocks of tiles, which may span images, and chunks of output channels. Each
// output is computed in the same way wherever it lies in them, so results are the same bit for bit
// on any number of threads.

#include <array>

#include "pool.h"
#include "problem.h"
#include "winograd_kernel.h"
#include "workspace.h"

namespace slimsr {
namespace {

class WinogradPlan final : public Plan {
 public:
  explicit WinogradPlan(const Problem &p)
      : gradient_(p.kind == Kind::kInputGradient),
        relu_(p.relu),
        from_(gradient_ ? p.y : p.x),
        to_(gradient_ ? p.x : p.y),
        in_{from_[2], from_[3], gradient_ ? 2 - p.pad_h : p.pad_h,
            gradient_ ? 2 - p.pad_w : p.pad_w},
        out_{to_[2], to_[3], 0, 0},
        rows_(Ceil(to_[2], Kernel::kTile)),
        columns_(Ceil(to_[3], Kernel::kTile)),
        tiles_(to_[0] * rows_ * columns_),
        vectors_(Ceil(tiles_, kLanes)),
        blocks_(Blocks()),
        chunks_(Ceil(to_[1], kChunk)),
        tiles_first_(chunks_ * Bytes(UFloats()) <= kSharedBytes &&
                     (blocks_ >= kManyBlocks || blocks_ > chunks_)) {}

  void Run(float *x, float *y, float *weights, float *bias) const override {
    const float *from = gradient_ ? y : x;
    float *to = gradient_ ? x : y;
    if (tiles_first_) {
      RunTilesFirst(from, to, weights, bias);
    } else {
      RunChannelsFirst(from, to, weights, bias);
    }
  }

 private:
  using Kernel = WinogradKernel;
  static constexpr int64_t kChunk = 2 * kLanes;  // output channels whose weights fit a core's cache
  static constexpr int64_t kManyBlocks = 8;      // share well among threads
  static constexpr int64_t kPart = 64;           // channels that one thread transforms
  static constexpr int64_t kFiltersAhead = 4;    // channels
  // Of Output, with what Place reads beyond it.
  static constexpr int64_t kOutputFloats = Kernel::kTile * Kernel::kTile * kBlock + kLanes;
  // Of weights that all threads read for each block, and of inputs for each chunk.
  static constexpr size_t kSharedBytes = 3 << 20, kInputsBytes = 12 << 20;

  // As many for each of two threads, if they are few.
  int64_t Blocks() const {
    const int64_t blocks = Ceil(vectors_, kRegisterVectors);
    return blocks < kManyBlocks ? std::min(vectors_, Ceil(blocks, 2) * 2) : blocks;
  }
  int64_t FirstTile(int64_t block) const {
    return std::min(tiles_, vectors_ * block / blocks_ * kLanes);
  }

  // Of weights and inputs one is transformed for all threads at first, the other by each thread
  // just before its use.

  // For large images and few channels.
  void RunTilesFirst(const float *from, float *to, const float *weights, const float *bias) const {
    Workspace shared(chunks_ * Bytes(UFloats()));
    float *u = Take(shared, chunks_ * UFloats());
    Pool::Get().Run(chunks_, [&](int chunk) { Weights(weights, chunk, u + chunk * UFloats()); });
    Pool::Get().Run(blocks_, [&](int block) {
      Workspace space(Bytes(VFloats()) + Bytes(Kernel::kRowsFloats) + ProductBytes());
      float *v = Take(space, VFloats());
      Input(from, block, 0, from_[1], v, Take(space, Kernel::kRowsFloats));
      float *products = Take(space, ProductFloats()), *rows = Take(space, kOutputFloats);
      for (int64_t chunk = 0; chunk < chunks_; ++chunk) {
        Outputs(v, u + chunk * UFloats(), bias, block, chunk, products, rows, to);
      }
    });
  }

  // For small images and many channels.
  void RunChannelsFirst(const float *from, float *to, const float *weights,
                        const float *bias) const {
    const int64_t most =
        std::max<int64_t>(1, std::min<int64_t>(kInputsBytes / Bytes(VFloats()), blocks_));
    const int64_t parts = Ceil(from_[1], kPart);
    Workspace shared(most * Bytes(VFloats()));
    float *v = Take(shared, most * VFloats());
    for (int64_t first = 0; first < blocks_; first += most) {
      const int64_t count = std::min(most, blocks_ - first);
      Pool::Get().Run(count * parts, [&](int i) {
        Workspace space(Bytes(Kernel::kRowsFloats));
        const int64_t block = i / parts, begin = i % parts * kPart,
                      end = std::min(from_[1], begin + kPart);
        Input(from, first + block, begin, end, v + block * VFloats(),
              Take(space, Kernel::kRowsFloats));
      });
      Pool::Get().Run(chunks_, [&](int chunk) {
        Workspace space(Bytes(UFloats()) + ProductBytes());
        float *u = Take(space, UFloats());
        Weights(weights, chunk, u);
        float *products = Take(space, ProductFloats()), *rows = Take(space, kOutputFloats);
        for (int64_t block = 0; block < count; ++block) {
          Outputs(v + block * VFloats(), u, bias, first + block, chunk, products, rows, to);
        }
      });
    }
  }

  // Between the points of the transformed domain. Kept off the powers of two, where all points
  // would compete for the same few lines of a cache.
  int64_t VStep() const { return from_[1] * kBlock + kLanes; }
  int64_t UStep() const { return kChunk * from_[1] + kLanes; }
  int64_t ProductStep() const { return kChunk * kBlock + kLanes; }
  int64_t VFloats() const { return Kernel::kPoints * VStep(); }
  int64_t UFloats() const { return Kernel::kPoints * UStep(); }
  int64_t ProductFloats() const { return Kernel::kPoints * ProductStep(); }
  size_t ProductBytes() const { return Bytes(ProductFloats()) + Bytes(kOutputFloats); }
  static size_t Bytes(int64_t floats) { return Workspace::Rounded(floats * sizeof(float)); }
  static float *Take(Workspace &space, int64_t floats) {
    return reinterpret_cast<float *>(space.Next(floats * sizeof(float)));
  }

  // The rows of tiles, or parts of rows, that are in a block.
  struct Segments {
    std::array<Segment, kBlock> all;
    int count = 0;

    const Segment *begin() const { return all.data(); }
    const Segment *end() const { return all.data() + count; }
  };

  Segments SegmentsOf(int64_t block) const {
    Segments segments;
    const int64_t begin = FirstTile(block), end = FirstTile(block + 1);
    for (int64_t tile = begin; tile < end;) {
      const int64_t row = tile / columns_, column = tile % columns_,
                    count = std::min(columns_ - column, end - tile);
      segments.all[segments.count++] = {row / rows_, row % rows_, column, int(tile - begin),
                                        int(count)};
      tile += count;
    }
    return segments;
  }

  int VectorsOf(int64_t block) const {
    return Ceil(FirstTile(block + 1) - FirstTile(block), kLanes);
  }

  void Input(const float *x, int64_t block, int64_t begin, int64_t end, float *v,
             float *rows) const {
    std::fill_n(rows, Kernel::kRowsFloats, 0.f);
    const Segments segments = SegmentsOf(block);
    for (int64_t i = begin; i < end; ++i) {
      for (const Segment &segment : segments) {
        const float *plane = x + (segment.image * from_[1] + i) * in_.height * in_.width;
        Kernel::InputColumns(plane, in_, segment, rows);
      }
      Kernel::InputRows(rows, VectorsOf(block), v + i * kBlock, VStep());
    }
  }

  // u [points][groups of kLanes outputs][inputs][kLanes]
  void Weights(const float *w, int64_t chunk, float *u) const {
    const int64_t in = from_[1], out = to_[1];
    const int64_t from_stride = gradient_ ? out * 9 : 9, to_stride = gradient_ ? 9 : in * 9;
    for (int64_t o = chunk * kChunk; o < std::min(out, (chunk + 1) * kChunk); o += kLanes) {
      for (int64_t i = 0; i < in; ++i, u += kLanes) {
        const float *filters = w + o * to_stride + i * from_stride;
        if (gradient_) {  // the next ones lie too far away for the processor to guess
          for (int64_t j = 0; j < kLanes * to_stride; j += 16)
            __builtin_prefetch(filters + kFiltersAhead * from_stride + j);
        }
        Kernel::Weights(filters, to_stride, out - o, gradient_, u, UStep());
      }
    }
  }

  void Outputs(const float *v, const float *u, const float *bias, int64_t block, int64_t chunk,
               float *products, float *rows, float *to) const {
    const int64_t in = from_[1], out = std::min(kChunk, to_[1] - chunk * kChunk);
    const int vectors = VectorsOf(block);
    const auto multiply = vectors == 1   ? Kernel::Multiply<1>
                          : vectors == 2 ? Kernel::Multiply<2>
                                         : Kernel::Multiply<3>;
    for (int point = 0; point < Kernel::kPoints; ++point) {
      for (int64_t o = 0; o < out; o += kRegisterRows) {
        multiply(in, u + point * UStep() + o / kLanes * kLanes * in + o % kLanes,
                 v + point * VStep(), products + point * ProductStep() + o * kBlock);
      }
    }
    const Segments segments = SegmentsOf(block);
    for (int64_t o = 0; o < out; ++o) {
      const int64_t channel = chunk * kChunk + o;
      Kernel::Output(products + o * kBlock, ProductStep(), vectors, bias ? bias[channel] : 0, relu_,
                     rows);
      for (const Segment &segment : segments) {
        Kernel::Place(rows, segment, out_,
                      to + (segment.image * to_[1] + channel) * out_.height * out_.width);
      }
    }
  }

  const bool gradient_, relu_;
  const Dims from_, to_;
  const Plane in_, out_;
  const int64_t rows_, columns_, tiles_, vectors_, blocks_;
  const int64_t chunks_;
  const bool tiles_first_;
};

}  // namespace

std::unique_ptr<const Plan> MakeWinograd(const Problem &p) {
  if (p.groups != 1 || p.w[2] != 3 || p.w[3] != 3 || p.stride_h != 1 || p.stride_w != 1) {
    return nullptr;
  }
  if (p.kind == Kind::kWeightGradient) return MakeWinogradGradient(p);
  return std::make_unique<WinogradPlan>(p);
}

}  // namespace slimsr
