#include "study_support.h"

#include <fmt/core.h>

#include <cmath>

namespace refocus::testing {

Study study_by_hand(bool with_before) {
  Study study;
  study.layers = 2;
  study.statistics = {"entropy",           "mass_first",        "mass_previous",
                      "mass_self",         "mass_non_semantic", "outlier_keys.all",
                      "divergence_layer0", "mass_mask_after",   "row_sum"};
  study.has_before = with_before;
  for (const std::string prompt : {"cot", "direct"}) {
    for (const std::string intervention : {"none", "rebalance"}) {
      study.arms.push_back({fmt::format("{}-{}", prompt, intervention), prompt, intervention, {}});
    }
  }
  for (std::size_t a = 0; a < study.arms.size(); ++a) {
    for (int i = 0; i < 40; ++i) {
      StudiedText text;
      text.subject = std::string("s");
      text.index = i;
      text.correct = i >= 16;
      text.answer = "B";
      text.prompt_tokens = 5;
      text.generated_tokens = 2;
      for (int l = 0; l < 2; ++l) {
        for (int s = 0; s < 9; ++s) {
          const bool none = i == 27 && s == 8;
          const double value = 100.0 * static_cast<double>(a) + 10 * l + s + i % 2 + (i < 16 ? 5 : 0);
          text.attention.values.push_back(none ? NAN : value);
        }
      }
      if (with_before) {
        text.before = text.attention;
        for (double& value : text.before->values) value -= 3;
      }
      study.arms[a].texts.push_back(std::move(text));
    }
  }
  return study;
}

}  // namespace refocus::testing
