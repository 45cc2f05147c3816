// SPDX-License-Identifier: Apache-2.0
// 2-D convolution and its gradients for float32 on CPUs, as custom operators of MindSpore.
//
// MindSpore hands oneDNN plain NCHW memory, for which oneDNN has only slow kernels. Here oneDNN
// chooses its layouts. The work is cut into tiles of a few images or rows that fit a core's cache:
// a thread brings a tile into oneDNN's layout, convolves it and writes it back plain, with one
// thread of oneDNN's own. Tiles do not depend on the number of threads and partial sums are added
// in the order of the tiles, so results are the same bit for bit on any number of threads.

#include <omp.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <unordered_map>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "pool.h"

namespace {

using dnnl::memory;
using Dims = memory::dims;
using Tag = memory::format_tag;
using slimsr::Pool;

constexpr size_t kMostPlans = 512;
constexpr int64_t kTileBytes = 768 << 10;    // of input and output: most of a core's L2 cache
constexpr double kTileWork = 8e6;            // floating-point operations: 40 us, ten times the overhead
constexpr int64_t kPartialBytes = 16 << 20;  // of all partial sums of a weight gradient
constexpr size_t kKeptBytes = size_t{64} << 20;  // a larger buffer is freed after the call
constexpr auto kFloat = memory::data_type::f32;

enum class Kind : int64_t { kForward, kInputGradient, kWeightGradient };

// A convolution, in numbers. y has ceil-free size: floor((x + pads - kernel) / stride) + 1.
struct Problem {
  Kind kind;
  Dims x, w, y;  // (N, I, H, W), (O, I / groups, kh, kw), (N, O, H', W')
  int64_t stride_h, stride_w, pad_h, pad_w, groups;  // padding: above and at the left
  bool bias, relu;

  std::vector<int64_t> Key() const {
    std::vector<int64_t> key = {int64_t(kind), stride_h, stride_w, pad_h, pad_w, groups, bias, relu};
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

const dnnl::engine &Engine() {
  static const auto *engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

const dnnl::stream &Stream() {
  static const auto *stream = new dnnl::stream(Engine());
  return *stream;
}

// oneDNN's own threads are not used; what MindSpore set for this thread is put back.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }

 private:
  const int before_;
};

// Memory that is kept from call to call, so that its pages need not be asked of the system again.
class Buffer {
 public:
  static std::unique_ptr<Buffer> Take() {
    std::lock_guard<std::mutex> lock(mutex_);
    if (Kept().empty()) return std::make_unique<Buffer>();
    auto buffer = std::move(Kept().back());
    Kept().pop_back();
    return buffer;
  }
  static void Return(std::unique_ptr<Buffer> buffer) {
    if (buffer->size_ > kKeptBytes) return;
    std::lock_guard<std::mutex> lock(mutex_);
    Kept().push_back(std::move(buffer));
  }
  ~Buffer() { std::free(data_); }

  char *Reserve(size_t bytes) {
    if (bytes > size_) {
      std::free(data_);
      size_ = 0;
      data_ = static_cast<char *>(std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096));
      if (data_ == nullptr) throw std::bad_alloc();
      size_ = bytes;
    }
    return data_;
  }

 private:
  static std::vector<std::unique_ptr<Buffer>> &Kept() {
    static auto *kept = new std::vector<std::unique_ptr<Buffer>>;
    return *kept;
  }
  static std::mutex mutex_;
  char *data_ = nullptr;
  size_t size_ = 0;
};

std::mutex Buffer::mutex_;

// A buffer that is returned at the end of a block, and handed out from front to back.
class Workspace {
 public:
  explicit Workspace(size_t bytes) : buffer_(Buffer::Take()), next_(buffer_->Reserve(bytes)) {}
  ~Workspace() { Buffer::Return(std::move(buffer_)); }
  static size_t Rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }  // AVX-512 and cache lines
  char *Next(size_t bytes) {
    char *start = next_;
    next_ += Rounded(bytes);
    return start;
  }

