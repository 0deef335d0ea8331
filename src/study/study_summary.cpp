#include "study/study_summary.h"

#include <cmath>
#include <utility>

namespace refocus {

ArmSummary summarise(const Study& study, std::size_t arm) {
  ArmSummary out;
  const std::size_t cells = static_cast<std::size_t>(study.layers) * study.statistics.size();
  std::vector<std::int64_t> counts(cells, 0);
  out.means.assign(cells, 0.0);
  const std::vector<StudiedText>& texts = study.arms[arm].texts;
  for (const StudiedText& text : texts) {
    out.labelled += text.correct.has_value();
    out.right += text.correct.value_or(false);
    out.generated_tokens += static_cast<double>(text.generated_tokens) / static_cast<double>(texts.size());
    for (std::size_t i = 0; i < cells; ++i) {
      const double value = text.attention.values[i];
      if (std::isnan(value)) continue;
      out.means[i] += value;
      ++counts[i];
    }
  }
  for (std::size_t i = 0; i < cells; ++i) {
    out.means[i] = counts[i] == 0 ? NAN : out.means[i] / static_cast<double>(counts[i]);
  }
  out.texts = std::move(counts);
  return out;
}

}  // namespace refocus
