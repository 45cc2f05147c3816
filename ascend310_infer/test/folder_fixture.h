// SPDX-License-Identifier: Apache-2.0
#ifndef SLIMSR_TEST_FOLDER_FIXTURE_H_
#define SLIMSR_TEST_FOLDER_FIXTURE_H_

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>

namespace slimsr {

// A test with an empty folder of its own.
class FolderTest : public ::testing::Test {
 protected:
  FolderTest() {
    std::string name = (std::filesystem::temp_directory_path() / "slimsr-XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~FolderTest() override { std::filesystem::remove_all(folder_); }

  // Makes a file and the folders above it.
  std::filesystem::path Put(const std::string &name, const std::string &text = "x") const {
    const std::filesystem::path path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  // Names of all files below, hidden ones too.
  std::set<std::string> Files(const std::string &below = "") const {
    std::set<std::string> names;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(folder_ / below)) {
      if (!entry.is_directory()) {
        names.insert(entry.path().lexically_relative(folder_ / below).string());
      }
    }
    return names;
  }

  std::filesystem::path folder_;
};

// The message of the Error that `work` throws; empty if it throws none.
template <class Error, class Work>
std::string MessageOf(const Work &work) {
  try {
    work();
  } catch (const Error &error) {
    return error.what();
  }
  return "";
}

}  // namespace slimsr

#endif  // SLIMSR_TEST_FOLDER_FIXTURE_H_
