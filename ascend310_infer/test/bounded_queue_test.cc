// SPDX-License-Identifier: Apache-2.0
#include "bounded_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace slimsr {
namespace {

TEST(BoundedQueue, KeepsTheOrderAndEndsAfterTheLast) {
  BoundedQueue<int> queue(3);
  queue.Push(1);
  queue.Push(2);
  queue.Close();
  EXPECT_EQ(queue.Pop(), 1);
  EXPECT_EQ(queue.Pop(), 2);
  EXPECT_EQ(queue.Pop(), std::nullopt);
  EXPECT_EQ(queue.Pop(), std::nullopt);
}

TEST(BoundedQueue, HoldsUpAFastProducer) {
  constexpr int kItems = 2000, kCapacity = 2;
  BoundedQueue<std::unique_ptr<int>> queue(kCapacity);
  std::atomic<int> pushed{0};
  std::thread producer([&] {
    for (int i = 0; i < kItems; ++i) {
      queue.Push(std::make_unique<int>(i));
      ++pushed;
    }
    queue.Close();
  });
  int popped = 0;
  while (auto item = queue.Pop()) {
    EXPECT_EQ(**item, popped);
    ++popped;
    EXPECT_LE(pushed, popped + kCapacity);
  }
  producer.join();
  EXPECT_EQ(popped, kItems);
}

TEST(BoundedQueue, ServesSeveralConsumers) {
  BoundedQueue<int> queue(1);
  std::atomic<int> sum{0};
  std::vector<std::thread> consumers;
  for (int i = 0; i < 3; ++i) {
    consumers.emplace_back([&] {
      while (const auto item = queue.Pop()) {
        sum += *item;
      }
    });
  }
  for (int i = 1; i <= 100; ++i) {
    queue.Push(i);
  }
  queue.Close();
  for (std::thread &consumer : consumers) {
    consumer.join();
  }
  EXPECT_EQ(sum, 5050);
}

}  // namespace
}  // namespace slimsr
