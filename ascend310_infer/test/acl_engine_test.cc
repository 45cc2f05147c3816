// SPDX-License-Identifier: Apache-2.0
#include "acl_engine.h"

#include <numeric>

#include "error.h"
#include "fake_acl.h"
#include "folder_fixture.h"
#include "half.h"

namespace slimsr {
namespace {

using fake_acl::state;

constexpr TileShape kShape = {2, 4, 6};
constexpr size_t kValues = 2 * 3 * 4 * 6;
constexpr char kFloat[] = "2 0 0 2 3 4 6", kHalf[] = "2 1 1 2 3 4 6", kBytes[] = "2 4 0 2 4 6 3";

class AclEngineTest : public FolderTest {
 protected:
  AclEngineTest() { state() = {}; }
  ~AclEngineTest() override {
    {
      const ProcessWideRuntimes finished;
    }
    EXPECT_TRUE(state().alive.empty());
    EXPECT_TRUE(state().models.empty());
  }

  std::string RefusedToOpen(const std::string &model = kFloat) const {
    return MessageOf<InputError>([&] { AclEngine({"m.om", model}, kShape, options_); });
  }

  std::string RefusedToRun() const {
    AclEngine engine({"m.om", kFloat}, kShape, options_);
    std::vector<float> tiles(kValues);
    return MessageOf<EngineError>([&] { engine.Run(tiles.data(), kShape); });
  }

  void ExpectRepeatedPixels(const std::string &model) const {
    AclEngine engine({"m.om", model}, kShape, options_);
    ASSERT_EQ(engine.Takes(), Pixels::kFloatPlanes);
    std::vector<float> tiles(kValues);
    std::iota(tiles.begin(), tiles.end(), 0.5F);  // halves can hold these
    for (int run = 0; run < 2; ++run) {
      const TensorView result = engine.Run(tiles.data(), kShape);
      ASSERT_EQ(result.shape, (std::vector<int64_t>{2, 3, 8, 12}));
      for (int i = 0; i < 2 * 3 * 8 * 12; ++i) {
        const int y = i / 12, x = i % 12;
        ASSERT_EQ(result.data[i], tiles[y / 2 * 6 + x / 2]) << i;
      }
    }
  }

  EngineOptions options_;
};

TEST_F(AclEngineTest, RunsFloat32AndFloat16) {
  ExpectRepeatedPixels(kFloat);
  ExpectRepeatedPixels(kHalf);
}

TEST_F(AclEngineTest, OnTheBoardsOwnProcessor) {
  state().on_board = true;
  ExpectRepeatedPixels(kFloat);
}

TEST_F(AclEngineTest, TakesBytesBehindAipp) {
  AclEngine engine({"m.om", kBytes}, kShape, options_);
  ASSERT_EQ(engine.Takes(), Pixels::kBytes);
  std::vector<unsigned char> tiles(kValues);
  std::iota(tiles.begin(), tiles.end(), 100);
  const TensorView result = engine.Run(tiles.data(), kShape);
  ASSERT_EQ(result.shape, (std::vector<int64_t>{2, 3, 8, 12}));
  // Picture 1, blue, row 5, column 11: of pixel (2, 5).
  EXPECT_EQ(result.data[((1 * 3 + 2) * 8 + 5) * 12 + 11], tiles[((1 * 4 + 2) * 6 + 5) * 3 + 2]);
}

TEST_F(AclEngineTest, TheDevice) {
  options_.device_id = 1;
  EXPECT_EQ(RefusedToRun(), "");
  EXPECT_EQ(state().executed_on, std::set<int>{1});
  options_.device_id = 2;
  EXPECT_EQ(RefusedToOpen(),
            "--device_id 2, expected an Ascend device of this machine (error 507000: the fake "
            "fails); give one that npu-smi info lists");
}

TEST_F(AclEngineTest, AProfileIsWantedOnceAtTheStart) {
  options_.profile = (folder_ / "times").string();
  EXPECT_EQ(RefusedToRun(), "");
  EXPECT_EQ(state().config, (folder_ / "times/acl.json").string());
  EXPECT_EQ(Files("times"), std::set<std::string>{"acl.json"});
}

TEST_F(AclEngineTest, ModelsThatAreNotWhatTheManifestSays) {
  EXPECT_NE(RefusedToOpen("nonsense").find("m.om, expected an .om that ATC made"),
            std::string::npos);
  EXPECT_NE(RefusedToOpen("2 0 0 1 3 4 6").find("takes 1x3x4x6, expected 2x3x4x6"),
            std::string::npos);
  EXPECT_NE(RefusedToOpen("2 4 0 2 6 4 3").find("takes 2x6x4x3, expected 2x4x6x3"),
            std::string::npos);
  EXPECT_NE(RefusedToOpen("2 0 0 2 3 -1 -1").find("takes 2x3x-1x-1"), std::string::npos);
  EXPECT_NE(RefusedToOpen("2 9 9 2 3 4 6").find("data type 9"), std::string::npos);
  EXPECT_NE(RefusedToOpen("2 4 4 2 4 6 3").find("gives bytes"), std::string::npos);
  state().missing_bytes = 4;
  EXPECT_NE(RefusedToOpen().find("2x3x8x12, of 2300 bytes"), std::string::npos);
  state().inputs = 2;
  EXPECT_NE(RefusedToOpen().find("has 2 inputs and 1 outputs"), std::string::npos);
}

TEST_F(AclEngineTest, WhateverFailsIsSaidAndLeavesNothing) {
  for (const char *name :
       {"aclInit", "aclrtCreateContext", "aclrtGetRunMode", "aclmdlLoadFromMem", "aclmdlGetDesc",
        "aclmdlGetInputDims", "aclmdlGetOutputDims", "aclrtMalloc", "aclmdlAddDatasetBuffer"}) {
    state().failing = name;
    EXPECT_NE(RefusedToOpen().find("expected"), std::string::npos) << name;
    EXPECT_TRUE(state().alive.empty()) << name;
  }
  for (const char *name : {"aclrtSetCurrentContext", "aclrtMemcpy", "back", "aclmdlExecute"}) {
    state().failing = name;
    EXPECT_EQ(RefusedToRun().find("AscendCL: "), 0U) << name;
  }
}

}  // namespace
}  // namespace slimsr
