// SPDX-License-Identifier: Apache-2.0
#include "listing.h"

#include "error.h"
#include "folder_fixture.h"

namespace slimsr {
namespace {

namespace fs = std::filesystem;

class ListingTest : public FolderTest {
 protected:
  // Sets said_ to what is said on standard error.
  std::vector<std::string> Names(const std::string &besides = "out") {
    testing::internal::CaptureStderr();
    std::vector<std::string> names;
    for (const fs::path &path : PicturesBelow(folder_ / "in", folder_ / besides)) {
      names.push_back(path.string());
    }
    said_ = testing::internal::GetCapturedStderr();
    return names;
  }

  std::string said_;
};

using Expected = std::vector<std::string>;

TEST_F(ListingTest, LeavesOutWhatOnlyLooksLikePictures) {
  Put("in/b.PNG");
  Put("in/a/c.tiff");
  Put("in/notes.txt");
  for (const char *name : {"._b.png", ".thumbnails/b.png", "@eaDir/b.png", "a/__MACOSX/b.png",
                           "#recycle/b.png", "lost+found/b.png", "$RECYCLE.BIN/b.png",
                           "a/System Volume Information/b.png", "out/b.png"}) {
    Put("in/" + std::string(name));
  }
  EXPECT_EQ(Names("in/out"), (Expected{"a/c.tiff", "b.PNG"}));
  EXPECT_EQ(said_, "");
}

TEST_F(ListingTest, FollowsLinksOnce) {
  Put("in/a/b.png");
  Put("elsewhere/c.png");
  fs::create_directory_symlink("..", folder_ / "in/a/loop");
  fs::create_directory_symlink("a", folder_ / "in/A again");
  fs::create_directory_symlink("../elsewhere", folder_ / "in/linked");
  fs::create_symlink("itself", folder_ / "in/itself");
  fs::create_symlink("itself.png", folder_ / "in/itself.png");
  fs::create_symlink("nowhere", folder_ / "in/broken.png");
  // What leads nowhere is listed, and its reader says what is wrong.
  EXPECT_EQ(Names(), (Expected{"a/b.png", "broken.png", "itself.png", "linked/c.png"}));
  EXPECT_EQ(said_, "");
}

TEST_F(ListingTest, LeavesOutResultsUnlessTheyAreWhatIsGiven) {
  Put("in/a.png");
  Put("in/x4/a.png");
  Put("in/x4/sub/a.png");
  Put("in/x4/upscale.json");
  EXPECT_EQ(Names(), (Expected{"a.png"}));
  EXPECT_EQ(said_, "warning: x4 is left out: it holds results (upscale.json)\n");
  EXPECT_EQ(PicturesBelow(folder_ / "in/x4", folder_ / "out").size(), 2U);
}

TEST_F(ListingTest, AnInputBelowTheOutputIsListed) {
  Put("in/a.png");
  EXPECT_EQ(Names("."), (Expected{"a.png"}));
}

TEST_F(ListingTest, AFolderThatCannotBeReadIsLeftOut) {
  Put("in/a.png");
  Put("in/shut/b.png");
  fs::permissions(folder_ / "in/shut", fs::perms::none);
  if (std::error_code error; fs::directory_iterator(folder_ / "in/shut", error), error) {
    EXPECT_EQ(Names(), (Expected{"a.png"}));
    EXPECT_EQ(said_, "warning: shut is left out: Permission denied\n");
  }
  fs::permissions(folder_ / "in/shut", fs::perms::owner_all);
  EXPECT_NE(MessageOf<InputError>([&] { PicturesBelow(folder_ / "none", ""); }), "");
}

}  // namespace
}  // namespace slimsr
