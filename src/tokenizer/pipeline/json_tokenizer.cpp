#include "tokenizer/pipeline/json_tokenizer.h"

#include "tokenizer/pipeline/text_alignment.h"

namespace refocus {

void JsonTokenizer::encode_stretch(std::string_view text, bool first, EncodeOptions options,
                                   std::vector<std::int32_t>& ids) const {
  const std::string normalized = normalizer_.apply(text);
  // Where the ranges end lies in the text as given, not in the normalized one.
  const std::vector<std::size_t> from =
      options.special_in ? align_text(text, normalized) : std::vector<std::size_t>{};
  const auto special = [&](std::size_t begin, std::size_t end) {
    return from.empty() ? options.parse_special : reads_special(options, from[begin], from[end]);
  };
  for (const TextPart& part : normalized_added_.split(normalized, special)) {
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
