// What packed_matmul.cpp hands to a thread, and the kernels it chooses from.
#pragma once

#include <cstdint>

#include "kernels/packed_matmul.h"

#define REFOCUS_INT8_PLAIN 0
#define REFOCUS_INT8_AVX2 1
#define REFOCUS_INT8_VNNI 2

namespace refocus {

// Panels [begin, end) of one job, for all rows.
struct PackedTask {
  const QuantizedRows* x;
  const PackedJob* job;
  std::int64_t begin, end;
};

using RunPacked = void (*)(const PackedTask& task);

// AVX-512 with VNNI; only where the processor has both.
void run_packed_vnni(const PackedTask& task);

}  // namespace refocus
