// SPDX-License-Identifier: Apache-2.0
// The output folder while this program works in it.
#ifndef SLIMSR_OUTPUT_FOLDER_H_
#define SLIMSR_OUTPUT_FOLDER_H_

#include <filesystem>
#include <string>

namespace slimsr {

class OutputFolder {
 public:
  // Makes the folder and holds it, as upscale.py does, until the end of this object or process.
  // Throws InputError if another process holds it or it has results of upscale.py.
  explicit OutputFolder(std::filesystem::path folder);
  OutputFolder(const OutputFolder &) = delete;
  OutputFolder &operator=(const OutputFolder &) = delete;
  ~OutputFolder();

  // Throws InputError.
  void WriteRecord(const std::string &record) const;

 private:
  void Lock();

  const std::filesystem::path folder_;
  int descriptor_ = -1;
};

}  // namespace slimsr

#endif  // SLIMSR_OUTPUT_FOLDER_H_
