// What bf16_matmul.cpp hands to a thread, and what it takes from other files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/bf16_matmul.h"

namespace refocus {

// Panels of kPanelOutputs outputs [begin, end) of one job times groups of rows.
struct Bf16Task {
  const Bf16Rows* x;
  const Bf16Job* job;
  std::int64_t begin, end;
  std::int64_t first_group, end_group;
};

// Only where bf16_kind() is that, with rows made for it.
void run_bf16_amx(const Bf16Task& task);
void run_bf16_avx512(const Bf16Task& task);

// One row of floats to steps `step_bytes` apart, rounded. AVX-512 with bf16.
void round_row_to_steps(const float* x, std::int64_t inputs, std::int64_t step_bytes, std::byte* to);

// Inputs [first, first + count) of a panel as float32, [count, kPanelOutputs]; both multiples of kQuantBlock.
using UnpackChunk = void (*)(PackedForm form, const std::byte* panel, std::int64_t first, std::int64_t count,
                             float* to);
UnpackChunk chunk_unpacker();

}  // namespace refocus
