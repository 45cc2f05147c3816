// SPDX-License-Identifier: Apache-2.0
#include "manifest.h"

#include <sys/stat.h>

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

constexpr char kGood[] = R"({
  "slimsr_manifest": 1, "network": {"name": "edsr"}, "scale": 4, "margin": 37,
  "colour": "RGB", "range": [0, 255],
  "models": [
    {"file": "w1.onnx", "format": "ONNX", "width": 1.0, "bytes": 5,
     "sha256": "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5",
     "input": {"name": "lr", "shape": [null, 3, null, null], "layout": "NCHW", "dtype": "float32"}},
    {"file": "w25.mindir", "format": "MINDIR", "width": 0.25, "bytes": 7,
     "sha256": "0000000000000000000000000000000000000000000000000000000000000000",
     "input": {"name": "lr", "shape": [4, 3, 96, 128], "layout": "NCHW", "dtype": "float32"}}
  ],
  "latency": null})";

class ManifestTest : public FolderTest {
 protected:
  // The message about kGood with its first `from` replaced by `to`.
  std::string Refused(const std::string &from, const std::string &to) const {
    std::string text = kGood;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    text.replace(at, from.size(), to);
    Put("manifest.json", text);
    return MessageOf<InputError>([&] { ReadManifest(folder_); });
  }

  static void ExpectHas(const std::string &message, const std::string &part) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
};

TEST_F(ManifestTest, ReadsWhatAnExportWrites) {
  Put("manifest.json", kGood);
  const Manifest manifest = ReadManifest(folder_);
  EXPECT_EQ(manifest.folder, folder_);
  EXPECT_EQ(manifest.scale, 4);
  EXPECT_EQ(manifest.margin, 37);
  ASSERT_EQ(manifest.models.size(), 2U);
  EXPECT_EQ(manifest.models[0].file, "w1.onnx");
  EXPECT_EQ(manifest.models[0].width, 1);
  EXPECT_FALSE(manifest.models[0].batch || manifest.models[0].tile_height);
  EXPECT_EQ(manifest.models[1].format, "MINDIR");
  EXPECT_EQ(manifest.models[1].bytes, 7U);
  EXPECT_EQ(manifest.models[1].batch, 4);
  EXPECT_EQ(manifest.models[1].tile_height, 96);
  EXPECT_EQ(manifest.models[1].tile_width, 128);
}

TEST_F(ManifestTest, AModelBehindAippTakesBytes) {
  const std::string floats = R"("layout": "NCHW", "dtype": "float32"}},)";
  const std::string bytes = R"("layout": "NHWC", "dtype": "uint8"}},)";
  EXPECT_EQ(Refused(floats, bytes), "");
  EXPECT_TRUE(ReadManifest(folder_).models[0].takes_bytes);
  EXPECT_FALSE(ReadManifest(folder_).models[1].takes_bytes);
  ExpectHas(Refused(floats, R"("layout": "NCHW", "dtype": "uint8"}},)"), "expected \"NHWC\"");
  ExpectHas(Refused(floats, R"("layout": "NCHW", "dtype": "int8"}},)"), "\"uint8\"");
}

TEST_F(ManifestTest, IsFoundBesideAModel) {
  Put("manifest.json", kGood);
  EXPECT_EQ(ReadManifest(Put("w1.onnx")).scale, 4);
}

TEST_F(ManifestTest, MissingOrNoJson) {
  ExpectHas(MessageOf<InputError>([&] { ReadManifest(folder_ / "none"); }), "does not exist");
  ExpectHas(MessageOf<InputError>([&] { ReadManifest(folder_); }), "manifest.json");
  ExpectHas(Refused("{", ""), "is not JSON");
  ExpectHas(Refused("\"latency\": null}", ""), "is not JSON");
  ExpectHas(Refused(kGood, ""), "is not JSON");
  ExpectHas(Refused(kGood, "[]"), "is array, expected an object");
}

TEST_F(ManifestTest, MissingKeys) {
  for (const char *key :
       {"slimsr_manifest", "scale", "margin", "colour", "range", "models", "file", "format",
        "width", "bytes", "sha256", "input", "shape", "layout", "dtype"}) {
    const std::string quoted = '"' + std::string(key) + '"';
    ExpectHas(Refused(quoted + ":", "\"other\":"), "has no " + quoted);
  }
}

