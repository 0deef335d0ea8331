// A GGUF file: its structure, the configuration made from it, its tensors and its tokenizer.
#include "architecture/model_config.h"
#include "io/checkpoint.h"
#include "target.h"
#include "tokenizer/stored_tokenizer.h"
#include "weights.h"

REFOCUS_FUZZ_TARGET(gguf) {
  using namespace refocus;
  const Checkpoint checkpoint = open_checkpoint(fuzz::write_scratch("model.gguf", input));
  fuzz::touch(checkpoint.weights);
  if (checkpoint.vocabulary) {
    const auto tokenizer = make_stored_tokenizer("vocabulary", *checkpoint.vocabulary);
    const auto ids = tokenizer->encode_prompt("Once upon a time, 12 \xC3\xA9 <s>.");
    tokenizer->decode(ids);
  }
  parse_config(checkpoint.config_json, checkpoint.config_source);
}
