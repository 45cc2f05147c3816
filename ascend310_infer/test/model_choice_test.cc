// SPDX-License-Identifier: Apache-2.0
#include "model_choice.h"

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

class ModelChoiceTest : public FolderTest {
 protected:
  ModelChoiceTest() {
    manifest_ = {folder_, 4, 20, {}};
    Add("w25.onnx", "ONNX", 0.25);
    Add("w1.onnx", "ONNX", 1);
    Add("w50.mindir", "MINDIR", 0.5);
    manifest_.models.back().batch = 4;
    manifest_.models.back().tile_height = manifest_.models.back().tile_width = 64;
    options_.model = folder_.string();
  }

  void Add(const std::string &file, const std::string &format, double width) {
    manifest_.models.push_back({file, format, width, 1, "", {}, {}, {}, false});
    Put(file);
  }

  std::string Refused() const {
    return MessageOf<InputError>([&] {
      const Runtime runtime = ChooseRuntime(options_, manifest_, kBoth);
      ChooseEngineOptions(options_, runtime);
      for (const ModelEntry *model : ChooseModels(options_, manifest_, runtime)) {
        ChooseTiling(options_, manifest_, *model, runtime);
      }
    });
  }

  Tiling TilingOf(int model, Runtime runtime) const {
    return ChooseTiling(options_, manifest_, manifest_.models[model], runtime);
  }

  const std::vector<Runtime> kBoth = {Runtime::kLite, Runtime::kOpenVino};
  Manifest manifest_;
  Options options_;
};

TEST_F(ModelChoiceTest, TheEngineFollowsTheModel) {
  EXPECT_EQ(ChooseRuntime(options_, manifest_, kBoth), Runtime::kLite);
  EXPECT_EQ(ChooseRuntime(options_, manifest_, {Runtime::kOpenVino}), Runtime::kOpenVino);
  options_.engine = "openvino";
  EXPECT_EQ(ChooseRuntime(options_, manifest_, kBoth), Runtime::kOpenVino);
  options_.engine = "auto";
  options_.model = (folder_ / "w1.onnx").string();
  EXPECT_EQ(ChooseRuntime(options_, manifest_, kBoth), Runtime::kOpenVino);
  options_.engine = "lite";
  EXPECT_NE(Refused().find("for --engine lite"), std::string::npos);
}

TEST_F(ModelChoiceTest, AnEngineThatIsNotBuilt) {
  options_.engine = "lite";
  const std::string message =
      MessageOf<InputError>([&] { ChooseRuntime(options_, manifest_, {Runtime::kOpenVino}); });
  EXPECT_NE(message.find("expected one that this program has: openvino (ONNX)"), std::string::npos);
}

TEST_F(ModelChoiceTest, TheWidestUnlessAWidthOrBudgetIsGiven) {
  const auto widths = [&] {
    std::vector<double> found;
    for (const ModelEntry *model : ChooseModels(options_, manifest_, Runtime::kOpenVino)) {
      found.push_back(model->width);
    }
    return found;
  };
  EXPECT_EQ(widths(), std::vector<double>{1});
  options_.width = 0.25;
  EXPECT_EQ(widths(), std::vector<double>{0.25});
  options_.width.reset();
  options_.budget_ms = 1;
  EXPECT_EQ(widths(), (std::vector<double>{1, 0.25}));
}

TEST_F(ModelChoiceTest, AWidthThatIsNotThere) {
  options_.engine = "openvino";
  options_.width = 0.75;
  EXPECT_EQ(Refused(),
            "--width 0.75, expected a width of the bundle: 1, 0.25; give one of them or export it");
}

TEST_F(ModelChoiceTest, AModelThatIsNamed) {
  options_.model = (folder_ / "w25.onnx").string();
  EXPECT_EQ(Refused(), "");
  EXPECT_EQ(ChooseModels(options_, manifest_, Runtime::kOpenVino)[0]->file, "w25.onnx");
  options_.width = 1;
  EXPECT_NE(Refused().find("expected it with a bundle"), std::string::npos);
  options_.model = Put("other.onnx").string();
  EXPECT_NE(Refused().find("expected one of w25.onnx, w1.onnx, w50.mindir"), std::string::npos);
}

