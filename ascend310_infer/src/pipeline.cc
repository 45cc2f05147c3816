// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"

#include <algorithm>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "bounded_queue.h"
#include "error.h"
#include "messages.h"
#include "picture.h"
#include "stopwatch.h"

namespace slimsr {

namespace {

struct Item {
  const Job *job;
  PictureReport *report;
  cv::Mat picture;
};

using Queue = BoundedQueue<Item>;

// For each network. Results are large, so of these few wait.
constexpr size_t kDecodedWaiting = 2, kResultsWaiting = 1;

size_t Encoders() { return std::clamp(std::thread::hardware_concurrency() / 2, 1U, 4U); }

// Starts threads, as many of `count` as there is memory for.
std::vector<std::thread> Start(size_t count, const std::function<void(size_t)> &work) {
  std::vector<std::thread> threads;
  try {
    threads.reserve(count);
    for (size_t i = 0; i < count; ++i) {
      threads.emplace_back(work, i);
    }
  } catch (const std::exception &) {
    // Those that there are do, or none.
  }
  return threads;
}

void Join(std::vector<std::thread> *threads) {
  for (std::thread &thread : *threads) {
    thread.join();
  }
}

class Pipeline {
 public:
  Pipeline(const std::vector<Upscaler *> &upscalers, const std::string &format,
           const std::atomic<bool> *stop)
      : upscalers_(upscalers),
        format_(format),
        stop_(stop),
        decoded_(kDecodedWaiting * upscalers.size()),
        results_(kResultsWaiting * upscalers.size()) {}

  void Run(const std::vector<Job> &jobs, std::vector<PictureReport> *reports) {
    std::thread decoder([&] {
      for (size_t i = 0; i < jobs.size(); ++i) {
        Item item{&jobs[i], &(*reports)[i], {}};
        Attempt(item, [&] {
          Decode(&item);
          decoded_.Push(item);
        });
      }
      decoded_.Close();
    });
    std::vector<std::thread> encoders = Start(Encoders(), [this](size_t) {
      while (std::optional<Item> item = results_.Pop()) {
        Attempt(*item, [&] { Encode(*item); });
      }
    });
    const bool encodes = encoders.empty();
    std::vector<std::thread> others = Start(upscalers_.size() - 1, [this, encodes](size_t i) {
      EnlargeAll(upscalers_[i + 1], encodes);
    });
    EnlargeAll(upscalers_.front(), encodes);
    Join(&others);
    EnlargeLeft(encodes);
    results_.Close();
    decoder.join();
    Join(&encoders);
  }

 private:
  void Decode(Item *item) {
    const Stopwatch watch;
    std::string warning;
    item->picture = DecodePicture(ReadFile(item->job->input), &warning);
    if (!warning.empty()) {
      Say("warning: " + item->job->name + ": " + warning);
    }
    item->report->height = item->picture.rows;
    item->report->width = item->picture.cols;
    item->report->pre_ms = watch.Milliseconds();
  }

  // What is decoded, until there is no more or the device fails while another one works.
  void EnlargeAll(Upscaler *upscaler, bool encodes) {
    std::optional<Item> item;
    while (!Retired(upscaler) && (item = decoded_.Pop())) {
      Attempt(*item, [&] {
        try {
          Finish(upscaler, *item, encodes);
        } catch (const DeviceError &error) {
          if (!Retire(upscaler, *item)) {
            throw;
          }
          Say("warning: " + item->job->name + ": " + error.what() +
              "; the other devices go on without this one");
        }
      });
    }
  }

  // Encodes, too, where no other thread does.
  void Finish(Upscaler *upscaler, Item item, bool encodes) {
    Enlarge(upscaler, &item);
    if (encodes) {
      Encode(item);
    } else {
      results_.Push(std::move(item));
    }
  }

  bool Retired(Upscaler *upscaler) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return retired_.count(upscaler) > 0;
  }

  // Keeps the picture for a device that works. False for the last of them.
  bool Retire(Upscaler *upscaler, const Item &item) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (retired_.size() + 1 == upscalers_.size()) {
      return false;
    }
    retired_.insert(upscaler);
    left_.push_back(item);
    return true;
  }

  // What devices that failed have left, when all other threads are done; and what is still to come
  // where the one that works had no thread.
  void EnlargeLeft(bool encodes) {
    Upscaler *const working =
        *std::find_if(upscalers_.begin(), upscalers_.end(),
                      [&](Upscaler *one) { return retired_.count(one) == 0; });
    EnlargeAll(working, encodes);
    for (const Item &item : left_) {
      Attempt(item, [&] { Finish(working, item, encodes); });
    }
  }

  static void Enlarge(Upscaler *upscaler, Item *item) {
    TileTimes times;
    item->picture = upscaler->Run(item->picture, &times);
    item->report->tiles = times.tiles;
    item->report->pre_ms += times.cut_ms;
    item->report->infer_ms = times.infer_ms;
    item->report->post_ms = times.join_ms;
  }

  void Encode(const Item &item) {
    const Stopwatch watch;
    const std::vector<unsigned char> bytes = EncodePicture(item.picture, format_);
    MakeFolder(item.job->output.parent_path());
    PendingFile file(item.job->output);
    file.Write({reinterpret_cast<const char *>(bytes.data()), bytes.size()});
    file.Finish();
    item.report->post_ms += watch.Milliseconds();
    item.report->outcome = Outcome::kDone;
  }

  // Works on the picture unless the run is to stop; if that fails, says so and writes it into the
  // report. Lets no exception out, which would end the thread and with it the program.
  template <class Work>
  void Attempt(const Item &item, const Work &work) {
    if (*stop_) {
      return;
    }
    try {
      work();
    } catch (const Interrupted &) {
    } catch (const InputError &error) {
      Fail(item, Outcome::kWrongInput, error);
    } catch (const std::exception &error) {
      Fail(item, IsOutOfMemory(error) ? Outcome::kWrongInput : Outcome::kFailed, error);
    } catch (...) {
      Fail(item, Outcome::kFailed, EngineError("unknown exception"));
    }
  }

  static void Fail(const Item &item, Outcome outcome, const std::exception &error) {
    item.report->outcome = outcome;
    try {
      item.report->error = Escaped(error.what());
      if (dynamic_cast<const InputError *>(&error) == nullptr) {
        item.report->error = Message(error);
      }
      Say("error: " + item.job->name + ": " + item.report->error);
    } catch (const std::exception &) {  // no memory even for that
    }
  }

  const std::vector<Upscaler *> upscalers_;
  const std::string format_;
  const std::atomic<bool> *stop_;
  Queue decoded_, results_;
  std::mutex mutex_;  // of what follows
  std::set<Upscaler *> retired_;
  std::vector<Item> left_;
};

}  // namespace

std::vector<PictureReport> RunPipeline(const std::vector<Job> &jobs,
                                       const std::vector<Upscaler *> &upscalers,
                                       const std::string &format, const std::atomic<bool> *stop) {
  std::vector<PictureReport> reports(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    reports[i].name = jobs[i].name;
  }
  Pipeline(upscalers, format, stop).Run(jobs, &reports);
  return reports;
}

}  // namespace slimsr
