// packed_matmul.cpp's tiles for AVX-512 with VNNI (4 products a lane in one instruction). x86 only.
#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "kernels/simd/fetch.h"
#include "kernels/simd/packed_task.h"
#include "tensor/half.h"

#include <hwy/highway.h>

#if HWY_ARCH_X86
#include <immintrin.h>

#define REFOCUS_INT8 REFOCUS_INT8_VNNI

HWY_PUSH_ATTRIBUTES("avx,avx2,fma,f16c,avx512f,avx512vl,avx512dq,avx512bw,avx512vnni")
namespace refocus {
namespace vnni {
#include "kernels/simd/int8_lanes-inl.h"
#include "kernels/simd/int8_tables-inl.h"
#include "kernels/simd/int8_upper_bits-inl.h"
#include "kernels/simd/packed_output-inl.h"
#include "kernels/simd/packed_places-inl.h"
#include "kernels/simd/packed_run-inl.h"
#include "kernels/simd/packed_widened-inl.h"

#include "kernels/simd/packed_tiles-inl.h"
}  // namespace vnni

void run_packed_vnni(const PackedTask& task) { vnni::run_packed(task); }

}  // namespace refocus
HWY_POP_ATTRIBUTES
#endif
