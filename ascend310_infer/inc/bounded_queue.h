// SPDX-License-Identifier: Apache-2.0
// What joins two stages of the pipeline: a full queue holds up the faster one, so memory is
// bounded.
#ifndef SLIMSR_BOUNDED_QUEUE_H_
#define SLIMSR_BOUNDED_QUEUE_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace slimsr {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t capacity) : capacity_(capacity) {}

  // Waits while the queue is full.
  void Push(T item) {
    std::unique_lock<std::mutex> lock(mutex_);
    has_room_.wait(lock, [this] { return items_.size() < capacity_; });
    items_.push_back(std::move(item));
    has_item_.notify_one();
  }

  // Waits for an item; nothing once the queue is closed and empty.
  std::optional<T> Pop() {
    std::unique_lock<std::mutex> lock(mutex_);
    has_item_.wait(lock, [this] { return !items_.empty() || closed_; });
    if (items_.empty()) {
      return std::nullopt;
    }
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    has_room_.notify_one();
    return item;
  }

  // Called by the producer after its last Push.
  void Close() {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    has_item_.notify_all();
  }

 private:
  const size_t capacity_;
  std::mutex mutex_;
  std::condition_variable has_room_, has_item_;
  std::deque<T> items_;
  bool closed_ = false;
};

}  // namespace slimsr

#endif  // SLIMSR_BOUNDED_QUEUE_H_
