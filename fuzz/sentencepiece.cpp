// tokenizer.model, and what it then makes of text.
#include "target.h"
#include "tokenizer/tokenizer.h"

REFOCUS_FUZZ_TARGET(sentencepiece) {
  using namespace refocus;
  const auto folder = fuzz::write_scratch("sentencepiece/tokenizer.model", input).parent_path();
  const auto tokenizer = load_sentencepiece_tokenizer(folder);
  const auto ids = tokenizer->encode_prompt("Once  upon\na time, 12 \xC3\xA9 <s>", {.parse_special = true});
  for (const std::int32_t id : ids)
    fuzz::require(tokenizer->contains(id), "an encoded id is in the vocabulary");
  tokenizer->decode(ids);
}
