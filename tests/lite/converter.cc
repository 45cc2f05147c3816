// SPDX-License-Identifier: Apache-2.0
// MindSpore Lite's converter from C++: its Python side needs Python 3.7. `convert IN.onnx OUT`
// writes OUT.mindir.

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "include/api/status.h"
#include "include/api/types.h"
#include "include/registry/converter_context.h"

namespace mindspore {

// The library of the wheel exports it, the headers leave it out.
class Converter {
 public:
  Converter(converter::FmkType framework, const std::vector<char> &model,
            const std::vector<char> &output, const std::vector<char> &weights);
  void SetSaveType(ModelType type);
  Status Convert();

 private:
  std::shared_ptr<void> data_;
};

}  // namespace mindspore

int main(int count, char **arguments) {
  if (count != 3) {
    std::fputs("usage: convert IN.onnx OUT\n", stderr);
    return 2;
  }
  const auto chars = [](const std::string &text) {
    return std::vector<char>(text.begin(), text.end());
  };
  mindspore::Converter converter(mindspore::converter::kFmkTypeOnnx, chars(arguments[1]),
                                 chars(arguments[2]), {});
  converter.SetSaveType(mindspore::kMindIR);
  return converter.Convert() == mindspore::kSuccess ? 0 : 1;
}
