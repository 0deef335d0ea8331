// Means over the texts of an arm.
#pragma once

#include <cstdint>
#include <vector>

#include "study/study.h"

namespace refocus {

struct ArmSummary {
  std::int64_t labelled = 0, right = 0;
  double generated_tokens = 0;      // mean
  std::vector<double> means;        // [layers, statistics], over texts that have a value; NaN where none has
  std::vector<std::int64_t> texts;  // [layers, statistics], that have a value

  double mean(const Study& study, std::int64_t layer, std::size_t statistic) const {
    return means[static_cast<std::size_t>(layer) * study.statistics.size() + statistic];
  }
  std::int64_t texts_with(const Study& study, std::int64_t layer, std::size_t statistic) const {
    return texts[static_cast<std::size_t>(layer) * study.statistics.size() + statistic];
  }
};

ArmSummary summarise(const Study& study, std::size_t arm);

}  // namespace refocus
