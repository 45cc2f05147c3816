// SPDX-License-Identifier: Apache-2.0
// AscendCL, CANN's C interface. Its library is looked for when it is first used, so that one
// program serves machines with and without CANN.
#ifndef SLIMSR_ACL_LIBRARY_H_
#define SLIMSR_ACL_LIBRARY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#ifdef SLIMSR_ACL_HEADERS
#include "acl/acl.h"
#else
// What is used of it, where CANN's headers are not there.
extern "C" {
using aclError = int;
using aclrtContext = void *;
enum aclDataType { ACL_FLOAT = 0, ACL_FLOAT16 = 1, ACL_UINT8 = 4 };
enum aclrtRunMode { ACL_DEVICE, ACL_HOST };
enum aclrtMemMallocPolicy { ACL_MEM_MALLOC_HUGE_FIRST };
enum aclrtMemcpyKind {
  ACL_MEMCPY_HOST_TO_HOST,
  ACL_MEMCPY_HOST_TO_DEVICE,
  ACL_MEMCPY_DEVICE_TO_HOST,
  ACL_MEMCPY_DEVICE_TO_DEVICE
};
struct aclmdlDesc;
struct aclmdlDataset;
struct aclDataBuffer;
struct aclmdlIODims {
  char name[128];
  size_t dimCount;
  int64_t dims[128];
};

aclError aclInit(const char *config);
aclError aclFinalize();
const char *aclGetRecentErrMsg();
aclError aclrtGetRunMode(aclrtRunMode *mode);
aclError aclrtCreateContext(aclrtContext *context, int32_t device);
aclError aclrtDestroyContext(aclrtContext context);
aclError aclrtSetCurrentContext(aclrtContext context);
aclError aclrtMalloc(void **memory, size_t size, aclrtMemMallocPolicy policy);
aclError aclrtFree(void *memory);
aclError aclrtMemcpy(void *to, size_t room, const void *from, size_t size, aclrtMemcpyKind kind);
aclDataBuffer *aclCreateDataBuffer(void *memory, size_t size);
aclError aclDestroyDataBuffer(const aclDataBuffer *buffer);
aclmdlDataset *aclmdlCreateDataset();
aclError aclmdlDestroyDataset(const aclmdlDataset *dataset);
aclError aclmdlAddDatasetBuffer(aclmdlDataset *dataset, aclDataBuffer *buffer);
aclError aclmdlLoadFromMem(const void *model, size_t size, uint32_t *id);
aclError aclmdlUnload(uint32_t id);
aclmdlDesc *aclmdlCreateDesc();
aclError aclmdlDestroyDesc(aclmdlDesc *description);
aclError aclmdlGetDesc(aclmdlDesc *description, uint32_t id);
size_t aclmdlGetNumInputs(aclmdlDesc *description);
size_t aclmdlGetNumOutputs(aclmdlDesc *description);
size_t aclmdlGetInputSizeByIndex(aclmdlDesc *description, size_t index);
size_t aclmdlGetOutputSizeByIndex(aclmdlDesc *description, size_t index);
aclDataType aclmdlGetInputDataType(const aclmdlDesc *description, size_t index);
aclDataType aclmdlGetOutputDataType(const aclmdlDesc *description, size_t index);
aclError aclmdlGetInputDims(const aclmdlDesc *description, size_t index, aclmdlIODims *dims);
aclError aclmdlGetOutputDims(const aclmdlDesc *description, size_t index, aclmdlIODims *dims);
aclError aclmdlExecute(uint32_t id, const aclmdlDataset *input, aclmdlDataset *output);
}
#endif

namespace slimsr {

// The functions of the library, by their names without "acl".
struct AclFunctions {
  decltype(&::aclInit) Init;
  decltype(&::aclFinalize) Finalize;
  decltype(&::aclGetRecentErrMsg) GetRecentErrMsg;
  decltype(&::aclrtGetRunMode) GetRunMode;
  decltype(&::aclrtCreateContext) CreateContext;
  decltype(&::aclrtDestroyContext) DestroyContext;
  decltype(&::aclrtSetCurrentContext) SetCurrentContext;
  aclError (*Malloc)(void **, size_t, aclrtMemMallocPolicy);  // overloaded in newer headers
  decltype(&::aclrtFree) Free;
  decltype(&::aclrtMemcpy) Memcpy;
  decltype(&::aclCreateDataBuffer) CreateDataBuffer;
  decltype(&::aclDestroyDataBuffer) DestroyDataBuffer;
  decltype(&::aclmdlCreateDataset) CreateDataset;
  decltype(&::aclmdlDestroyDataset) DestroyDataset;
  decltype(&::aclmdlAddDatasetBuffer) AddDatasetBuffer;
  decltype(&::aclmdlLoadFromMem) LoadFromMem;
  decltype(&::aclmdlUnload) Unload;
  decltype(&::aclmdlCreateDesc) CreateDesc;
  decltype(&::aclmdlDestroyDesc) DestroyDesc;
  decltype(&::aclmdlGetDesc) GetDesc;
  decltype(&::aclmdlGetNumInputs) GetNumInputs;
  decltype(&::aclmdlGetNumOutputs) GetNumOutputs;
  decltype(&::aclmdlGetInputSizeByIndex) GetInputSize;
  decltype(&::aclmdlGetOutputSizeByIndex) GetOutputSize;
  decltype(&::aclmdlGetInputDataType) GetInputDataType;
  decltype(&::aclmdlGetOutputDataType) GetOutputDataType;
  decltype(&::aclmdlGetInputDims) GetInputDims;
  decltype(&::aclmdlGetOutputDims) GetOutputDims;
  decltype(&::aclmdlExecute) Execute;
};

class AclLibrary {
 public:
  // Whether the library is found.
  static bool IsThere();

  // The functions, after aclInit with `config` (a JSON file, empty: none), which the first call
  // does. Throws InputError where there is no such library, or it finds no device.
  static const AclFunctions &Start(const std::string &config);

  // aclFinalize, where Start has been. Not in a destructor of a static object: the library's own
  // may be gone by then.
  static void Finish();
};

}  // namespace slimsr

#endif  // SLIMSR_ACL_LIBRARY_H_
