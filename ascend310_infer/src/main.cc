// SPDX-License-Identifier: Apache-2.0
// Enlarges pictures by an exported network on an Ascend device or a CPU.
#include <csignal>
#include <cstdio>
#include <opencv2/core/utils/logger.hpp>
#include <set>

#include "acl_library.h"
#include "args.h"
#include "budget.h"
#include "engine.h"
#include "error.h"
#include "files.h"
#include "leftovers.h"
#include "manifest.h"
#include "messages.h"
#include "model_choice.h"
#include "output_folder.h"
#include "pipeline.h"
#include "profile.h"
#include "report.h"
#include "stopwatch.h"

namespace slimsr {

namespace {

namespace fs = std::filesystem;

std::atomic<bool> stop{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler sets it");

void Stop(int) { stop = true; }

// A second signal ends the program at once.
void StopOnSignals() {
  struct sigaction action{};
  action.sa_handler = Stop;
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);  // whoever reads our lines may go, the pictures are done nevertheless
}

// A model that is loaded and does what its manifest says.
struct Session {
  const ModelEntry *model;
  Tiling tiling;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<Upscaler> upscaler;
};

Session OpenSession(const Manifest &manifest, const ModelEntry &model, Runtime runtime,
                    const Options &options, const EngineOptions &engine_options) {
  Session session;
  session.model = &model;
  session.tiling = ChooseTiling(options, manifest, model, runtime);
  session.engine =
      OpenEngine(runtime, {(manifest.folder / model.file).string(), ReadModelFile(manifest, model)},
                 session.tiling.tile, engine_options);
  session.upscaler =
      std::make_unique<Upscaler>(session.engine.get(), session.tiling, manifest.scale, &stop);
  if ((session.engine->Takes() == Pixels::kBytes) != model.takes_bytes) {
    throw InputError(model.file + " takes " + (model.takes_bytes ? "floats" : "bytes") +
                     ", expected " + (model.takes_bytes ? "bytes" : "floats") +
                     " as its manifest " + "says; register it " +
                     (model.takes_bytes ? "without" : "with") + " --input uint8");
  }
  session.upscaler->CheckScale();
  return session;
}

Session OpenSessionByBudget(const Manifest &manifest, const std::vector<const ModelEntry *> &models,
                            Runtime runtime, const Options &options,
                            const EngineOptions &engine_options, const std::vector<Job> &jobs) {
  const cv::Size largest = LargestPicture(jobs);
  std::printf("network time for the largest picture, %dx%d:\n", largest.width, largest.height);
  std::vector<double> widths;
  for (const ModelEntry *model : models) {
    widths.push_back(model->width);
  }
  Session session;
  ChooseByBudget(widths, *options.budget_ms, [&](size_t i) {
    session = Session();  // one model in memory at a time
    session = OpenSession(manifest, *models[i], runtime, options, engine_options);
    return session.upscaler->Measure(session.upscaler->Plan(largest));
  });
  return session;
}

// The same model on the devices beyond the first.
std::vector<Session> OpenOthers(const Session &first, const Manifest &manifest, Runtime runtime,
                                const Options &options, EngineOptions engine_options) {
  std::vector<Session> others;
  for (size_t i = 1; i < options.device_ids.size(); ++i) {
    engine_options.device_id = options.device_ids[i];
    others.push_back(OpenSession(manifest, *first.model, runtime, options, engine_options));
  }
  return others;
}

std::string DeviceText(bool ascend, const std::vector<int> &ids) {
  std::string text = ascend ? "Ascend" : "CPU";
  for (const int id : ids) {
    text += ascend ? (id == ids.front() ? " " : ", ") + std::to_string(id) : "";
  }
  return text;
}

void TidyFolders(const std::vector<Job> &jobs, const fs::path &report) {
  std::set<fs::path> folders = {report.parent_path()};
  for (const Job &job : jobs) {
    folders.insert(job.output.parent_path());
  }
  for (const fs::path &folder : folders) {
    RemoveLeftovers(folder.empty() ? "." : folder);
  }
}

int ExitCode(const RunReport &report) {
  if (report.Count(Outcome::kFailed) > 0) {
    return 1;
  }
  return report.Count(Outcome::kWrongInput) > 0 ? 2 : 0;
}

int Main(const std::vector<std::string> &arguments) {
  const Options options = ParseArgs(arguments);
  if (options.help) {
    std::fputs(HelpText().c_str(), stdout);
    return FlushOutput() ? 0 : 1;
  }
  const Manifest manifest = ReadManifest(options.model);
  std::vector<Runtime> built;
  // Where there is no CANN a bundle that also has ONNX files runs by these.
  const bool cann = AclLibrary::IsThere();
  for (const Runtime runtime : {Runtime::kLite, cann ? Runtime::kAcl : Runtime::kOpenVino,
                                cann ? Runtime::kOpenVino : Runtime::kAcl}) {
    if (IsBuilt(runtime)) {
      built.push_back(runtime);
    }
  }
  const Runtime runtime = ChooseRuntime(options, manifest, built);
  const EngineOptions engine_options = ChooseEngineOptions(options, runtime);
  const std::vector<const ModelEntry *> models = ChooseModels(options, manifest, runtime);
  const std::vector<Job> jobs = ListJobs(options.input, options.output, options.format);
  const fs::path report_path =
      options.report.empty() ? fs::path(options.output) / "report.json" : fs::path(options.report);

  const ProcessWideRuntimes at_the_end;
  const Session session =
      options.budget_ms
          ? OpenSessionByBudget(manifest, models, runtime, options, engine_options, jobs)
          : OpenSession(manifest, *models.front(), runtime, options, engine_options);
  const std::vector<Session> others =
      OpenOthers(session, manifest, runtime, options, engine_options);
  std::vector<Upscaler *> upscalers = {session.upscaler.get()};
  for (const Session &other : others) {
    upscalers.push_back(other.upscaler.get());
  }
  const OutputFolder output(options.output);
  TidyFolders(jobs, report_path);
  PendingFile report_file(report_path);  // now, to know before the work that it can be written
  std::optional<PendingFile> layers_file;
  if (!options.profile.empty() && runtime == Runtime::kOpenVino) {
    MakeFolder(options.profile);
    layers_file.emplace(fs::path(options.profile) / "layers.json");
    session.engine->ForgetLayers();  // of what was tried and measured
  }
  RunReport report;
  report.engine = NameOf(runtime);
  report.device = DeviceText(engine_options.ascend, options.device_ids);
  report.model = session.model->file;
  report.sha256 = session.model->sha256;
  report.model_width = session.model->width;
  report.scale = manifest.scale;
  report.tiling = session.tiling;
  report.precision = session.engine->Precision();
  output.WriteRecord(RecordJson(report));
  const Stopwatch watch;
  report.pictures = RunPipeline(jobs, upscalers, options.format, &stop);
  report.seconds = watch.Milliseconds() / 1000;
  for (size_t i = 0; i < jobs.size(); ++i) {
    report.pictures[i].result = jobs[i].output.lexically_relative(options.output).string();
  }
  if (layers_file) {
    layers_file->Write(LayersJson(session.engine->Layers()));
    layers_file->Finish();
  }
  report_file.Write(ReportJson(report));
  report_file.Finish();
  if (report.Count(Outcome::kNotReached) > 0) {
    throw Interrupted();
  }
  std::printf("%s; report: %s\n", SummaryLine(report).c_str(),
              Escaped(report_path.string()).c_str());
  return FlushOutput() ? ExitCode(report) : 1;  // without a word, as after `| head`
}

}  // namespace

}  // namespace slimsr

int main(int argc, char **argv) {
  using slimsr::Say;
  slimsr::OpenClosedStreams();
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  slimsr::StopOnSignals();
  try {
    return slimsr::Main({argv + 1, argv + argc});
  } catch (const slimsr::InputError &error) {
    Say(std::string("error: ") + error.what());
    return 2;
  } catch (const slimsr::Interrupted &) {
    Say("error: interrupted, expected to run to the end; run again");
  } catch (const std::exception &error) {
    Say("error: " + slimsr::Message(error));
    return slimsr::IsOutOfMemory(error) ? 2 : 1;
  } catch (...) {
    Say("error: unknown exception");
  }
  return 1;
}
