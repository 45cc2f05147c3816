// SPDX-License-Identifier: Apache-2.0
#include "pipeline.h"

#include <new>
#include <opencv2/imgcodecs.hpp>

#include "fake_engine.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

class PipelineTest : public FolderTest {
 protected:
  PipelineTest() { std::filesystem::create_directory(folder_ / "in"); }

  void PutPictures(int count) const {
    for (int i = 0; i < count; ++i) {
      const cv::Mat picture(10 + i, 12, CV_8UC3, cv::Scalar(i, 20, 30));
      cv::imwrite((folder_ / "in" / (std::to_string(i) + ".png")).string(), picture);
    }
  }

  // Sets errors_ to what is said on standard error.
  std::vector<PictureReport> Run() {
    const std::vector<Job> jobs = ListJobs(folder_ / "in", folder_ / "out", "png");
    Upscaler upscaler(&engine_, {{1, 16, 16}, false, false, 0, false}, kScale, &stop_);
    testing::internal::CaptureStderr();
    std::vector<PictureReport> reports = RunPipeline(jobs, {&upscaler}, "png", &stop_);
    errors_ = testing::internal::GetCapturedStderr();
    return reports;
  }

  FakeEngine engine_{kScale, 0};
  std::atomic<bool> stop_{false};
  std::string errors_;
};

TEST_F(PipelineTest, WritesEveryPictureAndReportsIt) {
  PutPictures(9);
  const std::vector<PictureReport> reports = Run();
  ASSERT_EQ(reports.size(), 9U);
  for (int i = 0; i < 9; ++i) {
    const PictureReport &report = reports[i];
    EXPECT_EQ(report.outcome, Outcome::kDone) << report.error;
    EXPECT_EQ(report.height, 10 + i);
    EXPECT_EQ(report.width, 12);
    EXPECT_EQ(report.tiles, 10 + i > 16 ? 2 : 1);
    EXPECT_GT(report.pre_ms, 0);
    EXPECT_GT(report.infer_ms, 0);
    EXPECT_GT(report.post_ms, 0);
    const cv::Mat result = cv::imread((folder_ / "out" / report.name).string());
    ASSERT_EQ(result.size(), cv::Size(24, 2 * (10 + i)));
    EXPECT_EQ(result.at<cv::Vec3b>(4, 4), cv::Vec3b(i, 20, 30));
  }
  EXPECT_EQ(errors_, "");
}

TEST_F(PipelineTest, AnEngineErrorInTheMiddleCostsOnePicture) {
  PutPictures(6);
  engine_.fail_at = 3;
  const std::vector<PictureReport> reports = Run();
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(reports[i].outcome, i == 2 ? Outcome::kFailed : Outcome::kDone);
  }
  EXPECT_EQ(reports[2].error, "device lost");
  EXPECT_EQ(errors_, "error: 2.png: device lost\n");
  EXPECT_EQ(Files("out"), (std::set<std::string>{"0.png", "1.png", "3.png", "4.png", "5.png"}));
}

TEST_F(PipelineTest, SeveralNetworksShareThePictures) {
  PutPictures(12);
  FakeEngine other(kScale, 0);
  other.fail_at = 1;
  const Tiling tiling = {{1, 32, 32}, false, false, 0, false};
  Upscaler first(&engine_, tiling, kScale, &stop_), second(&other, tiling, kScale, &stop_);
  const std::vector<Job> jobs = ListJobs(folder_ / "in", folder_ / "out", "png");
  testing::internal::CaptureStderr();
  const std::vector<PictureReport> reports = RunPipeline(jobs, {&first, &second}, "png", &stop_);
  testing::internal::GetCapturedStderr();
  EXPECT_EQ(engine_.shapes.size() + other.shapes.size(), 12U);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_EQ(reports[i].name, jobs[i].name);
    if (reports[i].outcome == Outcome::kDone) {
      const cv::Mat result = cv::imread((folder_ / "out" / reports[i].name).string());
      EXPECT_EQ(result.at<cv::Vec3b>(4, 4)[0], std::stoi(reports[i].name));
    }
  }
  const auto failed =
      std::count_if(reports.begin(), reports.end(),
                    [](const PictureReport &report) { return report.outcome == Outcome::kFailed; });
  EXPECT_EQ(failed, other.shapes.empty() ? 0 : 1);
}