 private:
  std::unique_ptr<Buffer> buffer_;
  char *next_;
};

dnnl::primitive_attr OwnScratch() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

// A change of layout; nothing to do where both are the same.
class Reorder {
 public:
  Reorder() = default;
  Reorder(const memory::desc &from, const memory::desc &to) : from_(from), to_(to) {
    if (from == to) return;
    dnnl::reorder::primitive_desc description(Engine(), from, Engine(), to, OwnScratch());
    scratch_ = description.scratchpad_desc();
    reorder_ = dnnl::reorder(description);
    needed_ = true;
  }
  bool needed() const { return needed_; }
  size_t scratch_bytes() const { return needed_ ? scratch_.get_size() : 0; }
  void Run(const void *from, void *to, void *scratch) const {
    reorder_.execute(Stream(), {{DNNL_ARG_FROM, memory(from_, Engine(), const_cast<void *>(from))},
                                {DNNL_ARG_TO, memory(to_, Engine(), to)},
                                {DNNL_ARG_SCRATCHPAD, memory(scratch_, Engine(), scratch)}});
  }

 private:
  memory::desc from_, to_, scratch_;
  dnnl::primitive reorder_;
  bool needed_ = false;
};

// The change of layout of all weights, in pieces of output channels that threads share.
class WeightReorder {
 public:
  WeightReorder() = default;
  WeightReorder(const memory::desc &plain, const memory::desc &inner, bool to_plain) : to_plain_(to_plain) {
    const Dims dims = plain.get_dims();
    constexpr int64_t kRows = 64;  // a multiple of most layouts' block
    if (dims.size() == 4 && dims[0] % kRows == 0 && plain.get_size() > (256 << 10)) {
      try {
        for (int64_t row = 0; row < dims[0]; row += kRows) {
          const Dims part = {kRows, dims[1], dims[2], dims[3]}, offset = {row, 0, 0, 0};
          Add(plain.submemory_desc(part, offset), inner.submemory_desc(part, offset));
        }
        return;
      } catch (const dnnl::error &) {  // the layout has other blocks, or is padded
        pieces_.clear();
      }
    }
    Add(plain, inner);
  }
  bool needed() const { return pieces_[0].needed(); }
  void Run(void *plain, void *inner) const {
    Pool::Get().Run(static_cast<int>(pieces_.size()), [&](int i) {
      const OneThread one;
      Workspace space(scratch_bytes_);
      pieces_[i].Run(to_plain_ ? inner : plain, to_plain_ ? plain : inner, space.Next(0));
    });
  }

 private:
  void Add(const memory::desc &plain, const memory::desc &inner) {
    pieces_.push_back(to_plain_ ? Reorder(inner, plain) : Reorder(plain, inner));
    scratch_bytes_ = std::max(scratch_bytes_, pieces_.back().scratch_bytes());
  }

