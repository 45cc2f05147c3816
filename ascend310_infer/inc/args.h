// SPDX-License-Identifier: Apache-2.0
// The command line.
#ifndef SLIMSR_ARGS_H_
#define SLIMSR_ARGS_H_

#include <optional>
#include <string>
#include <vector>

namespace slimsr {

struct Options {
  std::string model, input, output;
  std::string engine = "auto";
  std::optional<std::string> device, precision;
  std::string config;
  std::vector<int> device_ids = {0};
  std::optional<int> tile, overlap, batch;
  std::optional<double> width, budget_ms;
  std::string format = "png";
  std::string report, profile;
  bool help = false;
};

// The arguments without the program's name, as --flag value or --flag=value. Throws InputError.
Options ParseArgs(const std::vector<std::string> &arguments);

std::string HelpText();

}  // namespace slimsr

#endif  // SLIMSR_ARGS_H_
