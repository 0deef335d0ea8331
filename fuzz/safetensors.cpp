// A .safetensors file.
#include "io/safetensors.h"

#include "weights.h"

REFOCUS_FUZZ_TARGET(safetensors) {
  refocus::WeightMap weights;
  refocus::read_safetensors(refocus::fuzz::write_scratch("model.safetensors", input), weights);
  refocus::fuzz::touch(weights);
}