  bool to_plain_ = false;
  std::vector<Reorder> pieces_;
  size_t scratch_bytes_ = 0;
};

memory::desc WeightDesc(const Problem &p, Tag tag, Tag grouped_tag) {
  if (p.groups == 1) return memory::desc(p.w, kFloat, tag);
  Dims dims = p.w;
  dims[0] /= p.groups;
  dims.insert(dims.begin(), p.groups);
  return memory::desc(dims, kFloat, grouped_tag);
}

// Part of the images and rows of a convolution: of x and y, or of dx and dy.
struct Tile {
  int64_t image, images, x_row, x_rows, y_row, y_rows, pad_top, pad_bottom;
};

// oneDNN's primitives for tiles of one size.
class Kernel {
 public:
  // `weights`: the layout to use; `any` leaves the choice to oneDNN.
  Kernel(const Problem &p, const Tile &tile, const memory::desc &weights) {
    const Dims x = {tile.images, p.x[1], tile.x_rows, p.x[3]}, y = {tile.images, p.y[1], tile.y_rows, p.y[3]};
    const Dims strides = {p.stride_h, p.stride_w}, before = {tile.pad_top, p.pad_w},
               after = {tile.pad_bottom, p.PadAfter(3)};
    const memory::desc any_x(x, kFloat, Tag::any), any_y(y, kFloat, Tag::any);
    const memory::desc plain_x(x, kFloat, Strides(p.x)), plain_y(y, kFloat, Strides(p.y));
    if (p.bias) bias_ = memory::desc({p.y[1]}, kFloat, Tag::x);
    const auto direct = dnnl::algorithm::convolution_direct;
    auto attributes = OwnScratch();
    if (p.relu) {
      dnnl::post_ops relu;
      relu.append_eltwise(dnnl::algorithm::eltwise_relu, 0.f, 0.f);
      attributes.set_post_ops(relu);
    }
    const auto propagation = p.kind == Kind::kForward ? dnnl::prop_kind::forward_inference
                                                      : dnnl::prop_kind::forward_training;
    const dnnl::convolution_forward::primitive_desc forward(Engine(), propagation, direct, any_x, weights, bias_,
                                                            any_y, strides, before, after, attributes);
    if (p.kind == Kind::kForward) {
      Keep<dnnl::convolution_forward>(forward, forward.weights_desc());
      first_ = {DNNL_ARG_SRC, forward.src_desc(), Reorder(plain_x, forward.src_desc())};
      last_ = {DNNL_ARG_DST, forward.dst_desc(), Reorder(forward.dst_desc(), plain_y)};
      weights_argument_ = DNNL_ARG_WEIGHTS, bias_argument_ = DNNL_ARG_BIAS;
    } else if (p.kind == Kind::kInputGradient) {
      const dnnl::convolution_backward_data::primitive_desc gradient(
          Engine(), direct, any_x, weights, any_y, strides, before, after, forward, attributes);
      Keep<dnnl::convolution_backward_data>(gradient, gradient.weights_desc());
      first_ = {DNNL_ARG_DIFF_DST, gradient.diff_dst_desc(), Reorder(plain_y, gradient.diff_dst_desc())};
      last_ = {DNNL_ARG_DIFF_SRC, gradient.diff_src_desc(), Reorder(gradient.diff_src_desc(), plain_x)};
      weights_argument_ = DNNL_ARG_WEIGHTS;
    } else {
      const dnnl::convolution_backward_weights::primitive_desc gradient(
          Engine(), direct, any_x, weights, bias_, any_y, strides, before, after, forward, attributes);
      Keep<dnnl::convolution_backward_weights>(gradient, gradient.diff_weights_desc());
      first_ = {DNNL_ARG_SRC, gradient.src_desc(), Reorder(plain_x, gradient.src_desc())};
      last_ = {DNNL_ARG_DIFF_DST, gradient.diff_dst_desc(), Reorder(plain_y, gradient.diff_dst_desc())};
      weights_argument_ = DNNL_ARG_DIFF_WEIGHTS, bias_argument_ = DNNL_ARG_DIFF_BIAS;
      last_is_input_ = true;
    }
    scratch_bytes_ = std::max({scratch_.get_size(), first_.reorder.scratch_bytes(), last_.reorder.scratch_bytes()});
  }

  const memory::desc &weights() const { return weights_; }

  // `first`, `last`: the tile's parts of x and y (forward), dy and dx, or x and dy, in plain layout;
  // `weights`, `bias`: all of them, the weights in the kernel's layout.
  void Run(char *first, char *last, void *weights, void *bias) const {
    const size_t first_bytes = first_.Bytes(), last_bytes = last_.Bytes();
    Workspace space(Workspace::Rounded(first_bytes) + Workspace::Rounded(last_bytes) + scratch_bytes_);
    char *own_first = first_bytes ? space.Next(first_bytes) : first;
    char *own_last = last_bytes ? space.Next(last_bytes) : last;
    char *scratch = space.Next(scratch_bytes_);
    if (first_bytes) first_.reorder.Run(first, own_first, scratch);
    if (last_bytes && last_is_input_) last_.reorder.Run(last, own_last, scratch);
    std::unordered_map<int, memory> arguments = {
        {first_.argument, memory(first_.inner, Engine(), own_first)},
        {last_.argument, memory(last_.inner, Engine(), own_last)},
        {weights_argument_, memory(weights_, Engine(), weights)},
        {DNNL_ARG_SCRATCHPAD, memory(scratch_, Engine(), scratch)}};
    if (bias != nullptr) arguments.insert({bias_argument_, memory(bias_, Engine(), bias)});
    primitive_.execute(Stream(), arguments);
    if (last_bytes && !last_is_input_) last_.reorder.Run(own_last, last, scratch);
  }

 private:
  struct Operand {
    int argument = 0;
    memory::desc inner;
    Reorder reorder;
    size_t Bytes() const { return reorder.needed() ? inner.get_size() : 0; }
  };

  // A tile is a view of some rows of its images.
  static Dims Strides(const Dims &whole) {
    return {whole[1] * whole[2] * whole[3], whole[2] * whole[3], whole[3], 1};
  }
  template <typename Primitive>
  void Keep(const typename Primitive::primitive_desc &description, const memory::desc &weights) {
    primitive_ = Primitive(description);
    scratch_ = description.scratchpad_desc();
    weights_ = weights;
  }

