// SPDX-License-Identifier: Apache-2.0
// oneDNN on one thread, and changes between its layouts and plain ones.

#ifndef SLIMSR_NATIVE_ONEDNN_H_
#define SLIMSR_NATIVE_ONEDNN_H_

#include <omp.h>

#include <algorithm>
#include <vector>

#include "oneapi/dnnl/dnnl.hpp"
#include "pool.h"
#include "problem.h"
#include "workspace.h"

namespace slimsr {

using dnnl::memory;
using Tag = memory::format_tag;

constexpr auto kFloat = memory::data_type::f32;

inline const dnnl::engine &Engine() {
  static const auto *engine = new dnnl::engine(dnnl::engine::kind::cpu, 0);
  return *engine;
}

inline const dnnl::stream &Stream() {
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

inline dnnl::primitive_attr OwnScratch() {
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
  WeightReorder(const memory::desc &plain, const memory::desc &inner, bool to_plain)
      : to_plain_(to_plain) {
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

inline memory::desc WeightDesc(const Problem &p, Tag tag, Tag grouped_tag) {
  if (p.groups == 1) return memory::desc(p.w, kFloat, tag);
  Dims dims = p.w;
  dims[0] /= p.groups;
  dims.insert(dims.begin(), p.groups);
  return memory::desc(dims, kFloat, grouped_tag);
}

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_ONEDNN_H_
