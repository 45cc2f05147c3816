// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"

#include <algorithm>
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

// Results are large, so of these few wait.
constexpr size_t kDecodedWaiting = 2, kResultsWaiting = 1;

unsigned Encoders() { return std::clamp(std::thread::hardware_concurrency() / 2, 1U, 4U); }

class Pipeline {
 public:
  Pipeline(Upscaler *upscaler, const std::string &format, const std::atomic<bool> *stop)
      : upscaler_(upscaler), format_(format), stop_(stop) {}

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
    std::vector<std::thread> encoders;
    try {
      encoders.reserve(Encoders());
      for (unsigned i = 0; i < Encoders(); ++i) {
        encoders.emplace_back([this] {
          while (std::optional<Item> item = results_.Pop()) {
            Attempt(*item, [&] { Encode(*item); });
          }
        });
      }
    } catch (const std::exception &) {
      // Memory for no more threads: those that there are do, or none.
    }
    while (std::optional<Item> item = decoded_.Pop()) {
      Attempt(*item, [&] {
        Enlarge(&*item);
        if (encoders.empty()) {
          Encode(*item);
        } else {
          results_.Push(std::move(*item));
        }
      });
    }
    results_.Close();
    decoder.join();
    for (std::thread &encoder : encoders) {
      encoder.join();
    }
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

  void Enlarge(Item *item) {
    TileTimes times;
    item->picture = upscaler_->Run(item->picture, &times);
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

  Upscaler *upscaler_;
  const std::string format_;
  const std::atomic<bool> *stop_;
  Queue decoded_{kDecodedWaiting}, results_{kResultsWaiting};
};

}  // namespace

std::vector<PictureReport> RunPipeline(const std::vector<Job> &jobs, Upscaler *upscaler,
                                       const std::string &format, const std::atomic<bool> *stop) {
  std::vector<PictureReport> reports(jobs.size());
  for (size_t i = 0; i < jobs.size(); ++i) {
    reports[i].name = jobs[i].name;
  }
  Pipeline(upscaler, format, stop).Run(jobs, &reports);
  return reports;
}

}  // namespace slimsr
