// The numbers of a comparison as cells of a table: accuracies in per cent, differences in points.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "eval/score/comparison.h"

namespace refocus {

std::string percent_text(const std::optional<double>& fraction);  // "94.9", or "-"
std::string accuracy_text(const Tally& tally);                    // "94.9 [92.9, 96.4]", or "-"
std::string points_text(double difference);  // "+1.2"; "0.0", without a sign, where it rounds to nothing
// "+1.2 [-0.3, +2.7]"; "+1.2 [none]" where there is no interval.
std::string points_with_interval(double difference, const std::optional<Interval>& interval);
std::string difference_text(const PairedNumbers& numbers);      // "+1.2 [-0.3, +2.7]", or "-"
std::string p_text(const std::optional<double>& p);             // "0.0312", "<.0001", or empty
std::string rate_text(std::int64_t count, const Tally& tally);  // "0.5%" of the answered, or "-"
std::string unfinished_text(
    const Tally& tally);  // "7 (3 right)": read from unfinished answers; "7" without labels

// Whether an arm has such answers among all of the task.
bool in_any(const TaskComparison& task, std::int64_t Tally::*count);

}  // namespace refocus
