// SPDX-License-Identifier: Apache-2.0
#include "lite_engine.h"

#include <numeric>

#include "error.h"
#include "fake_lite.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

using fake_lite::state;
using mindspore::DataType;
using Calls = std::vector<std::string>;

constexpr TileShape kShape = {2, 4, 6};

class LiteEngineTest : public ::testing::Test {
 protected:
  LiteEngineTest() {
    state = {};
    options_.ascend = true;
    tiles_.resize(2 * 3 * 4 * 6);
    std::iota(tiles_.begin(), tiles_.end(), 0.5F);  // halves can hold these
  }

  std::string RefusedToOpen() const {
    return MessageOf<InputError>([&] { LiteEngine({"m.mindir", "bytes"}, kShape, options_); });
  }

  std::string RefusedToRun() {
    LiteEngine engine({"m.mindir", "bytes"}, kShape, options_);
    return MessageOf<EngineError>([&] { engine.Run(tiles_.data(), kShape); });
  }

  void ExpectRepeatedPixels() {
    LiteEngine engine({"m.mindir", "bytes"}, kShape, options_);
    const TensorView result = engine.Run(tiles_.data(), kShape);
    ASSERT_EQ(result.shape, (std::vector<int64_t>{2, 3, 8, 12}));
    for (int i = 0; i < 2 * 3 * 8 * 12; ++i) {
      const int y = i / 12, x = i % 12;
      ASSERT_EQ(result.data[i], tiles_[y / 2 * 6 + x / 2]) << i;
    }
  }

  EngineOptions options_;
  std::vector<float> tiles_;
};

TEST_F(LiteEngineTest, OnAscend) {
  options_.device_id = 3;
  options_.precision = "f16";
  options_.config = "lite.ini";
  LiteEngine({"m.mindir", "bytes"}, kShape, options_);
  EXPECT_EQ(state.calls,
            (Calls{"LoadConfig lite.ini", "SetDeviceID 3", "SetPrecisionMode enforce_fp16",
                   "Build bytes MINDIR Ascend", "Resize 2 3 4 6 "}));
}

TEST_F(LiteEngineTest, ThePrecisionIsTheModelsOwnUnlessGiven) {
  LiteEngine({"m.mindir", "bytes"}, kShape, options_);
  EXPECT_EQ(state.calls[1], "Build bytes MINDIR Ascend");
  options_.precision = "f32";
  LiteEngine({"m.mindir", "bytes"}, kShape, options_);
  EXPECT_EQ(state.calls[4], "SetPrecisionMode enforce_fp32");
}

TEST_F(LiteEngineTest, TheProfileOfAscend) {
  options_.profile = (std::filesystem::temp_directory_path() / "slimsr-lite-times").string();
  LiteEngine({"m.mindir", "bytes"}, kShape, options_);
  EXPECT_EQ(state.calls[0],
            "UpdateConfig ascend_context profiling_config_file=" + options_.profile + "/acl.json");
  std::filesystem::remove_all(options_.profile);
}

TEST_F(LiteEngineTest, BytesBehindAipp) {
  state.input_type = DataType::kNumberTypeUInt8;
  state.shape = {1, 2, 1, 3};
  const TileShape shape = {1, 2, 1};
  LiteEngine engine({"m.mindir", "bytes"}, shape, options_);
  EXPECT_EQ(engine.Takes(), Pixels::kBytes);
  char tiles[] = "rgbRGB";
  EXPECT_EQ(engine.Run(tiles, shape).shape, (std::vector<int64_t>{1, 3, 1, 1}));
  EXPECT_EQ(state.calls.back(), "Predict rgbRGB");
}

TEST_F(LiteEngineTest, SaysWhatThePrecisionReallyIs) {
  const auto precision = [&] {
    return LiteEngine({"m.mindir", "bytes"}, kShape, options_).Precision();
  };
  EXPECT_EQ(precision(), "the model's own");
  options_.precision = "f32";
  EXPECT_EQ(precision(), "f32, but f16 in the convolutions of 310 and 310P");
  options_.precision = "f16";
  EXPECT_EQ(precision(), "f16");
  options_.ascend = false;
#if defined(__x86_64__)
  EXPECT_NE(RefusedToOpen().find("--precision f16, which MindSpore Lite does not have on this CPU"),
            std::string::npos);
#endif
  options_.precision.reset();
  EXPECT_EQ(precision(), "f32");
}

TEST_F(LiteEngineTest, OnACpu) {
  options_.ascend = false;
  LiteEngine({"m.mindir", "bytes"}, kShape, options_);
  EXPECT_EQ(state.calls, (Calls{"SetEnableFP16 no", "Build bytes MINDIR CPU", "Resize 2 3 4 6 "}));
}

TEST_F(LiteEngineTest, AModelOfFixedShapeIsNotResized) {
  state.shape = {2, 3, 4, 6};
  LiteEngine({"m.mindir", "bytes"}, kShape, options_);
  EXPECT_EQ(state.calls.back(), "Build bytes MINDIR Ascend");
}

TEST_F(LiteEngineTest, ReadsFloat32) { ExpectRepeatedPixels(); }

TEST_F(LiteEngineTest, ReadsFloat16) {
  state.input_type = state.output_type = DataType::kNumberTypeFloat16;
  ExpectRepeatedPixels();
}

TEST_F(LiteEngineTest, WhatCannotBeOpened) {
  state.failing = "Build";
  EXPECT_EQ(RefusedToOpen(),
            "m.mindir, expected a MINDIR that Ascend device 0 runs (the fake fails); "
            "see the log of MindSpore Lite above");
  state.failing = "Resize";
  EXPECT_NE(RefusedToOpen().find("m.mindir with tiles 2x3x4x6"), std::string::npos);
  state.failing = "LoadConfig";
  EXPECT_EQ(RefusedToOpen(), "");  // without a config it is not called
  options_.config = "lite.ini";
  EXPECT_NE(RefusedToOpen().find("--config lite.ini"), std::string::npos);
  state.failing = "";
  state.inputs = 2;
  EXPECT_NE(RefusedToOpen().find("has 2 inputs"), std::string::npos);
}

TEST_F(LiteEngineTest, WhatCannotBeRun) {
  state.failing = "Predict";
  EXPECT_EQ(RefusedToRun(), "MindSpore Lite: the fake fails");
  state.failing = "";
  state.outputs = 0;
  EXPECT_NE(RefusedToRun().find("0 outputs"), std::string::npos);
  state.outputs = 1;
  state.missing_bytes = 4;
  EXPECT_EQ(RefusedToRun(), "tensor sr of the model, 2x3x8x12, has 2300 bytes, expected 2304");
  state.output_type = DataType::kNumberTypeInt32;
  EXPECT_NE(RefusedToRun().find("data type 34, expected float32, float16 or uint8"),
            std::string::npos);
}

}  // namespace
}  // namespace slimsr