  dnnl::primitive primitive_;
  Operand first_, last_;
  memory::desc weights_, bias_, scratch_;
  int weights_argument_ = 0, bias_argument_ = 0;
  bool last_is_input_ = false;
  size_t scratch_bytes_ = 0;
};

// All tiles of a convolution.
class Plan {
 public:
  explicit Plan(const Problem &problem) : p_(problem) {
    const OneThread one;
    Cut();
    auto weights = WeightDesc(p_, Tag::any, Tag::any);
    for (const Tile &t : tiles_) {
      const std::vector<int64_t> size = {t.images, t.x_rows, t.y_rows, t.pad_top, t.pad_bottom};
      auto &kernel = kernels_[size];
      if (!kernel) kernel = std::make_unique<Kernel>(p_, t, weights);
      weights = kernel->weights();  // one layout for all tiles
      kernel_of_.push_back(kernel.get());
    }
    weights_ = weights;
    reorder_ = WeightReorder(WeightDesc(p_, Tag::oihw, Tag::goihw), weights, p_.kind == Kind::kWeightGradient);
  }

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

 private:
  // Cuts into whole images where these are small, else into bands of rows.
  void Cut() {
    const int64_t images = p_.x[0], rows_in = p_.x[2], rows_out = p_.y[2], kernel = p_.w[2];
    const int64_t bytes = sizeof(float) * (p_.x[1] * rows_in * p_.x[3] + p_.y[1] * rows_out * p_.y[3]);
    const double work = p_.Work() / images;
    const bool to_rows = p_.kind != Kind::kInputGradient || p_.stride_h == 1;
    const int64_t rows = p_.kind == Kind::kInputGradient ? rows_in : rows_out;
    // Tiles of an image; at least kernel rows each, so that what two tiles both read stays little.
    int64_t bands = 1, group = 1;
    if (to_rows) {
      const int64_t by_size = std::max(Ceil(bytes, kTileBytes), images == 1 ? int64_t{2} : int64_t{1});
      bands = std::max<int64_t>(1, std::min({by_size, int64_t(work / kTileWork), rows / (4 * kernel)}));
    }
    if (bands == 1) group = std::clamp<int64_t>(int64_t(kTileWork / work), 1, images);
    if (p_.kind == Kind::kWeightGradient) {
      // Each tile has a partial sum: fewer and larger tiles.
      const int64_t most = std::max<int64_t>(2, kPartialBytes / (sizeof(float) * p_.w[0] * p_.w[1] * p_.w[2] * p_.w[3]));
      const int64_t wanted = std::clamp<int64_t>(int64_t(p_.Work() / (4 * kTileWork)), 1, std::min<int64_t>(8, most));
      if (images >= wanted || bands == 1) {
        bands = 1, group = std::max(group, Ceil(images, wanted));
      } else {
        bands = std::min(bands, Ceil(wanted, images));
      }
    }
    for (int64_t image = 0; image < images; image += group) {
      for (int64_t band = 0; band < bands; ++band) {
        const int64_t begin = rows * band / bands, end = rows * (band + 1) / bands;
        Tile tile = {image, std::min(group, images - image), 0, rows_in, 0, rows_out, p_.pad_h, p_.PadAfter(2)};
        if (bands > 1 && p_.kind == Kind::kInputGradient) {
          tile.x_row = begin, tile.x_rows = end - begin;
          tile.y_row = std::max<int64_t>(0, begin + p_.pad_h - kernel + 1);
          tile.y_rows = std::min(rows_out, end + p_.pad_h) - tile.y_row;
          tile.pad_top = begin + p_.pad_h - tile.y_row;
          tile.pad_bottom = tile.y_rows - 1 + kernel - tile.x_rows - tile.pad_top;
        } else if (bands > 1) {
          const int64_t top = begin * p_.stride_h - p_.pad_h, bottom = (end - 1) * p_.stride_h - p_.pad_h + kernel;
          tile.y_row = begin, tile.y_rows = end - begin;
          tile.x_row = std::max<int64_t>(0, top);
          tile.x_rows = std::min(rows_in, bottom) - tile.x_row;
          tile.pad_top = tile.x_row - top, tile.pad_bottom = bottom - tile.x_row - tile.x_rows;
        }
        tiles_.push_back(tile);
      }
    }
  }

