// SPDX-License-Identifier: Apache-2.0
// Picture files to 8-bit pixels and back.
#ifndef SLIMSR_PICTURE_H_
#define SLIMSR_PICTURE_H_

#include <opencv2/core.hpp>
#include <string>
#include <vector>

namespace slimsr {

// Whether a PNG, JPEG or WebP file has its end: decoders may return the readable part of a file
// that is cut short, the rest grey. Other formats are left to their decoders: true.
bool IsWhole(const std::vector<unsigned char> &file);

// PNG, JPEG, TIFF, WebP or BMP, told apart by their contents, as 8-bit BGR: turned as the camera
// says, transparency over white, 16-bit values v as round(v / 257). `warning` gets what is to be
// said about a picture that was decoded nevertheless. Throws InputError.
cv::Mat DecodePicture(const std::vector<unsigned char> &file, std::string *warning);

// What DecodePicture would give, by the header alone: the rest may be damaged. Throws InputError.
cv::Size SizeOfPicture(const std::vector<unsigned char> &file);

// `format`: png, jpg, webp or tiff. Throws InputError, e.g. for more pixels than the format can
// hold.
std::vector<unsigned char> EncodePicture(const cv::Mat &picture, const std::string &format);

}  // namespace slimsr

#endif  // SLIMSR_PICTURE_H_
