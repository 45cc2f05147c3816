// SPDX-License-Identifier: Apache-2.0
#include "output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "error.h"
#include "files.h"
#include "listing.h"
#include "messages.h"
#include "report.h"

namespace slimsr {

namespace fs = std::filesystem;

OutputFolder::OutputFolder(fs::path folder) : folder_(std::move(folder)) {
  MakeFolder(folder_);
  Lock();
  std::error_code error;
  if (fs::symlink_status(folder_ / kRecord, error).type() == fs::file_type::not_found) {
    return;
  }
  std::vector<unsigned char> record;
  try {
    record = ReadFile(folder_ / kRecord);
  } catch (const InputError &unreadable) {
    throw InputError((folder_ / kRecord).string() + ": " + unreadable.what());
  }
  if (!IsOwnRecord({reinterpret_cast<const char *>(record.data()), record.size()})) {
    throw InputError("--output " + folder_.string() + " holds results of upscale.py (" + kRecord +
                     "), expected a folder without; give another --output");
  }
}

OutputFolder::~OutputFolder() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

// Where the file system locks files only (NFS), a small file stays in the folder.
void OutputFolder::Lock() {
  const std::pair<fs::path, int> ways[] = {
      {folder_, O_RDONLY | O_DIRECTORY},
      {folder_ / ".slimsr.lock", O_RDWR | O_CREAT | O_NOFOLLOW},
  };
  for (const auto &[path, flags] : ways) {
    descriptor_ = open(path.c_str(), flags | O_CLOEXEC, 0666);
    if (descriptor_ >= 0 && flock(descriptor_, LOCK_EX | LOCK_NB) == 0) {
      return;
    }
    const int refused = errno;
    if (descriptor_ >= 0) {
      close(std::exchange(descriptor_, -1));
    }
    if (refused == EWOULDBLOCK) {
      throw InputError("--output " + folder_.string() +
                       " is in use by another process, expected a folder of one; wait for it to "
                       "end or give another --output");
    }
  }
  Say("warning: " + folder_.string() + " cannot be locked: do not start two runs in it");
}

void OutputFolder::WriteRecord(const std::string &record) const {
  PendingFile file(folder_ / kRecord);
  file.Write(record);
  file.Finish();
}

}  // namespace slimsr