  static int64_t Ceil(int64_t a, int64_t b) { return (a + b - 1) / b; }
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
  std::vector<Tile> tiles_;
  std::map<std::vector<int64_t>, std::unique_ptr<Kernel>> kernels_;
  std::vector<const Kernel *> kernel_of_;
  memory::desc weights_;
  WeightReorder reorder_;
};

// Returns the plan of a problem; of many, the least recently used are forgotten.
std::shared_ptr<const Plan> PlanOf(const Problem &problem) {
  struct Entry {
    std::shared_ptr<const Plan> plan;
    int64_t used;
  };
  static auto *mutex = new std::mutex;
  static auto *plans = new std::map<std::vector<int64_t>, Entry>;
  static int64_t clock = 0;
  const auto key = problem.Key();
  {
    std::lock_guard<std::mutex> lock(*mutex);
    const auto found = plans->find(key);
    if (found != plans->end()) {
      found->second.used = ++clock;
      return found->second.plan;
    }
  }
  auto plan = std::make_shared<const Plan>(problem);  // takes milliseconds; two threads may both do it
  std::lock_guard<std::mutex> lock(*mutex);
  if (plans->size() >= kMostPlans) {
    plans->erase(std::min_element(plans->begin(), plans->end(),
                                  [](const auto &a, const auto &b) { return a.second.used < b.second.used; }));
  }
  (*plans)[key] = {plan, ++clock};
  return plan;
}

Dims Shape(int ndim, const int64_t *shape) { return Dims(shape, shape + ndim); }

// `geometry`: stride of rows and columns, rows above and columns at the left, groups, ReLU.
Problem Describe(Kind kind, const void *geometry, Dims x, Dims w, Dims y, bool bias) {
  const auto *g = static_cast<const int64_t *>(geometry);
  return {kind, std::move(x), std::move(w), std::move(y), g[0], g[1], g[2], g[3], g[4], bias, g[5] != 0};
}

template <typename Work>
int Guarded(const Work &work) {
  try {
    work();
    return 0;
  } catch (const std::exception &error) {
    std::fprintf(stderr, "native convolution: %s\n", error.what());
    return 1;
  }
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT void SlimSetThreads(int threads) { Pool::Get().SetThreads(threads); }

// The operators. Their signature is MindSpore's: inputs, then outputs; they return 0 if all is well.

EXPORT int SlimConv(int count, void **data, int *ndims, int64_t **shapes, const char **, void *, void *) {
  return Guarded([&] {  // x, w, [bias], geometry; y
    const bool bias = count == 5;
    const int last = count - 1;
    const auto problem = Describe(Kind::kForward, data[last - 1], Shape(ndims[0], shapes[0]),
                                  Shape(ndims[1], shapes[1]), Shape(ndims[last], shapes[last]), bias);
    auto **bytes = reinterpret_cast<char **>(data);
    PlanOf(problem)->Convolve(bytes[0], bytes[last], bytes[1], bias ? bytes[2] : nullptr);
  });
}

EXPORT int SlimConvInputGradient(int, void **data, int *ndims, int64_t **shapes, const char **, void *, void *) {
  return Guarded([&] {  // dy, w, geometry; dx
    const auto problem = Describe(Kind::kInputGradient, data[2], Shape(ndims[3], shapes[3]),
                                  Shape(ndims[1], shapes[1]), Shape(ndims[0], shapes[0]), false);
    auto **bytes = reinterpret_cast<char **>(data);
    PlanOf(problem)->Convolve(bytes[0], bytes[3], bytes[1], nullptr);
  });
}

EXPORT int SlimConvWeightGradient(int count, void **data, int *ndims, int64_t **shapes, const char **, void *, void *) {
  return Guarded([&] {  // x, dy, geometry; dw, [dbias]
    const auto problem = Describe(Kind::kWeightGradient, data[2], Shape(ndims[0], shapes[0]),
                                  Shape(ndims[3], shapes[3]), Shape(ndims[1], shapes[1]), count == 5);
    auto **bytes = reinterpret_cast<char **>(data);
    PlanOf(problem)->WeightGradient(bytes[0], bytes[1], bytes[3], count == 5 ? bytes[4] : nullptr);
  });
}
