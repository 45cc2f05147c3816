// SPDX-License-Identifier: Apache-2.0
#include "acl_library.h"

#include <dlfcn.h>

#include "error.h"

namespace slimsr {

namespace {

constexpr char kLibrary[] = "libascendcl.so";
constexpr char kInstall[] = "; install CANN and source its set_env.sh, or give another --engine";

AclFunctions functions;
bool loaded = false, started = false;

// Of one function by its name.
template <class Function>
void Find(void *library, const char *name, Function *function) {
  void *const found = dlsym(library, name);
  if (found == nullptr) {
    throw InputError(std::string(kLibrary) + " has no " + name +
                     ", expected that of CANN 5 or later" + kInstall);
  }
  *function = reinterpret_cast<Function>(found);
}

void Load() {
  void *const library = dlopen(kLibrary, RTLD_NOW);
  if (library == nullptr) {
    throw InputError(std::string("--engine acl: ") + OneLine(dlerror()) +
                     ", expected the library of CANN" + kInstall);
  }
  AclFunctions *f = &functions;
  Find(library, "aclInit", &f->Init);
  Find(library, "aclFinalize", &f->Finalize);
  Find(library, "aclGetRecentErrMsg", &f->GetRecentErrMsg);
  Find(library, "aclrtGetRunMode", &f->GetRunMode);
  Find(library, "aclrtCreateContext", &f->CreateContext);
  Find(library, "aclrtDestroyContext", &f->DestroyContext);
  Find(library, "aclrtSetCurrentContext", &f->SetCurrentContext);
  Find(library, "aclrtMalloc", &f->Malloc);
  Find(library, "aclrtFree", &f->Free);
  Find(library, "aclrtMemcpy", &f->Memcpy);
  Find(library, "aclCreateDataBuffer", &f->CreateDataBuffer);
  Find(library, "aclDestroyDataBuffer", &f->DestroyDataBuffer);
  Find(library, "aclmdlCreateDataset", &f->CreateDataset);
  Find(library, "aclmdlDestroyDataset", &f->DestroyDataset);
  Find(library, "aclmdlAddDatasetBuffer", &f->AddDatasetBuffer);
  Find(library, "aclmdlLoadFromMem", &f->LoadFromMem);
  Find(library, "aclmdlUnload", &f->Unload);
  Find(library, "aclmdlCreateDesc", &f->CreateDesc);
  Find(library, "aclmdlDestroyDesc", &f->DestroyDesc);
  Find(library, "aclmdlGetDesc", &f->GetDesc);
  Find(library, "aclmdlGetNumInputs", &f->GetNumInputs);
  Find(library, "aclmdlGetNumOutputs", &f->GetNumOutputs);
  Find(library, "aclmdlGetInputSizeByIndex", &f->GetInputSize);
  Find(library, "aclmdlGetOutputSizeByIndex", &f->GetOutputSize);
  Find(library, "aclmdlGetInputDataType", &f->GetInputDataType);
  Find(library, "aclmdlGetOutputDataType", &f->GetOutputDataType);
  Find(library, "aclmdlGetInputDims", &f->GetInputDims);
  Find(library, "aclmdlGetOutputDims", &f->GetOutputDims);
  Find(library, "aclmdlExecute", &f->Execute);
  loaded = true;
}

}  // namespace

bool AclLibrary::IsThere() {
  return dlopen(kLibrary, RTLD_LAZY) != nullptr;  // stays loaded, as it would by Start
}

const AclFunctions &AclLibrary::Start(const std::string &config) {
  if (!loaded) {
    Load();
  }
  if (!started) {
    const aclError code = functions.Init(config.empty() ? nullptr : config.c_str());
    if (code != 0) {
      const char *const message = functions.GetRecentErrMsg();
      throw InputError("AscendCL does not start (error " + std::to_string(code) +
                       (message == nullptr ? "" : ": " + OneLine(message)) +
                       "), expected CANN and a driver that fit each other; see npu-smi info");
    }
    started = true;
  }
  return functions;
}

void AclLibrary::Finish() {
  if (started) {
    functions.Finalize();
    started = false;
  }
}

}  // namespace slimsr
