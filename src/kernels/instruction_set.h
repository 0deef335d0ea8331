// Which instruction set the kernels use. They are compiled for several and take the best that the processor
// has.
#pragma once

#include <string>
#include <vector>

namespace refocus {

// The one in use, as people call it: "AMX", "AVX-512 VNNI", "AVX-512", "AVX2", "SSSE3", "NEON", "SVE".
std::string instruction_set();

// What multiplies activations in bf16 (bf16_matmul.h), on which their products' bits depend: "AMX", "AVX-512
// BF16", or "float32", whose bits depend on the instruction set in use.
std::string bf16_products();

// Names for limit_instruction_set that this processor can run, the best first.
std::vector<std::string> instruction_sets();

// From now on uses `name` or what is below it; not while kernels run. InputError where the processor or this
// build lacks it, about what asked. For measurements of one instruction set on a machine that has a better
// one, and for the same bits on machines that differ.
void limit_instruction_set(const std::string& name, const std::string& asked_by);

}  // namespace refocus
