// SPDX-License-Identifier: Apache-2.0
// Runs an .om of ATC through AscendCL, on an Ascend device.
#ifndef SLIMSR_ACL_ENGINE_H_
#define SLIMSR_ACL_ENGINE_H_

#include <functional>
#include <string>
#include <vector>

#include "acl_library.h"
#include "engine.h"

namespace slimsr {

class AclEngine : public Engine {
 public:
  // The model must be of a fixed size, which is `shape`.
  AclEngine(const ModelFile &model, const TileShape &shape, const EngineOptions &options);
  Pixels Takes() const override;
  std::string Precision() const override { return "the model's own"; }
  TensorView Run(void *tiles, const TileShape &shape) override;

 private:
  struct Tensor {
    aclDataType type;
    std::vector<int64_t> shape;
    size_t values, bytes;
    void *memory;  // on the device
    aclmdlDataset *dataset;
  };

  // What was begun, and is to be undone at the end, last first.
  struct Undone {
    ~Undone();
    std::vector<std::function<void()>> steps;
  };

  void Expect(aclError code, const std::string &given, const std::string &expected,
              const std::string &remedy) const;
  void ExpectRun(aclError code, const std::string &what) const;
  std::string ErrorText(aclError code) const;
  Tensor OpenTensor(const std::string &model, aclDataType type, aclError found,
                    const aclmdlIODims &dims, size_t bytes);

  const AclFunctions &acl_;
  Undone undone_;
  aclrtContext context_ = nullptr;
  aclrtMemcpyKind to_device_, from_device_;
  uint32_t model_ = 0;
  Tensor input_{}, output_{};
  std::vector<uint16_t> halves_;  // of an input or output of float16
  std::vector<float> result_;
};

}  // namespace slimsr

#endif  // SLIMSR_ACL_ENGINE_H_