TEST_F(ModelChoiceTest, WhatAnEngineCannotDo) {
  options_.engine = "openvino";
  options_.device = "Ascend";
  EXPECT_NE(Refused().find("--device Ascend with engine openvino"), std::string::npos);
  options_.device = "CPU";
  EXPECT_EQ(Refused(), "");
  options_.config = Put("lite.ini").string();
  EXPECT_NE(Refused().find("--config with engine openvino"), std::string::npos);
  options_.engine = "lite";
  EXPECT_EQ(Refused(), "");
  options_.config = "none.ini";
  EXPECT_NE(Refused().find("--config none.ini is not a file"), std::string::npos);
  options_.precision = "bf16";
  EXPECT_NE(Refused().find("--precision bf16 with engine lite"), std::string::npos);
  options_.precision.reset();
  options_.config.clear();
  options_.profile = "times";
  EXPECT_NE(Refused().find("--profile on a CPU with engine lite"), std::string::npos);
  const auto refused = [&] {
    return MessageOf<InputError>([&] { ChooseEngineOptions(options_, Runtime::kAcl); });
  };
  EXPECT_NE(refused().find("--device CPU with engine acl"), std::string::npos);
  options_.device.reset();
  EXPECT_EQ(refused(), "");
  options_.precision = "f16";
  EXPECT_NE(refused().find("--precision f16 with engine acl"), std::string::npos);
}

TEST_F(ModelChoiceTest, TheDevice) {
  options_.device_ids = {2, 0};
  EXPECT_TRUE(ChooseEngineOptions(options_, Runtime::kLite).ascend);
  EXPECT_EQ(ChooseEngineOptions(options_, Runtime::kLite).device_id, 2);
  EXPECT_TRUE(ChooseEngineOptions(options_, Runtime::kAcl).ascend);
  options_.engine = "openvino";
  EXPECT_NE(Refused().find("several devices by --device_id with engine openvino"),
            std::string::npos);
  options_.device_ids = {2};
  EXPECT_FALSE(ChooseEngineOptions(options_, Runtime::kOpenVino).ascend);
  options_.device = "CPU";
  EXPECT_FALSE(ChooseEngineOptions(options_, Runtime::kLite).ascend);
}

TEST_F(ModelChoiceTest, TilesOfAFreeModel) {
  Tiling tiling = TilingOf(0, Runtime::kOpenVino);
  EXPECT_EQ(tiling.tile.height, 128);
  EXPECT_EQ(tiling.tile.batch, 1);
  EXPECT_FALSE(tiling.fixed_size || tiling.fixed_batch);
  EXPECT_EQ(tiling.overlap, 20);
  EXPECT_FALSE(tiling.cross_fade);
  options_.overlap = 16;
  EXPECT_TRUE(TilingOf(0, Runtime::kOpenVino).cross_fade);
  options_.tile = 96;
  options_.batch = 3;
  options_.overlap = 20;
  tiling = TilingOf(0, Runtime::kLite);
  EXPECT_EQ(tiling.tile.width, 96);
  EXPECT_EQ(tiling.tile.batch, 3);
  EXPECT_TRUE(tiling.fixed_size && tiling.fixed_batch);
  EXPECT_FALSE(tiling.cross_fade);
}

TEST_F(ModelChoiceTest, TilesOfAFixedModel) {
  const Tiling tiling = TilingOf(2, Runtime::kLite);
  EXPECT_EQ(tiling.tile.height, 64);
  EXPECT_EQ(tiling.tile.batch, 4);
  options_.tile = 64;
  options_.batch = 4;
  EXPECT_EQ(Refused(), "");
  options_.batch = 2;
  EXPECT_NE(Refused().find("expected its own batch 4"), std::string::npos);
  options_.tile = 128;
  EXPECT_NE(Refused().find("expected its own tile 64x64"), std::string::npos);
}

TEST_F(ModelChoiceTest, DefaultOverlap) {
  // As upscale.py: the same numbers stand in its test.
  const std::vector<int> sides = {16, 32, 64, 96, 128}, expected = {4, 8, 16, 32, 40};
  for (size_t i = 0; i < sides.size(); ++i) {
    EXPECT_EQ(DefaultOverlap(100, sides[i]), expected[i]);
  }
  EXPECT_EQ(DefaultOverlap(7, 128), 7);
}

TEST_F(ModelChoiceTest, TooMuchOverlap) {
  options_.overlap = 32;
  EXPECT_EQ(
      Refused(),
      "--overlap 32 with tiles of 64, expected at most 31; give a smaller overlap or larger tiles");
}

}  // namespace
}  // namespace slimsr
