#include "tokenizer/json_tokenizer.h"

namespace refocus {

void JsonTokenizer::encode_stretch(std::string_view text, bool first, EncodeOptions options,
                                   std::vector<std::int32_t>& ids) const {
  const std::string normalized = normalizer_.apply(text);
  for (const TextPart& part : normalized_added_.split(normalized, options.parse_special)) {
    if (part.id >= 0) {
      ids.push_back(part.id);
      continue;
    }
    const std::string_view stretch = std::string_view(normalized).substr(part.begin, part.end - part.begin);
    const Words words = pre_tokenizer_.apply(stretch, first && part.begin == 0);
    for (const std::string_view word : words.words) {
      if (const auto* bpe = std::get_if<Bpe>(&model_)) {
        bpe->encode(word, ids);
      } else {
        std::get<Unigram>(model_).encode(word, ids);
      }
    }
  }
}

}  // namespace refocus
