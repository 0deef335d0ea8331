// What a study measures of its texts, by several processes that have the same plan.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "cluster/work_share.h"
#include "study/text_measurer.h"

namespace refocus {

inline constexpr char kMeasuringPhase[] = "measures";

// A text that is to be measured in one model.
struct ToMeasure {
  AskedText text;
  bool before = false;  // in the other model
};

// The leader's: `on_values` gets each text's place, its values and what they are called.
using OnMeasured =
    std::function<void(std::size_t place, TextValues values, const std::vector<std::string>& names)>;
void measure_together(WorkShare& share, const DoWork& work, const Plan& plan,
                      const std::vector<ToMeasure>& texts, const OnMeasured& on_values);

// What everyone does. `before` may be null.
DoWork measuring_work(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                      const TextMeasurer& now, const TextMeasurer* before);

}  // namespace refocus
