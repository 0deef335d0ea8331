// tokenizer.json, and what it then makes of text. The first part is the file, the second (where there is one)
// tokenizer_config.json, the third a text.
#include "target.h"
#include "tokenizer/tokenizer.h"

REFOCUS_FUZZ_TARGET(tokenizer_json) {
  using namespace refocus;
  const auto parts = fuzz::parts(input);
  const auto folder = fuzz::write_scratch("json/tokenizer.json", parts[0]).parent_path();
  fuzz::write_scratch("json/tokenizer_config.json", parts.size() > 1 ? parts[1] : "{}");
  const auto tokenizer = load_json_tokenizer(folder);
  const std::string_view text = parts.size() > 2 ? parts[2] : "Once  upon\na time, 12 \xC3\xA9 <s>";
  for (const bool special : {false, true}) {
    const auto ids = tokenizer->encode_prompt(text, {.parse_special = special});
    for (const std::int32_t id : ids)
      fuzz::require(tokenizer->contains(id), "an encoded id is in the vocabulary");
    tokenizer->decode(ids, {.skip_special = special});
  }
}
