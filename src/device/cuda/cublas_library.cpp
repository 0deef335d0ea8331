#include "device/cuda/cublas_library.h"

#include <dlfcn.h>

#include <stdexcept>

namespace refocus::cuda {

namespace {

constexpr const char* kFiles[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"};

template <class Function>
void find(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  if (function == nullptr) {
    throw std::runtime_error(std::string("expected cuBLASLt of CUDA 12 or 13, got a library without ") +
                             name +
                             "; install the PyPI package nvidia-cublas and name its lib directory in "
                             "LD_LIBRARY_PATH");
  }
}

CublasLibrary load() {
  CublasLibrary found{};
  void* library = nullptr;
  std::string reason;
  for (const char* file : kFiles) {
    found.file = file;
    library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
    if (const char* text = dlerror(); text != nullptr && reason.empty()) reason = text;
  }
  if (library == nullptr) {
    throw std::runtime_error(
        "expected cuBLASLt (libcublasLt.so.13 or libcublasLt.so.12), got " + reason +
        "; it comes with CUDA and with the PyPI package nvidia-cublas: name the directory "
        "that it is in in LD_LIBRARY_PATH");
  }
  find(library, "cublasLtCreate", found.create);
  find(library, "cublasLtDestroy", found.destroy);
  find(library, "cublasLtGetStatusName", found.status_name);
  find(library, "cublasLtGetVersion", found.version);
  find(library, "cublasLtMatmulDescCreate", found.matmul_create);
  find(library, "cublasLtMatmulDescDestroy", found.matmul_destroy);
  find(library, "cublasLtMatmulDescSetAttribute", found.matmul_set);
  find(library, "cublasLtMatrixLayoutCreate", found.layout_create);
  find(library, "cublasLtMatrixLayoutDestroy", found.layout_destroy);
  find(library, "cublasLtMatrixLayoutSetAttribute", found.layout_set);
  find(library, "cublasLtMatmulPreferenceCreate", found.preference_create);
  find(library, "cublasLtMatmulPreferenceDestroy", found.preference_destroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", found.preference_set);
  find(library, "cublasLtMatmulAlgoGetHeuristic", found.heuristics);
  find(library, "cublasLtMatmulAlgoCheck", found.algorithm_check);
  find(library, "cublasLtMatmulAlgoConfigGetAttribute", found.algorithm_get);
  find(library, "cublasLtMatmul", found.matmul);
  return found;
}

}  // namespace

const CublasLibrary& CublasLibrary::get() {
  // Never closed: handles may live as long as the program.
  static const CublasLibrary library = load();
  return library;
}

}  // namespace refocus::cuda
