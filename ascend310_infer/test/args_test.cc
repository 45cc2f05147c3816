// SPDX-License-Identifier: Apache-2.0
#include "args.h"

#include <gtest/gtest.h>

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

const std::vector<std::string> kNeeded = {"--model", "m", "--input", "i", "--output", "o"};

Options Parse(std::vector<std::string> more) {
  more.insert(more.begin(), kNeeded.begin(), kNeeded.end());
  return ParseArgs(more);
}

std::string Refused(const std::vector<std::string> &more) {
  return MessageOf<InputError>([&] { Parse(more); });
}

TEST(ParseArgs, Defaults) {
  const Options options = Parse({});
  EXPECT_EQ(options.model, "m");
  EXPECT_EQ(options.input, "i");
  EXPECT_EQ(options.output, "o");
  EXPECT_EQ(options.engine, "auto");
  EXPECT_FALSE(options.overlap);
  EXPECT_EQ(options.format, "png");
  EXPECT_FALSE(options.tile || options.batch || options.width || options.budget_ms);
  EXPECT_FALSE(options.device || options.precision);
}

TEST(ParseArgs, BothWaysToGiveAValue) {
  const Options options = Parse({"--tile=64", "--overlap", "0", "--width=0.25", "--device_id", "3",
                                 "--engine=lite", "--device=CPU", "--precision", "f16", "--batch=4",
                                 "--config=a=b.ini", "--report", "-", "--format", "webp"});
  EXPECT_EQ(options.tile, 64);
  EXPECT_EQ(options.overlap, 0);
  EXPECT_EQ(options.width, 0.25);
  EXPECT_EQ(options.device_ids, std::vector<int>{3});
  EXPECT_EQ(options.engine, "lite");
  EXPECT_EQ(options.device, "CPU");
  EXPECT_EQ(options.precision, "f16");
  EXPECT_EQ(options.batch, 4);
  EXPECT_EQ(options.config, "a=b.ini");
  EXPECT_EQ(options.report, "-");
  EXPECT_EQ(options.format, "webp");
  EXPECT_EQ(Parse({"--budget_ms", "1.5e2"}).budget_ms, 150);
  EXPECT_EQ(Parse({"--device_id=1,0,12"}).device_ids, (std::vector<int>{1, 0, 12}));
}

TEST(ParseArgs, HelpWinsOverEverythingAfterIt) {
  EXPECT_TRUE(ParseArgs({"--help", "--nonsense"}).help);
  EXPECT_TRUE(ParseArgs({"-h"}).help);
}

TEST(ParseArgs, HelpNamesEveryFlag) {
  const std::string help = HelpText();
  for (const char *flag : {"--model", "--input", "--output", "--engine", "--device", "--device_id",
                           "--width", "--budget_ms", "--tile", "--overlap", "--batch",
                           "--precision", "--config", "--format", "--report", "--profile"}) {
    EXPECT_NE(help.find(std::string("  ") + flag + " "), std::string::npos) << flag;
  }
}

TEST(ParseArgs, UnknownFlagsNameTheNearest) {
  EXPECT_EQ(Refused({"--tiles", "3"}), "unknown argument --tiles, expected --tile; see --help");
  EXPECT_EQ(Refused({"--overlp=3"}), "unknown argument --overlp, expected --overlap; see --help");
  EXPECT_EQ(Refused({"picture.png"}), "unknown argument picture.png, expected a flag; see --help");
}

TEST(ParseArgs, RefusesValuesOutOfRangeOrOfAnotherKind) {
  EXPECT_EQ(Refused({"--tile", "7"}),
            "--tile 7, expected a whole number from 8 to 4096; see --help");
  for (const char *bad :
       {"--tile=", "--tile=4097", "--tile=12.5", "--tile=ten", "--tile=+16", "--tile=16 ",
        "--tile=99999999999", "--overlap=-1", "--batch=0", "--batch=257"}) {
    EXPECT_NE(Refused({bad}).find(", expected a whole number from "), std::string::npos) << bad;
  }
  for (const char *bad : {"--device_id=-1", "--device_id=", "--device_id=0,", "--device_id=,1",
                          "--device_id=0,0", "--device_id=0;1", "--device_id=1024"}) {
    EXPECT_NE(Refused({bad}).find(", expected whole numbers from 0 to 1023, each once"),
              std::string::npos)
        << bad;
  }
  for (const char *bad :
       {"--width=0", "--width=1.01", "--width=-0.5", "--width=nan", "--width=half", "--width= 1",
        "--width=0,5", "--budget_ms=0", "--budget_ms=inf"}) {
    EXPECT_NE(Refused({bad}).find(", expected a number above 0"), std::string::npos) << bad;
  }
  EXPECT_EQ(Refused({"--engine=tvm"}),
            "--engine tvm, expected one of auto, lite, acl, openvino; see --help");
  EXPECT_EQ(Refused({"--config="}), "--config '', expected a path; see --help");
}

TEST(ParseArgs, RefusesWhatIsMissingTwiceOrContradicts) {
  EXPECT_EQ(Refused({"--tile"}), "--tile has no value, expected --tile N; see --help");
  EXPECT_EQ(Refused({"--tile", "--batch", "3"}),
            "--tile has no value, expected --tile N; see --help");
  EXPECT_EQ(Refused({"--model", "n"}), "--model is given twice, expected it once; remove one");
  EXPECT_NE(Refused({"--width=1", "--budget_ms=3"}).find("are both given"), std::string::npos);
  EXPECT_NE(MessageOf<InputError>([] {
              ParseArgs({"--model", "m", "--input", "i"});
            }).find("no --output"),
            std::string::npos);
  EXPECT_NE(MessageOf<InputError>([] { ParseArgs({}); }).find("no --model"), std::string::npos);
}

}  // namespace
}  // namespace slimsr
