// cuBLASLt, loaded while the program runs: its headers are not needed to build, nor the library to start.
//
// Names and values are those of the documented interface (cublasLt.h and cublas_api.h of CUDA 12 and 13);
// only what many_rows.cu calls is declared. Descriptors are opaque: the library makes and destroys them.
#pragma once

#include <cuda_runtime.h>
#include <library_types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace refocus::cuda {

using CublasStatus = int;  // cublasStatus_t
inline constexpr CublasStatus kCublasSuccess = 0;

inline constexpr int kCublasCompute32F = 68;          // CUBLAS_COMPUTE_32F: of F32, no TF32
inline constexpr std::int32_t kCublasTransposed = 1;  // CUBLAS_OP_T

// cublasLtMatmulDescAttributes_t
inline constexpr int kMatmulTransA = 3;  // CUBLASLT_MATMUL_DESC_TRANSA, int32
// cublasLtMatrixLayoutAttribute_t
inline constexpr int kLayoutColumns = 3;           // CUBLASLT_MATRIX_LAYOUT_COLS, uint64
inline constexpr int kLayoutLeadingDimension = 4;  // CUBLASLT_MATRIX_LAYOUT_LD, int64
// cublasLtMatmulPreferenceAttributes_t
inline constexpr int kPreferMaxWorkspaceBytes = 1;    // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64
inline constexpr int kPreferReductionSchemeMask = 3;  // CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, uint32
// CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES and of B, C and D, uint32
inline constexpr int kPreferAlignmentA = 5, kPreferAlignmentB = 6, kPreferAlignmentC = 7,
                     kPreferAlignmentD = 8;
inline constexpr std::uint32_t kReductionSchemeComputeType = 2;  // CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
inline constexpr std::uint32_t kReductionSchemeNone = 0;         // CUBLASLT_REDUCTION_SCHEME_NONE
// cublasLtMatmulAlgoConfigAttributes_t
inline constexpr int kAlgorithmSplitK = 2;  // CUBLASLT_ALGO_CONFIG_SPLITK_NUM, int32

struct CublasAlgorithm {  // cublasLtMatmulAlgo_t
  std::uint64_t data[8];
};

struct CublasHeuristic {  // cublasLtMatmulHeuristicResult_t
  CublasAlgorithm algorithm;
  std::size_t workspace_bytes;
  CublasStatus state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(CublasHeuristic) == 96);

using CublasHandle = struct CublasContextOpaque*;         // cublasLtHandle_t
using CublasMatmul = struct CublasMatmulOpaque*;          // cublasLtMatmulDesc_t
using CublasLayout = struct CublasLayoutOpaque*;          // cublasLtMatrixLayout_t
using CublasPreference = struct CublasPreferenceOpaque*;  // cublasLtMatmulPreference_t

struct CublasLibrary {
  // The library that is there; what() of the std::runtime_error thrown else says which were looked for.
  static const CublasLibrary& get();

  std::string file;  // the name under which it was found

  CublasStatus (*create)(CublasHandle*);
  CublasStatus (*destroy)(CublasHandle);
  const char* (*status_name)(CublasStatus);
  std::size_t (*version)();
  CublasStatus (*matmul_create)(CublasMatmul*, int compute_type, cudaDataType scale_type);
  CublasStatus (*matmul_destroy)(CublasMatmul);
  CublasStatus (*matmul_set)(CublasMatmul, int attribute, const void* value, std::size_t bytes);
  CublasStatus (*layout_create)(CublasLayout*, cudaDataType, std::uint64_t rows, std::uint64_t columns,
                                std::int64_t leading_dimension);
  CublasStatus (*layout_destroy)(CublasLayout);
  CublasStatus (*layout_set)(CublasLayout, int attribute, const void* value, std::size_t bytes);
  CublasStatus (*preference_create)(CublasPreference*);
  CublasStatus (*preference_destroy)(CublasPreference);
  CublasStatus (*preference_set)(CublasPreference, int attribute, const void* value, std::size_t bytes);
  CublasStatus (*heuristics)(CublasHandle, CublasMatmul, CublasLayout a, CublasLayout b, CublasLayout c,
                             CublasLayout d, CublasPreference, int most, CublasHeuristic*, int* count);
  CublasStatus (*algorithm_check)(CublasHandle, CublasMatmul, CublasLayout a, CublasLayout b, CublasLayout c,
                                  CublasLayout d, const CublasAlgorithm*, CublasHeuristic* result);
  CublasStatus (*algorithm_get)(const CublasAlgorithm*, int attribute, void* value, std::size_t bytes,
                                std::size_t* written);
  CublasStatus (*matmul)(CublasHandle, CublasMatmul, const void* alpha, const void* a, CublasLayout,
                         const void* b, CublasLayout, const void* beta, const void* c, CublasLayout, void* d,
                         CublasLayout, const CublasAlgorithm*, void* workspace, std::size_t workspace_bytes,
                         cudaStream_t);
};

}  // namespace refocus::cuda
