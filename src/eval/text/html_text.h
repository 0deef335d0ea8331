// Pieces of a report's HTML: numbers as people read them, and cells of tables.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stats/interval.h"

namespace refocus {

inline constexpr std::string_view kMissing = "–";  // where a number does not exist

std::string html_percent(const std::optional<double>& fraction);     // "35.2"
std::string html_points(double fraction);                            // "+1.2", "−0.4", "0.0": points of 100
std::string html_interval(const std::optional<Interval>& interval);  // "[30.1, 40.5]" per cent
std::string html_points_interval(const std::optional<Interval>& interval);  // "[−0.4, +1.2]"
std::string html_p(const std::optional<double>& p);                         // "0.0312", "<0.0001", "1"
// "in per cent with interval": a number and its interval in a lighter tone.
std::string html_with_interval(const std::string& number, const std::string& interval);

// A cell of a number; `sort` is what the column is sorted by, nothing for a missing number.
std::string number_cell(const std::string& html, const std::optional<double>& sort);
std::string count_cell(std::int64_t count);
std::string text_cell(std::string_view text);           // escaped
std::string row_head(std::string_view text);            // a row's header cell, escaped
std::string column_head(std::string_view text);         // of texts
std::string number_column_head(std::string_view text);  // of numbers

// A table inside a region that scrolls by itself where the page is narrow. `head` is one row's cells.
std::string html_table(const std::string& caption, const std::string& head, const std::string& bodies,
                       bool sortable = true);
std::string html_row(const std::string& cells, bool total = false);

}  // namespace refocus
