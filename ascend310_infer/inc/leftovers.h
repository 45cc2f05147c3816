// SPDX-License-Identifier: Apache-2.0
// Temporary files say in their names whose they are, so that the next run tidies what a killed one
// has left. The names and the rule are those of the Python programs: they share folders.
#ifndef SLIMSR_LEFTOVERS_H_
#define SLIMSR_LEFTOVERS_H_

#include <filesystem>
#include <string>

namespace slimsr {

// How names of this process's temporary files begin: .slimsr-MACHINE-PROCESS-START-
std::string OwnPrefix();

// Removes what killed processes have left in the folder. What one of this machine has made goes
// when it has ended; whether one of another machine or container still runs cannot be known: what
// it has made goes a day after its last change.
void RemoveLeftovers(const std::filesystem::path &folder);

}  // namespace slimsr

#endif  // SLIMSR_LEFTOVERS_H_
