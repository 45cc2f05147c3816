// SPDX-License-Identifier: Apache-2.0
#include "files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

class FilesTest : public FolderTest {
 protected:
  // Result by picture, of the folder "in".
  std::map<std::string, std::string> Results(const std::string &output = "out") const {
    std::map<std::string, std::string> results;
    for (const Job &job : ListJobs(folder_ / "in", folder_ / output, "png")) {
      EXPECT_TRUE(std::filesystem::exists(job.input));
      results[job.name] = job.output.lexically_relative(folder_ / output).string();
    }
    return results;
  }
};

using Names = std::map<std::string, std::string>;

TEST_F(FilesTest, MirrorsSubfoldersAndKeepsOddNames) {
  Put("in/a.JPG");
  Put("in/sub/deep er/b.v1.2 final.png");
  Put("in/sub/größe 图.webp");
  Put("in/notes.txt");
  Put("in/.hidden.png");
  Put("in/.cache/c.png");
  EXPECT_EQ(Results(), (Names{{"a.JPG", "a.png"},
                              {"sub/deep er/b.v1.2 final.png", "sub/deep er/b.v1.2 final.png"},
                              {"sub/größe 图.webp", "sub/größe 图.png"}}));
}

TEST_F(FilesTest, ResultsOfOneNameKeepTheirSuffix) {
  Put("in/a.png");
  Put("in/a.jpg");
  Put("in/b.jpg");
  EXPECT_EQ(Results(), (Names{{"a.png", "a.png"}, {"a.jpg", "a.jpg.png"}, {"b.jpg", "b.png"}}));
  Put("in/a.jpg.png");  // its result would be a.jpg.png as well
  Put("in/a.jpg.bmp");
  EXPECT_EQ(Results(), (Names{{"a.png", "a.png"},
                              {"a.jpg", "a.jpg.png"},
                              {"a.jpg.png", "a.jpg.png.png"},
                              {"a.jpg.bmp", "a.jpg.bmp.png"},
                              {"b.jpg", "b.png"}}));
}

TEST_F(FilesTest, TheOutputInsideTheInputIsNotTaken) {
  Put("in/a.png");
  Put("in/out/a.png");
  EXPECT_EQ(Results("in/out"), (Names{{"a.png", "a.png"}}));
  EXPECT_EQ(Results("in/sub/../out"), (Names{{"a.png", "a.png"}}));
}

TEST_F(FilesTest, RefusesToReplaceItsInput) {
  Put("in/a.png");
  EXPECT_NE(MessageOf<InputError>([&] { Results("in"); }).find("is the input folder"),
            std::string::npos);
  EXPECT_NE(MessageOf<InputError>([&] { Results("in/."); }).find("is the input folder"),
            std::string::npos);
  const auto file = [&] { ListJobs(folder_ / "in/a.png", folder_ / "in", "png"); };
  EXPECT_NE(MessageOf<InputError>(file).find("would replace a picture"), std::string::npos);
  Put("in/in/a.png");
  EXPECT_NE(MessageOf<InputError>([&] { Results("."); }).find("would replace a picture"),
            std::string::npos);
}

TEST_F(FilesTest, RefusesMissingAndEmptyInput) {
  EXPECT_NE(MessageOf<InputError>([&] { Results(); }).find("does not exist"), std::string::npos);
  Put("in/notes.txt");
  EXPECT_NE(MessageOf<InputError>([&] { Results(); }).find("no pictures in"), std::string::npos);
}

TEST_F(FilesTest, ASingleFileMayHaveAnySuffix) {
  const auto jobs = ListJobs(Put("in/scan.0001"), folder_ / "out", "jpg");
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0].output, folder_ / "out/scan.jpg");
}

TEST_F(FilesTest, AFileAppearsWhenItIsWhole) {
  Put("f", "old");
  const auto text = [&] {
    const std::vector<unsigned char> bytes = ReadFile(folder_ / "f");
    return std::string(bytes.begin(), bytes.end());
  };
  {
    PendingFile file(folder_ / "f");
    file.Write("given up");
    EXPECT_EQ(text(), "old");
  }
  PendingFile file(folder_ / "f");
  file.Write(std::string("a\0b", 3));
  file.Write("c");
  file.Finish();
  EXPECT_EQ(text(), std::string("a\0bc", 4));
  EXPECT_EQ(Files(), std::set<std::string>{"f"});
}

TEST_F(FilesTest, APlaceThatCannotBeWrittenIsRefusedAtOnce) {
  std::filesystem::create_directory(folder_ / "taken");
  EXPECT_NE(MessageOf<InputError>([&] { PendingFile(folder_ / "taken"); }).find("directory"),
            std::string::npos);
  EXPECT_NE(MessageOf<InputError>([&] { PendingFile(folder_ / "none/f"); }), "");
  EXPECT_EQ(Files(), std::set<std::string>{});
  Put("file");
  EXPECT_NE(MessageOf<InputError>([&] { MakeFolder(folder_ / "file/sub"); }), "");
  EXPECT_NE(MessageOf<InputError>([&] { MakeFolder(folder_ / "file"); }), "");
}

TEST_F(FilesTest, ATakenTemporaryNameIsNoObstacle) {
  for (int i = 0; i < 300; ++i) {  // what killed processes of the same number have left
    Put(".slimsr-" + std::to_string(getpid()) + "-" + std::to_string(i));
  }
  PendingFile file(folder_ / "f");
  file.Write("x");
  file.Finish();
  EXPECT_TRUE(std::filesystem::exists(folder_ / "f"));
}

TEST_F(FilesTest, NamesThatAreTooLongCostOnePicture) {
  const std::string longest(251, 'a');  // with .png 255 bytes
  Put("in/" + longest + ".png");
  Put("in/b.png");
  const auto jobs = ListJobs(folder_ / "in", folder_ / "out", "tiff");
  ASSERT_EQ(jobs.size(), 2U);
  MakeFolder(folder_ / "out");
  EXPECT_NE(MessageOf<InputError>([&] { PendingFile file(jobs[0].output); }).find("too long"),
            std::string::npos);
  EXPECT_EQ(Files("out"), std::set<std::string>{});
}

TEST_F(FilesTest, ReadsRegularFilesAlone) {
  EXPECT_NE(MessageOf<InputError>([&] { ReadFile(folder_ / "none"); }), "");
  EXPECT_NE(MessageOf<InputError>([&] { ReadFile(folder_); }), "");
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_NE(MessageOf<InputError>([&] { ReadFile(folder_ / "pipe"); }), "");
  EXPECT_TRUE(ReadFile(Put("empty", "")).empty());
  std::filesystem::resize_file(folder_ / "empty", uintmax_t{1} << 40);
  EXPECT_NE(MessageOf<InputError>([&] { ReadFile(folder_ / "empty"); }).find("more than"),
            std::string::npos);
}

}  // namespace
}  // namespace slimsr
