// SPDX-License-Identifier: Apache-2.0
// Threads that help a caller through a list of pieces of work.
//
// Nobody waits for a thread that has not started: the caller works through the pieces itself, and a
// helper that the system wakes late finds less to do, or nothing. So a busy machine, MindSpore's
// own threads or a fork (whose child has no helpers) cost time, never a stall. A helper that has
// nothing to do looks out for the next job for a moment, and lets others have the core meanwhile;
// then it sleeps.

#ifndef SLIMSR_NATIVE_POOL_H_
#define SLIMSR_NATIVE_POOL_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

namespace slimsr {

class Pool {
 public:
  using Work = std::function<void(int)>;
  static constexpr auto kLinger = std::chrono::milliseconds(2);

  static Pool &Get() {
    static auto *pool = new Pool;  // never destroyed: its threads run until the process ends
    return *pool;
  }

  // `threads`: how many may work at once, callers included.
  void SetThreads(int threads) {
    std::lock_guard<std::mutex> lock(mutex_);
    threads_ = std::max(1, threads);
  }

  // Calls work(0), ..., work(count - 1), each once, in any order and on any thread.
  void Run(int count, const Work &work) {
    Job job{count, work};
    bool queued = false;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      ++working_;
      if (count > 1 && working_ < threads_) {
        while (helpers_ < threads_ - 1) {
          std::thread(&Pool::Help, this).detach();
          ++helpers_;
        }
        jobs_.push_back(&job);
        ++waiting_;
        queued = true;
      }
    }
    if (queued && sleeping_ > 0) {
      for (int i = 1; i < std::min(count, threads_.load()); ++i) wake_.notify_one();
    }
    while (job.Step()) {
    }
    std::unique_lock<std::mutex> lock(mutex_);
    if (queued) Forget(&job);
    --working_;
    left_.wait(lock, [&job] { return job.helpers == 0; });
    lock.unlock();
    if (job.error) std::rethrow_exception(job.error);
  }

 private:
  struct Job {
    Job(int count, const Work &work) : count(count), work(work) {}

    // Does one piece; false if none is left.
    bool Step() {
      const int piece = next.fetch_add(1);
      if (piece >= count) return false;
      try {
        work(piece);
      } catch (...) {
        std::lock_guard<std::mutex> lock(error_mutex);
        if (!error) error = std::current_exception();
      }
      return true;
    }

    const int count;
    const Work &work;
    std::atomic<int> next{0};
    int helpers = 0;  // guarded by the pool's mutex
    std::mutex error_mutex;
    std::exception_ptr error;
  };

  // Takes a job off the list, if it is still there; the mutex is held.
  void Forget(Job *job) {
    const auto found = std::find(jobs_.begin(), jobs_.end(), job);
    if (found == jobs_.end()) return;
    jobs_.erase(found);
    --waiting_;
  }

  // Jobs follow each other closely, and to wake a thread takes longer than many a piece of work.
  void Linger() const {
    const auto end = std::chrono::steady_clock::now() + kLinger;
    while (waiting_ == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  }

  void Help() {
    while (true) {
      Linger();
      std::unique_lock<std::mutex> lock(mutex_);
      ++sleeping_;
      wake_.wait(lock, [this] { return !jobs_.empty() && working_ < threads_; });
      --sleeping_;
      Job *job = jobs_.front();
      jobs_.splice(jobs_.end(), jobs_, jobs_.begin());  // the next helper goes to another caller
      ++job->helpers;
      ++working_;
      lock.unlock();
      // With a caller on every core there is nothing to help with.
      while (working_ <= threads_ && job->Step()) {
      }
      const bool exhausted = job->next >= job->count;
      lock.lock();
      --working_;
      if (exhausted) Forget(job);
      if (--job->helpers == 0) left_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_, left_;
  std::list<Job *> jobs_;
  int helpers_ = 0;
  std::atomic<int> threads_{1}, working_{0}, waiting_{0}, sleeping_{0};
};

}  // namespace slimsr

#endif  // SLIMSR_NATIVE_POOL_H_
