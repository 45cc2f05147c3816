// SPDX-License-Identifier: Apache-2.0
#include "leftovers.h"

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "folder_fixture.h"

namespace slimsr {
namespace {

namespace fs = std::filesystem;

class LeftoversTest : public FolderTest {
 protected:
  void Age(const std::string &name, std::chrono::hours by) const {
    fs::last_write_time(folder_ / name, fs::file_time_type::clock::now() - by);
  }

  std::set<std::string> Left() const {
    RemoveLeftovers(folder_);
    return Files();
  }
};

// The prefix of a process of this machine that has ended.
std::string PrefixOfADeadOne() {
  int ends[2];
  if (pipe(ends) != 0) {
    return "";
  }
  const pid_t child = fork();
  if (child == 0) {
    const std::string prefix = OwnPrefix();
    _exit(write(ends[1], prefix.data(), prefix.size()) > 0 ? 0 : 1);
  }
  char text[200];
  const ssize_t count = read(ends[0], text, sizeof(text));
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
  return std::string(text, count > 0 ? static_cast<size_t>(count) : 0);
}

TEST_F(LeftoversTest, OwnPrefixHasMachineProcessAndStart) {
  const std::string prefix = OwnPrefix();
  EXPECT_EQ(prefix, OwnPrefix());
  EXPECT_EQ(prefix.size(), prefix.find("-" + std::to_string(getpid()) + "-") +
                               std::to_string(getpid()).size() + 2 +
                               (prefix.size() - prefix.rfind('-', prefix.size() - 2) - 1));
  EXPECT_EQ(prefix.rfind(".slimsr-", 0), 0U);
}

TEST_F(LeftoversTest, WhatADeadProcessOfThisMachineLeftGoes) {
  const std::string dead = PrefixOfADeadOne();
  ASSERT_NE(dead, "");
  Put(dead + "1");
  Put(dead + "folder/large.bin");
  Put(OwnPrefix() + "1");
  Put("a.png");
  EXPECT_EQ(Left(), (std::set<std::string>{OwnPrefix() + "1", "a.png"}));
}

TEST_F(LeftoversTest, ANumberThatAnotherProcessHasNowIsADeadOne) {
  std::string prefix = OwnPrefix();
  prefix.insert(prefix.size() - 1, "9");  // another time of start
  Put(prefix + "1");
  EXPECT_EQ(Left(), std::set<std::string>{});
}

TEST_F(LeftoversTest, WhatCannotBeKnownGoesAfterADay) {
  const std::string other = ".slimsr-0123456789ab-1-5-x", folder = ".slimsr-0123456789ab-1-5-y";
  for (const char *name : {".slimsr-1-0", ".slimsr-2-0"}) {  // names of earlier versions
    Put(name);
  }
  Put(other);
  Put(folder + "/new");
  Age(folder, std::chrono::hours(48));
  Age(".slimsr-2-0", std::chrono::hours(25));
  EXPECT_EQ(Left(), (std::set<std::string>{".slimsr-1-0", other, folder + "/new"}));
  Age(other, std::chrono::hours(25));
  Age(folder + "/new", std::chrono::hours(25));
  Age(folder, std::chrono::hours(48));
  EXPECT_EQ(Left(), std::set<std::string>{".slimsr-1-0"});
}

TEST_F(LeftoversTest, AMissingFolderIsNoTrouble) { RemoveLeftovers(folder_ / "none"); }

}  // namespace
}  // namespace slimsr
