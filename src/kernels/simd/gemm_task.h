// What gemm.cpp hands to AMX.
#pragma once

#include "base/thread_pool.h"
#include "kernels/gemm.h"

namespace refocus {

// gemm with both operands in three bf16 parts each, whose three least products are left out; only where
// amx_bf16_in_use(). An element of C is summed over k in ascending steps of 32, onto what it was where C is
// added to: this order depends on k alone.
void gemm_amx(ThreadPool& pool, const GemmShape& shape, const GemmOperand& a, const GemmOperand& b,
              const GemmOutput& c, GemmScratch& scratch);

}  // namespace refocus
