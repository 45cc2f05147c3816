// SPDX-License-Identifier: Apache-2.0
#include "onnx_file.h"

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

// Version of the format 8, an empty graph, an opset as bytes of a number.
std::string Model(const std::string &opset) {
  const std::string entry = "\n" + std::string(1, '\0') + "\x10" + opset;
  return std::string("\x08\x08:\0", 4) + "B" + static_cast<char>(entry.size()) + entry;
}

std::string Refused(const std::string &bytes) {
  return MessageOf<InputError>([&] { CheckOnnx({"a.onnx", bytes}); });
}

TEST(OnnxFileTest, TakesWhatExportWrites) {
  CheckOnnx({"a.onnx", Model("\x0b")});
  CheckOnnx({"a.onnx", Model("\x12") + "\x15"
                                       "1234"
                                       "\x19"
                                       "12345678"});
}

TEST(OnnxFileTest, RefusesAnOpsetThatDoesNotExist) {
  const std::string last = ", expected 1 to 30; export it again";
  EXPECT_EQ(Refused(Model("\x1f")), "a.onnx is written in ONNX's opset 31" + last);
  EXPECT_EQ(Refused(Model(std::string(1, '\0'))), "a.onnx is written in ONNX's opset 0" + last);
  EXPECT_EQ(Refused(Model("\x80\x80\x80\x80\x80\x20")),
            "a.onnx is written in ONNX's opset 1099511627776" + last);
  const std::string minus_one = std::string(9, '\xff') + "\x01";
  EXPECT_NE(Refused(Model(minus_one)), "");
  EXPECT_NE(Refused(Model("\x12") + Model("\x63").substr(4)), "");  // the second of two
  EXPECT_EQ(Refused("\x08\x08"
                    "B" +
                    std::string(1, '\0')),
            "a.onnx is written in ONNX's opset 0" + last);
}

TEST(OnnxFileTest, RefusesWeightsInOtherFiles) {
  EXPECT_NE(Refused(Model("\x12") + "j\x14\n\x08location\x12\x08"
                                    "../w.bin")
                .find("other files"),
            std::string::npos);
}

TEST(OnnxFileTest, RefusesWhatIsNoOnnx) {
  const std::string whole = Model("\x12");
  for (const std::string &bytes :
       {std::string(), std::string("model"), whole.substr(1), whole.substr(0, whole.size() - 1),
        "\x08" + std::string(11, '\xff'), whole + "\x0b", whole + "\x12\x7f",
        whole + "\x11"
                "123",
        whole + "\x12" + std::string(9, '\xff') + "\x01"}) {
    EXPECT_EQ(Refused(bytes),
              "a.onnx cannot be read as ONNX, expected an ONNX model; "
              "export it again");
  }
}

}  // namespace
}  // namespace slimsr
