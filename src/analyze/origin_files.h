// Shares by origin as JSON, CSV and a table; formats in docs/attention.md.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "analyze/origin_shares.h"
#include "analyze/statistics_files.h"

namespace refocus {

// The `origins` of an arm in statistics.json; `heads`: how many were chosen.
nlohmann::ordered_json origins_json(const OriginShareTable& table, std::size_t heads);

// Of the arms whose texts have origins; empty where none has.
std::string origins_csv(const AttentionSettings& settings, std::span<const NamedResult> arms);

// A line a group, means over layers and heads in percent, for a terminal.
std::string origins_table(const OriginShareTable& table);

// {"all": {"role:user": [mean over heads, ..a layer..], ...}, "last": ...}
nlohmann::ordered_json origin_means_json(const OriginShareTable& table, std::size_t heads);

}  // namespace refocus
