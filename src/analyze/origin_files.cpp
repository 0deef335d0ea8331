#include "analyze/origin_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

ordered_json number_or_null(double value) { return std::isnan(value) ? ordered_json() : ordered_json(value); }

// The rows that any query is of.
std::vector<std::size_t> used_rows(const OriginShareTable& table) {
  std::vector<std::size_t> out;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (table.queries[row] > 0) out.push_back(row);
  }
  return out;
}

// The mean of what is there; NaN where nothing is.
double mean_share(std::span<const double> values) {
  double sum = 0;
  int count = 0;
  for (const double value : values) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count > 0 ? sum / count : std::nan("");
}

std::string percent(double share, int width) {
  return std::isnan(share) ? fmt::format("{:>{}}", "-", width) : fmt::format("{:>{}.1f}", 100 * share, width);
}

}  // namespace

ordered_json origins_json(const OriginShareTable& table, std::size_t heads) {
  ordered_json keys = ordered_json::object(), queries = keys, even = keys, shares = keys;
  for (std::size_t g = 0; g < table.groups.size(); ++g) keys[table.groups[g]] = table.keys[g];
  for (const std::size_t row : used_rows(table)) {
    const std::string name = table.row_name(row);
    queries[name] = table.queries[row];
    for (std::size_t g = 0; g < table.groups.size(); ++g) {
      even[name][table.groups[g]] = table.even_share(row, g);
      shares[name][table.groups[g]] = grid_json(table.share(row, g), heads);
    }
  }
  return {{"groups", table.groups},
          {"queries", std::move(queries)},
          {"keys", std::move(keys)},
          {"even", std::move(even)},
          {"shares", std::move(shares)}};
}

std::string origins_csv(const AttentionSettings& settings, std::span<const NamedResult> arms) {
  std::string out;
  for (const NamedResult& named : arms) {
    if (!named.result->origins) continue;
    const OriginShareTable& table = *named.result->origins;
    const std::string arm = csv_field(named.arm->name);
    for (const std::size_t row : used_rows(table)) {
      const std::string queries = csv_field(table.row_name(row));
      for (std::size_t g = 0; g < table.groups.size(); ++g) {
        const std::span<const double> shares = table.share(row, g);
        const std::string keys = csv_field(table.groups[g]);
        for (std::size_t cell = 0; cell < shares.size(); ++cell) {
          if (std::isnan(shares[cell])) continue;
          out += fmt::format("{},{},{},{},{},{},{}\n", arm, settings.layers[cell / settings.heads.size()],
                             settings.heads[cell % settings.heads.size()], queries, keys, shares[cell],
                             table.even_share(row, g));
        }
      }
    }
  }
  return out.empty() ? out : "arm,layer,head,queries,keys,share,even\n" + out;
}

std::string origins_table(const OriginShareTable& table) {
  constexpr std::size_t kLongest = 40;
  std::size_t width = sizeof("origin of the key") - 1;
  std::vector<std::string> names;
  for (const std::string& group : table.groups) {
    names.push_back(printable(group, kLongest));
    width = std::max(width, names.back().size());
  }
  std::string out = fmt::format("{:<{}}  tokens  even %  all rows %", "origin of the key", width);
  const bool last = table.queries[kLastRow] > 0;
  out += last ? "  even %  last rows %\n" : "\n";
  for (std::size_t g = 0; g < names.size(); ++g) {
    out += fmt::format("{:<{}}  {:>6}  {}  {}", names[g], width, table.keys[g],
                       percent(table.even_share(kAllRows, g), 6),
                       percent(mean_share(table.share(kAllRows, g)), 10));
    if (last) {
      out += fmt::format("  {}  {}", percent(table.even_share(kLastRow, g), 6),
                         percent(mean_share(table.share(kLastRow, g)), 11));
    }
    out += "\n";
  }
  return out;
}

ordered_json origin_means_json(const OriginShareTable& table, std::size_t heads) {
  ordered_json out = ordered_json::object();
  for (const std::size_t row : {kAllRows, kLastRow}) {
    if (table.queries[row] == 0) continue;
    for (std::size_t g = 0; g < table.groups.size(); ++g) {
      ordered_json& layers = out[table.row_name(row)][table.groups[g]] = ordered_json::array();
      const std::span<const double> shares = table.share(row, g);
      for (std::size_t at = 0; at < shares.size(); at += heads) {
        layers.push_back(number_or_null(mean_share(shares.subspan(at, heads))));
      }
    }
  }
  return out;
}

}  // namespace refocus
