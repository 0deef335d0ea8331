#include "analyze/pictures/map_figure.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "analyze/attention_maps.h"
#include "analyze/pictures/capture_node.h"
#include "analyze/pictures/token_label.h"
#include "base/error.h"
#include "figure/heat_map.h"

namespace refocus {
namespace {

constexpr double kMostCell = 14;            // points
constexpr std::int64_t kMostTokens = 2000;  // of a picture: cells are thinner than any print beyond

// The place of a number in a list of attention.json, or -1.
std::int64_t place_in(const CaptureNode& list, std::int64_t number) {
  std::int64_t place = 0;
  for (const CaptureNode& item : list.items()) {
    if (item.whole() == number) return place;
    ++place;
  }
  return -1;
}

// The keys that are shown, as [first, last].
std::pair<std::int64_t, std::int64_t> shown_tokens(const ArmMaps& maps, const MapChoice& choice) {
  const std::int64_t last = choice.last < 0 ? maps.keys() - 1 : choice.last;
  if (choice.first > last || last >= maps.keys()) {
    throw usage_error("--tokens", "expected positions from 0 to {}, got {}-{}; the text has no others",
                      maps.keys() - 1, choice.first, last);
  }
  if (last - choice.first >= kMostTokens) {
    throw usage_error("--tokens",
                      "expected at most {} tokens in a picture, got {}; choose some with --tokens A-B",
                      kMostTokens, last - choice.first + 1);
  }
  return {choice.first, last};
}

std::vector<std::string> labels_of(const CaptureNode& tokens, const std::vector<std::int64_t>& positions) {
  const nlohmann::json& list = tokens.json();
  std::vector<std::string> out;
  for (const std::int64_t at : positions) {
    const auto place = static_cast<std::size_t>(at);
    out.push_back(token_label(list.is_array() && place < list.size() ? list[place] : nlohmann::json(), at));
  }
  return out;
}

// Queries and keys of one head, with what was kept of each weight.
struct KeptMap {
  std::vector<std::int64_t> queries, keys;
  std::vector<double> weights;  // [queries, keys]; NaN where none was kept
};

KeptMap kept_map(const ArmMaps& maps, std::int64_t layer, std::int64_t head, const MapChoice& choice) {
  const auto [first, last] = shown_tokens(maps, choice);
  const MapRows rows = maps.rows(false, layer, head, maps.kept());
  KeptMap out;
  for (std::int64_t key = first; key <= last; ++key) out.keys.push_back(key);
  for (std::size_t q = 0; q < maps.queries().size(); ++q) {
    const std::int64_t query = maps.queries()[q];
    if (query < first || query > last) continue;
    out.queries.push_back(query);
    std::vector<double> row(out.keys.size(), std::numeric_limits<double>::quiet_NaN());
    for (std::int64_t k = rows.offsets[q]; k < rows.offsets[q + 1]; ++k) {
      const std::int64_t key = rows.keys[static_cast<std::size_t>(k)];
      if (key >= first && key <= last)
        row[static_cast<std::size_t>(key - first)] = rows.weights[static_cast<std::size_t>(k)];
    }
    out.weights.insert(out.weights.end(), row.begin(), row.end());
  }
  if (out.queries.empty()) {
    throw usage_error("--tokens",
                      "expected positions with rows that were kept, got {}-{}; see --queries of attention",
                      first, last);
  }
  return out;
}

figure::HeatMap heat_map_of(const KeptMap& kept, const CaptureNode& tokens) {
  figure::HeatMap map;
  map.rows = kept.queries.size();
  map.columns = kept.keys.size();
  map.values = kept.weights;
  map.blank_missing = true;
  map.row_labels = labels_of(tokens, kept.queries);
  map.column_labels = labels_of(tokens, kept.keys);
  map.turned_columns = true;
  map.row_title = "query";
  map.column_title = "key";
  map.most_cell = kMostCell;
  double most = 0;
  map.scale.signs = false;
  for (const double weight : kept.weights) {
    if (std::isnan(weight)) continue;
    most = std::max(most, std::fabs(weight));
    map.scale.signs |= weight < 0;
  }
  map.scale.most = most == 0 ? 1 : most;
  map.scale.title = "weight";
  return map;
}

}  // namespace

figure::Picture map_figure(const std::filesystem::path& directory, const MapChoice& choice,
                           const figure::Style& style) {
  const CaptureFile file = read_capture_file(directory / kCaptureFile);
  const CaptureNode root = file.root();
  if (root.find("dataset")) {
    throw input_error(
        file.source.where,
        "expected the maps of one text, got statistics of a task; capture a prompt, or use heads");
  }
  const CaptureNode arm = captured_arm(root, "name", choice.arm);
  const std::int64_t layer = place_in(root.at("layers"), choice.layer),
                     head = place_in(root.at("heads"), choice.head);
  if (layer < 0 || head < 0) {
    throw usage_error("--head",
                      "expected a layer and head that were kept, got {}.{}; see --layers and --heads of "
                      "attention",
                      choice.layer, choice.head);
  }
  const ArmMaps maps(directory, arm.json(), file.json);
  const KeptMap kept = kept_map(maps, layer, head, choice);
  const CaptureNode tokens = (arm.find("tokens") ? arm : root).at("tokens");
  std::string caption =
      fmt::format("Attention weights of layer {}, head {} (intervention: {}): queries down, keys across.",
                  choice.layer, choice.head, printable(arm.at("intervention").text(), 400));
  if (!maps.dense()) caption += fmt::format(" Of each row the {} largest weights were kept.", maps.kept());
  return figure::heat_maps({heat_map_of(kept, tokens)}, style, caption);
}

}  // namespace refocus
