// SPDX-License-Identifier: Apache-2.0
#ifndef SLIMSR_SHA256_H_
#define SLIMSR_SHA256_H_

#include <string>
#include <string_view>

namespace slimsr {

// FIPS 180-4, as 64 hexadecimal digits. Our own, since a board need not have a library for it.
std::string Sha256(std::string_view bytes);

}  // namespace slimsr

#endif  // SLIMSR_SHA256_H_
