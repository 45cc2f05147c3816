// SPDX-License-Identifier: Apache-2.0
// Standard error: one line per message.
#ifndef SLIMSR_MESSAGES_H_
#define SLIMSR_MESSAGES_H_

#include <string>

namespace slimsr {

// Makes sure that the standard streams are open, if only to nowhere: the next file that is opened
// would take the place of a closed one, and messages would go into it.
void OpenClosedStreams();

// Prints one line at once, with names escaped; from any thread.
void Say(const std::string &line);

// Writes out what was printed to standard output; false if it is a pipe whose reader has had
// enough. Throws InputError if it cannot be written otherwise.
bool FlushOutput();

}  // namespace slimsr

#endif  // SLIMSR_MESSAGES_H_
