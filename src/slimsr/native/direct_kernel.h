// SPDX-License-Identifier: Apache-2.0
// oneDNN's direct convolution of one tile.

#ifndef SLIMSR_NATIVE_DIRECT_KERNEL_H_
#define SLIMSR_NATIVE_DIRECT_KERNEL_H_

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include "onednn.h"
#include "tiles.h"

namespace slimsr {

// oneDNN's primitives for tiles of one size.
class Kernel {
 public:
  // `weights`: the layout to use; `any` leaves the choice to oneDNN.
  Kernel(const Problem &p, const Tile &tile, const memory::desc &weights) {
    const Dims x = {tile.images, p.x[1], tile.x_rows, p.x[3]},
               y = {tile.images, p.y[1], tile.y_rows, p.y[3]};
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
    dnnl::convolution_forward::primitive_desc forward(Engine(), propagation, direct, any_x, weights,
                                                      bias_, any_y, strides, before, after,
                                                      attributes);
    if (p.sizes_vary) {
      // oneDNN 3.2 never frees these kernels: 50 to 130 kB for each new size.
      while (std::strstr(forward.impl_info_str(), "brg") != nullptr && forward.next_impl()) {
      }
    }
    if (p.kind == Kind::kForward) {
      Keep<dnnl::convolution_forward>(forward, forward.weights_desc());
      first_ = {DNNL_ARG_SRC, forward.src_desc(), Reorder(plain_x, forward.src_desc())};
      last_ = {DNNL_ARG_DST, forward.dst_desc(), Reorder(forward.dst_desc(), plain_y)};
      weights_argument_ = DNNL_ARG_WEIGHTS, bias_argument_ = DNNL_ARG_BIAS;
    } else if (p.kind == Kind::kInputGradient) {
      const dnnl::convolution_backward_data::primitive_desc gradient(
          Engine(), direct, any_x, weights, any_y, strides, before, after, forward, attributes);
      Keep<dnnl::convolution_backward_data>(gradient, gradient.weights_desc());
      first_ = {DNNL_ARG_DIFF_DST, gradient.diff_dst_desc(),
                Reorder(plain_y, gradient.diff_dst_desc())};
      last_ = {DNNL_ARG_DIFF_SRC, gradient.diff_src_desc(),
               Reorder(gradient.diff_src_desc(), plain_x)};
      weights_argument_ = DNNL_ARG_WEIGHTS;
    } else {
      const dnnl::convolution_backward_weights::primitive_desc gradient(
          Engine(), direct, any_x, weights, bias_, any_y, strides, before, after, forward,
          attributes);
      Keep<dnnl::convolution_backward_weights>(gradient, gradient.diff_weights_desc());
      first_ = {DNNL_ARG_SRC, gradient.src_desc(), Reorder(plain_x, gradient.src_desc())};
      last_ = {DNNL_ARG_DIFF_DST, gradient.diff_dst_desc(),
               Reorder(plain_y, gradient.diff_dst_desc())};
      weights_argument_ = DNNL_ARG_DIFF_WEIGHTS, bias_argument_ = DNNL_ARG_DIFF_BIAS;
      last_is_input_ = true;
    }
    scratch_bytes_ = std::max(
        {scratch_.get_size(), first_.reorder.scratch_bytes(), last_.reorder.scratch_bytes()});
  }

  const memory::desc &weights() const { return weights_; }

  // `first`, `last`: the tile's parts of x and y (forward), dy and dx, or x and dy, in plain
  // layout; `weights`, `bias`: all of them, the weights in the kernel's layout.
  void Run(char *first, char *last, void *weights, void *bias) const {
    const size_t first_bytes = first_.Bytes(), last_bytes = last_.Bytes();
    Workspace space(Workspace::Rounded(first_bytes) + Workspace::Rounded(last_bytes) +
                    scratch_bytes_);
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

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_DIRECT_KERNEL_H_
