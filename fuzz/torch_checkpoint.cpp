// A zip archive with a pickle, as torch.save writes it.
#include "io/pytorch/torch_checkpoint.h"

#include "weights.h"

REFOCUS_FUZZ_TARGET(torch_checkpoint) {
  refocus::WeightMap weights;
  refocus::read_torch_checkpoint(refocus::fuzz::write_scratch("pytorch_model.bin", input), weights);
  refocus::fuzz::touch(weights);
}
