// SPDX-License-Identifier: Apache-2.0
// Which pictures are read, where the results go, and writing so that no half file is ever seen.
#ifndef SLIMSR_FILES_H_
#define SLIMSR_FILES_H_

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace slimsr {

struct Job {
  std::string name;  // of the picture, relative to the input folder
  std::filesystem::path input, output;
};

// The pictures that `input` names, sorted. The result of a.png is a.FORMAT; where
// results of one folder would have one name those of another format keep their suffix:
// a.jpg.FORMAT. Throws InputError, also if a result would replace a picture of the input.
std::vector<Job> ListJobs(const std::filesystem::path &input, const std::filesystem::path &output,
                          const std::string &format);

// Makes the folder with its parents. Throws InputError.
void MakeFolder(const std::filesystem::path &folder);

// A regular file, whole. Throws InputError.
std::vector<unsigned char> ReadFile(const std::filesystem::path &path);

// A file that appears under its name when it is whole: until then it has a temporary name beside
// it, and vanishes if it is given up. All throw InputError, the constructor if the place is not
// writable.
class PendingFile {
 public:
  explicit PendingFile(const std::filesystem::path &path);
  PendingFile(const PendingFile &) = delete;
  PendingFile &operator=(const PendingFile &) = delete;
  ~PendingFile();

  void Write(std::string_view bytes);
  void Finish();

 private:
  const std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool finished_ = false;
};

}  // namespace slimsr

#endif  // SLIMSR_FILES_H_
