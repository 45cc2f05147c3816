// SPDX-License-Identifier: Apache-2.0
// Memory for the time of a call.

#ifndef SLIMSR_NATIVE_WORKSPACE_H_
#define SLIMSR_NATIVE_WORKSPACE_H_

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace slimsr {

constexpr size_t kKeptBytes = size_t{64} << 20;  // a larger buffer is freed after the call

// Memory that is kept from call to call, so that its pages need not be asked of the system again.
class Buffer {
 public:
  // The smallest kept one that has room for so many bytes, else the largest, to be enlarged.
  static std::unique_ptr<Buffer> Take(size_t bytes) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (Kept().empty()) return std::make_unique<Buffer>();
    const auto best =
        std::min_element(Kept().begin(), Kept().end(), [bytes](const auto &a, const auto &b) {
          const bool fits = a->size_ >= bytes, other_fits = b->size_ >= bytes;
          if (fits != other_fits) return fits;
          return fits ? a->size_ < b->size_ : a->size_ > b->size_;
        });
    auto buffer = std::move(*best);
    Kept().erase(best);
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
  inline static std::mutex mutex_;
  char *data_ = nullptr;
  size_t size_ = 0;
};

// A buffer that is returned at the end of a block, and handed out from front to back.
class Workspace {
 public:
  explicit Workspace(size_t bytes) : buffer_(Buffer::Take(bytes)), next_(buffer_->Reserve(bytes)) {}
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

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_WORKSPACE_H_