TEST_F(ManifestTest, WrongValues) {
  const std::pair<const char *, const char *> cases[] = {
      {R"("slimsr_manifest": 1)", R"("slimsr_manifest": 2)"},
      {R"("slimsr_manifest": 1)", R"("slimsr_manifest": "1")"},
      {R"("scale": 4)", R"("scale": 0)"},
      {R"("scale": 4)", R"("scale": 4.5)"},
      {R"("scale": 4)", R"("scale": "4")"},
      {R"("scale": 4)", R"("scale": 99999999999999999999)"},
      {R"("margin": 37)", R"("margin": -1)"},
      {R"("margin": 37)", R"("margin": null)"},
      {R"("RGB")", R"("BGR")"},
      {R"([0, 255])", R"([0, 1])"},
      {R"("w1.onnx")", R"("../w1.onnx")"},
      {R"("w1.onnx")", R"("..")"},
      {R"("w1.onnx")", R"("")"},
      {R"("ONNX")", R"("TFLITE")"},
      {R"("width": 1.0)", R"("width": 0)"},
      {R"("width": 1.0)", R"("width": 2)"},
      {R"("width": 1.0)", R"("width": "1")"},
      {R"("bytes": 5)", R"("bytes": 0)"},
      {R"("bytes": 5)", R"("bytes": -5)"},
      {R"("bytes": 5)", R"("bytes": 5.5)"},
      {R"([null, 3, null, null])", R"([null, 1, null, null])"},
      {R"([null, 3, null, null])", R"([null, 3, null])"},
      {R"([null, 3, null, null])", R"([null, 3, 128, null])"},
      {R"([null, 3, null, null])", R"([0, 3, null, null])"},
      {R"([null, 3, null, null])", R"([1, 3, -1, -1])"},
      {R"([null, 3, null, null])", R"("free")"},
      {R"([4, 3, 96, 128])", R"([4, 3, 96, 99999999999])"},
      {R"("sha256": "0000)", R"("sha256": "zzzz)"},
      {R"("sha256": "0000)", R"("sha256": "000)"},
      {R"("w1.onnx")", R"("w1.onnx\u0000x")"},
      {R"("NCHW")", R"("NHWC")"},
      {R"("float32")", R"("int8")"},
  };
  for (const auto &[from, to] : cases) {
    const std::string message = Refused(from, to);
    ExpectHas(message, ", expected ");
    ExpectHas(message, "; export the bundle again");
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  ExpectHas(Refused(R"("width": 1.0)", R"("width": 2)"), R"(models[0] has "width": 2, expected)");
  std::string text = kGood;
  text = text.substr(0, text.find("\"models\""));
  Put("manifest.json", text + "\"models\": []}");
  ExpectHas(MessageOf<InputError>([&] { ReadManifest(folder_); }), "expected a list of models");
}

TEST_F(ManifestTest, WhatJsonCannotHold) {
  ExpectHas(Refused(R"("scale": 4)", R"("scale": 1e999)"), "is not JSON");
  ExpectHas(Refused(R"("scale": 4)", "\"scale\": " + std::string(200000, '[')), "nested 2000");
  ExpectHas(Refused(R"("scale": 4)", "\"scale\": " + std::string(200000, '{')), "nested 2000");
  // Brackets in a text are no brackets.
  ExpectHas(Refused(R"("scale": 4)", R"("scale": "\")" + std::string(200, '[') + '"'), "scale");
  ExpectHas(Refused(R"("scale": 4)", R"("scale": "\"\\)" + std::string(200, '[') + '"'),
            "expected a whole number");
  ExpectHas(Refused(R"("scale": 4)", "\"scale\": \"\xff\""), "is not JSON");
}

TEST_F(ManifestTest, APipeIsNotWaitedFor) {
  ASSERT_EQ(mkfifo((folder_ / "manifest.json").c_str(), 0600), 0);
  ExpectHas(MessageOf<InputError>([&] { ReadManifest(folder_); }), "no regular file");
}

TEST_F(ManifestTest, ComparesTheFileWithItsSizeAndCheckSum) {
  Put("manifest.json", kGood);
  const Manifest manifest = ReadManifest(folder_);
  const auto check = [&] { ReadModelFile(manifest, manifest.models[0]); };
  ExpectHas(MessageOf<InputError>(check), "cannot be read");
  Put("w1.onnx", "1234");
  ExpectHas(MessageOf<InputError>(check), "has 4 bytes, expected 5");
  std::filesystem::resize_file(folder_ / "w1.onnx", uintmax_t{1} << 40);  // no memory holds it
  ExpectHas(MessageOf<InputError>(check), "has 1099511627776 bytes");
  Put("w1.onnx", "12346");
  ExpectHas(MessageOf<InputError>(check), "has SHA-256 ");
  Put("w1.onnx", "12345");
  EXPECT_EQ(ReadModelFile(manifest, manifest.models[0]), "12345");
}

}  // namespace
}  // namespace slimsr
