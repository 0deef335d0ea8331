#include "eval/run/answer_warning.h"

#include <fmt/format.h>

namespace refocus {

std::optional<std::string> answer_warning(std::string_view arm, const Tally& tally, const AskedHow& how) {
  if (tally.answered == 0 || tally.scored > 0) return std::nullopt;
  // Of a transcript nothing is read: there, what is cut off counts.
  const std::int64_t cut = tally.unparsed == 0 && tally.read_unfinished == 0 ? tally.truncated : 0;
  const std::int64_t lost = std::max(tally.unparsed + tally.read_unfinished, tally.empty + cut);
  if (lost * 5 <= tally.answered) return std::nullopt;
  std::string cause;
  if (how.refused_chat) {
    cause = "the model has a chat template and was asked without it: leave --no-chat out";
  } else if (tally.truncated * 2 > lost) {
    cause = fmt::format("most are cut off at {} tokens: raise --max-new-tokens", how.max_new_tokens);
  } else if (tally.empty * 2 > lost) {
    cause =
        "most are empty: the model ends at once; ask with --loglikelihood, or with other words (--profile)";
  } else {
    cause = "the model may not follow the instruction: read some in the report, or ask with --loglikelihood";
  }
  return fmt::format("{}: {:.0f}% of {} answers are empty, cut off, or without an answer that was found; {}",
                     arm, 100.0 * static_cast<double>(lost) / static_cast<double>(tally.answered),
                     tally.answered, cause);
}

}  // namespace refocus
