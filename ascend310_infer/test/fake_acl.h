// SPDX-License-Identifier: Apache-2.0
// In the place of CANN's libascendcl.so, with two devices: just the functions that AclEngine calls.
// A model is a text, "2 0 0 1 3 8 8": scale, data types of input and output, sides of the input;
// the network repeats every pixel.
#ifndef SLIMSR_TEST_FAKE_ACL_H_
#define SLIMSR_TEST_FAKE_ACL_H_

#include <set>
#include <string>

namespace fake_acl {

struct State {
  std::string failing;    // the name of the function that fails
  bool on_board = false;  // the program runs on the device's own processor
  size_t inputs = 1;
  size_t missing_bytes = 0;  // of the output

  std::string config;                 // what aclInit was given
  std::set<const void *> alive;       // what was made and not yet destroyed
  std::set<int> models, executed_on;  // loaded; devices
};

State &state();

}  // namespace fake_acl

#endif  // SLIMSR_TEST_FAKE_ACL_H_
