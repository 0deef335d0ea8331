// Letters read from a reply by both sets of rules, and short answers. The first part is the reply, the others
// are the options.
#include "base/utf8.h"
#include "eval/extract/extraction.h"
#include "eval/extract/short_answer.h"
#include "target.h"

namespace {

void check_span(const refocus::Extraction& found, std::string_view reply) {
  refocus::fuzz::require(0 <= found.span_begin && found.span_begin <= found.span_end &&
                             found.span_end <= static_cast<std::int64_t>(reply.size()),
                         "a span is within the reply");
}

}  // namespace

REFOCUS_FUZZ_TARGET(replies) {
  using namespace refocus;
  const auto parts = fuzz::parts(input);
  std::vector<std::string> choices(parts.begin() + 1, parts.end());
  if (choices.empty()) choices = {"two", "four", "None of the above", "a"};
  for (const ExtractionRules rules : {ExtractionRules::kAnchored, ExtractionRules::kPublished}) {
    const Extraction found = extract(rules, choices, parts[0]);
    if (!found.letter) continue;
    const int letter = *found.letter - 'A';
    fuzz::require(letter >= 0 && letter < static_cast<int>(choices.size()),
                  "a letter is one of the options'");
    check_span(found, parts[0]);
  }
  const std::string text = replace_invalid_utf8(parts[0]);  // as judge_text gives it
  for (const ShortMetric metric : {ShortMetric::kExactMatch, ShortMetric::kNumeric}) {
    check_span(extract_short_answer({.metric = metric}, text), text);
  }
}