TEST_F(PipelineTest, ADeviceThatFailsLeavesItsPicturesToTheOthers) {
  PutPictures(12);
  FakeEngine other(kScale, 0);
  other.broken = true;
  const Tiling tiling = {{1, 32, 32}, false, false, 0, false};
  Upscaler first(&engine_, tiling, kScale, &stop_), second(&other, tiling, kScale, &stop_);
  const std::vector<Job> jobs = ListJobs(folder_ / "in", folder_ / "out", "png");
  for (const std::vector<Upscaler *> &both :
       {std::vector<Upscaler *>{&first, &second}, {&second, &first}}) {
    testing::internal::CaptureStderr();
    for (const PictureReport &report : RunPipeline(jobs, both, "png", &stop_)) {
      EXPECT_EQ(report.outcome, Outcome::kDone) << report.error;
    }
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_LE(std::count(said.begin(), said.end(), '\n'), 1) << said;  // it may have got none
  }
  testing::internal::CaptureStderr();
  for (const PictureReport &report : RunPipeline(jobs, {&second}, "png", &stop_)) {
    EXPECT_EQ(report.error, "no answer");  // there is no other
  }
  testing::internal::GetCapturedStderr();
}

TEST_F(PipelineTest, BadPicturesAndUnwritableResultsCostOnlyThemselves) {
  PutPictures(4);
  Put("in/1.png", "nonsense");
  Put("in/sub/a.png", "");
  std::filesystem::create_directories(folder_ / "out/2.png/in the way");
  const std::vector<PictureReport> reports = Run();
  const Outcome expected[] = {Outcome::kDone, Outcome::kWrongInput, Outcome::kWrongInput,
                              Outcome::kDone, Outcome::kWrongInput};
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(reports[i].outcome, expected[i]) << reports[i].error;
  }
  EXPECT_EQ(std::count(errors_.begin(), errors_.end(), '\n'), 3) << errors_;
  EXPECT_NE(errors_.find("error: 1.png: the file cannot be decoded"), std::string::npos) << errors_;
  EXPECT_NE(errors_.find("error: 2.png: cannot write"), std::string::npos) << errors_;
  EXPECT_NE(errors_.find("error: sub/a.png: the file is empty"), std::string::npos) << errors_;
  EXPECT_EQ(Files("out"), (std::set<std::string>{"0.png", "3.png"}));
}

TEST_F(PipelineTest, ValuesThatAreNotFiniteAreAWrongModel) {
  PutPictures(1);
  engine_.offset = INFINITY;
  const std::vector<PictureReport> reports = Run();
  EXPECT_EQ(reports[0].outcome, Outcome::kWrongInput);
  EXPECT_NE(reports[0].error.find("not finite"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out"));
}

// Has no memory for its second run.
class GreedyEngine : public FakeEngine {
 public:
  GreedyEngine() : FakeEngine(kScale, 0) {}

  TensorView Run(void *tiles, const TileShape &shape) override {
    if (shapes.size() == 1) {
      shapes.push_back(shape);
      throw std::bad_alloc();
    }
    return FakeEngine::Run(tiles, shape);
  }
};

TEST_F(PipelineTest, WantOfMemoryCostsOnePicture) {
  PutPictures(3);
  GreedyEngine engine;
  const std::vector<Job> jobs = ListJobs(folder_ / "in", folder_ / "out", "png");
  Upscaler upscaler(&engine, {{1, 16, 16}, false, false, 0, false}, kScale, &stop_);
  testing::internal::CaptureStderr();
  const std::vector<PictureReport> reports = RunPipeline(jobs, {&upscaler}, "png", &stop_);
  EXPECT_EQ(testing::internal::GetCapturedStderr().find("error: 1.png: not enough memory"), 0U);
  EXPECT_EQ(reports[1].outcome, Outcome::kWrongInput);
  EXPECT_EQ(Files("out"), (std::set<std::string>{"0.png", "2.png"}));
}

// Asks to stop during its third run.
class StoppingEngine : public FakeEngine {
 public:
  explicit StoppingEngine(std::atomic<bool> *stop) : FakeEngine(kScale, 0), stop_(stop) {}

  TensorView Run(void *tiles, const TileShape &shape) override {
    *stop_ = shapes.size() + 1 == 3;
    return FakeEngine::Run(tiles, shape);
  }

 private:
  std::atomic<bool> *stop_;
};

TEST_F(PipelineTest, AStopLeavesWholePicturesOnly) {
  PutPictures(8);
  StoppingEngine engine(&stop_);
  const std::vector<Job> jobs = ListJobs(folder_ / "in", folder_ / "out", "png");
  Upscaler upscaler(&engine, {{1, 16, 16}, false, false, 0, false}, kScale, &stop_);
  const std::vector<PictureReport> reports = RunPipeline(jobs, {&upscaler}, "png", &stop_);
  EXPECT_EQ(engine.shapes.size(), 3U);
  std::set<std::string> done;
  for (const PictureReport &report : reports) {
    if (report.outcome == Outcome::kDone) {
      done.insert(report.name);
    } else {
      EXPECT_EQ(report.outcome, Outcome::kNotReached);
    }
  }
  EXPECT_LE(done.size(), 3U);
  if (!done.empty()) {
    EXPECT_EQ(Files("out"), done);
  }
}

}  // namespace
}  // namespace slimsr
