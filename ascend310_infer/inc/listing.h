// SPDX-License-Identifier: Apache-2.0
// Which files of a folder are pictures: by the rules of the Python programs.
#ifndef SLIMSR_LISTING_H_
#define SLIMSR_LISTING_H_

#include <filesystem>
#include <vector>

namespace slimsr {

// The name of the file that tells a folder of results: upscale.py and this program write it.
constexpr char kRecord[] = "upscale.json";

// Pictures in the folder and below, relative to it, sorted. Hidden names and the folders of file
// servers and systems are left out. Linked folders are followed, after all others, so that a folder
// is listed once and by its own name. A sub-folder that cannot be read, or that holds results of an
// earlier run, is left out with a warning; `besides`, unless the folder lies in it, without one.
// Throws InputError if the folder itself cannot be read.
std::vector<std::filesystem::path> PicturesBelow(const std::filesystem::path &folder,
                                                 const std::filesystem::path &besides);

}  // namespace slimsr

#endif  // SLIMSR_LISTING_H_
