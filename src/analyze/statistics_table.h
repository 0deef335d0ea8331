// The main attention statistics of an arm as a table for the terminal: a line a layer, means over heads.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "analyze/attention_run.h"

namespace refocus {

// Ends with a line of means over layers where there are several.
std::string statistics_table(const AttentionSettings& settings, const AttentionResult& result);

// The mean over heads of every statistic, all classes, [layers]; null where there is none. The table's
// numbers and the others.
nlohmann::ordered_json layer_means_json(const AttentionSettings& settings, const AttentionResult& result);

}  // namespace refocus
