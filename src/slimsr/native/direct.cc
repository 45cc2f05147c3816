// SPDX-License-Identifier: Apache-2.0
// Convolution by oneDNN's direct kernels.
//
// MindSpore hands oneDNN plain NCHW memory, for which oneDNN has only slow kernels. Here oneDNN
// chooses its layouts. The work is cut into tiles of a few images or rows that fit a core's cache:
// a thread brings a tile into oneDNN's layout, convolves it and writes it back plain, with one
// thread of oneDNN's own. Tiles do not depend on the number of threads and partial sums are added
// in the order of the tiles, so results are the same bit for bit on any number of threads.

#include <map>

#include "direct_kernel.h"

namespace slimsr {
namespace {

// All tiles of a convolution.
class DirectPlan final : public Plan {
 public:
  explicit DirectPlan(const Problem &problem) : p_(problem), tiles_(CutIntoTiles(problem)) {
    const OneThread one;
    auto weights = WeightDesc(p_, Tag::any, Tag::any);
    for (const Tile &t : tiles_) {
      const std::vector<int64_t> size = {t.images, t.x_rows, t.y_rows, t.pad_top, t.pad_bottom};
      auto &kernel = kernels_[size];
      if (!kernel) kernel = std::make_unique<Kernel>(p_, t, weights);
      weights = kernel->weights();  // one layout for all tiles
      kernel_of_.push_back(kernel.get());
    }
    weights_ = weights;
    reorder_ = WeightReorder(WeightDesc(p_, Tag::oihw, Tag::goihw), weights,
                             p_.kind == Kind::kWeightGradient);
  }

  void Run(float *x, float *y, float *weights, float *bias) const override {
    const auto bytes = [](float *data) { return reinterpret_cast<char *>(data); };
    if (p_.kind == Kind::kForward) Convolve(bytes(x), bytes(y), bytes(weights), bytes(bias));
    if (p_.kind == Kind::kInputGradient) Convolve(bytes(y), bytes(x), bytes(weights), bytes(bias));
    if (p_.kind == Kind::kWeightGradient)
      WeightGradient(bytes(x), bytes(y), bytes(weights), bytes(bias));
  }

 private:
  // y or dx from x or dy.
  void Convolve(char *from, char *to, char *weights, char *bias) const {
    const bool forward = p_.kind == Kind::kForward;
    Workspace space(reorder_.needed() ? weights_.get_size() : 0);
    char *own_weights = weights;
    if (reorder_.needed()) {
      own_weights = space.Next(weights_.get_size());
      reorder_.Run(weights, own_weights);
    }
    ForEachTile([&](int i) {
      char *x = XOf(forward ? from : to, i), *y = YOf(forward ? to : from, i);
      kernel_of_[i]->Run(forward ? x : y, forward ? y : x, own_weights, bias);
    });
  }

  void WeightGradient(char *x, char *dy, char *weights, char *bias) const {
    // One partial sum per tile; where there is one tile in plain layout it is the result.
    const size_t count = tiles_.size(), bytes = Workspace::Rounded(weights_.get_size()),
                 bias_bytes = Workspace::Rounded(p_.y[1] * sizeof(float));
    Workspace space(count * (bytes + bias_bytes));
    char *sums = space.Next(count * bytes), *bias_sums = space.Next(count * bias_bytes);
    const bool direct = count == 1 && !reorder_.needed();
    ForEachTile([&](int i) {
      kernel_of_[i]->Run(XOf(x, i), YOf(dy, i), direct ? weights : sums + i * bytes,
                         p_.bias ? bias_sums + i * bias_bytes : nullptr);
    });
    if (!direct) {
      AddUp(sums, bytes, weights_.get_size() / sizeof(float));
      if (reorder_.needed()) {
        reorder_.Run(weights, sums);
      } else {
        std::copy_n(sums, weights_.get_size(), weights);
      }
    }
    if (p_.bias) {
      AddUp(bias_sums, bias_bytes, p_.y[1]);
      std::copy_n(bias_sums, p_.y[1] * sizeof(float), bias);
    }
  }

  char *XOf(char *x, int i) const { return At(x, p_.x, tiles_[i].image, tiles_[i].x_row); }
  char *YOf(char *y, int i) const { return At(y, p_.y, tiles_[i].image, tiles_[i].y_row); }
  static char *At(char *data, const Dims &whole, int64_t image, int64_t row) {
    return data + sizeof(float) * (image * whole[1] * whole[2] + row) * whole[3];
  }
  void ForEachTile(const Pool::Work &work) const {
    Pool::Get().Run(static_cast<int>(tiles_.size()), [&](int i) {
      const OneThread one;
      work(i);
    });
  }
  // Adds the arrays that lie `bytes` apart into the first, in their order.
  void AddUp(char *sums, size_t bytes, size_t length) const {
    constexpr size_t kPiece = 1 << 15;
    const size_t count = tiles_.size();
    if (count == 1) return;
    Pool::Get().Run(static_cast<int>((length + kPiece - 1) / kPiece), [&](int piece) {
      const size_t begin = piece * kPiece, end = std::min(length, begin + kPiece);
      auto *total = reinterpret_cast<float *>(sums);
      for (size_t i = 1; i < count; ++i) {
        const auto *other = reinterpret_cast<const float *>(sums + i * bytes);
        for (size_t j = begin; j < end; ++j) total[j] += other[j];
      }
    });
  }

  const Problem p_;
  const std::vector<Tile> tiles_;
  std::map<std::vector<int64_t>, std::unique_ptr<Kernel>> kernels_;
  std::vector<const Kernel *> kernel_of_;
  memory::desc weights_;
  WeightReorder reorder_;
};

}  // namespace

std::unique_ptr<const Plan> MakeDirect(const Problem &problem) {
  return std::make_unique<DirectPlan>(problem);
}

}  // namespace slimsr
