#include "analyze/pictures/row_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "analyze/attention_maps.h"
#include "analyze/pictures/capture_node.h"
#include "analyze/pictures/token_label.h"
#include "base/error.h"
#include "figure/svg.h"

namespace refocus {

namespace {

using nlohmann::json;

constexpr std::size_t kMostKeys = 48;
constexpr double kLeft = 56, kTop = 30, kPanel = 110, kPanelGap = 34, kKey = 22, kBar = 8, kLabels = 96;
constexpr double kLeastWidth = 560;
constexpr const char *kBefore = "#9a9a9a", *kAfter = "#1f6fb4", *kChosen = "#b45a00";

// A row's weights by key, as far as they were kept.
struct PictureRow {
  std::map<std::int32_t, float> before, after;
};

struct RowPanel {
  std::string title;
  PictureRow row;
  std::vector<bool> chosen;
};

// The place of `number` in a list of attention.json.
std::int64_t place_of(const json& list, std::int64_t number, const char* what, const char* option) {
  const auto found = std::ranges::find(list, json(number));
  if (found == list.end()) {
    throw usage_error("--picture", "expected a {} that is kept, got {}; see {}", what, number, option);
  }
  return found - list.begin();
}

std::map<std::int32_t, float> weights_of(const MapRows& rows, std::int64_t place) {
  std::map<std::int32_t, float> out;
  const auto row = static_cast<std::size_t>(place);
  for (std::int64_t k = rows.offsets[row]; k < rows.offsets[row + 1]; ++k) {
    out[rows.keys[static_cast<std::size_t>(k)]] = rows.weights[static_cast<std::size_t>(k)];
  }
  return out;
}

RowPanel read_panel(const ArmMaps& maps, const json& capture, const RowChoice& choice) {
  const auto& queries = maps.queries();
  const auto query = std::ranges::find(queries, choice.query);
  if (query == queries.end()) {
    throw usage_error("--picture", "expected a row that is kept, got {}; see --queries", choice.query);
  }
  const std::int64_t layer = place_of(capture.at("layers"), choice.layer, "layer", "--layers");
  const std::int64_t head = place_of(capture.at("heads"), choice.head, "head", "--heads");
  const std::int64_t place = query - queries.begin();
  RowPanel panel;
  panel.row = {weights_of(maps.rows(true, layer, head, maps.kept()), place),
               weights_of(maps.rows(false, layer, head, maps.kept()), place)};
  return panel;
}

// The keys to draw, ascending: those with the largest weight in any panel.
std::vector<std::int32_t> keys_of(const std::vector<RowPanel>& panels) {
  std::map<std::int32_t, float> largest;
  for (const RowPanel& panel : panels) {
    for (const auto* weights : {&panel.row.before, &panel.row.after}) {
      for (const auto& [key, weight] : *weights) largest[key] = std::max(largest[key], std::fabs(weight));
    }
  }
  std::vector<std::pair<float, std::int32_t>> order;
  for (const auto& [key, weight] : largest) order.emplace_back(-weight, key);
  std::ranges::sort(order);
  if (order.size() > kMostKeys) order.resize(kMostKeys);
  std::vector<std::int32_t> out;
  for (const auto& [weight, key] : order) out.push_back(key);
  std::ranges::sort(out);
  return out;
}

std::string bar(const svg::Scale& y, double x, float weight, const char* color) {
  const double top = y(std::max(0.0F, weight)), bottom = y(std::min(0.0F, weight));
  if (bottom - top < 0.05) return "";
  return svg::area({{x, top}, {x + kBar, top}, {x + kBar, bottom}, {x, bottom}}, color, 1);
}

std::string draw_panel(const RowPanel& panel, const std::vector<std::int32_t>& keys, double top,
                       double right) {
  float low = 0, high = 0;
  for (const auto* weights : {&panel.row.before, &panel.row.after}) {
    for (const auto& [key, weight] : *weights) low = std::min(low, weight), high = std::max(high, weight);
  }
  if (high == low) high = low + 1;
  const svg::Scale y{high, low, top, top + kPanel};
  std::string out = svg::text(kLeft, top - 8, panel.title, {.bold = true}) + svg::value_grid(y, kLeft, right);
  out += svg::line({{kLeft, y(0)}, {right, y(0)}}, {.color = "#444", .width = 1});
  for (std::size_t k = 0; k < keys.size(); ++k) {
    const double x = kLeft + kKey * static_cast<double>(k) + 3;
    const auto weight = [&](const std::map<std::int32_t, float>& weights) {
      const auto found = weights.find(keys[k]);
      return found == weights.end() ? 0.0F : found->second;
    };
    out += bar(y, x, weight(panel.row.before), kBefore) + bar(y, x + kBar, weight(panel.row.after), kAfter);
    const auto key = static_cast<std::size_t>(keys[k]);
    if (key < panel.chosen.size() && panel.chosen[key]) {
      out += svg::mark(x + kBar, top + kPanel + 7, {2}, kChosen);
    }
  }
  return out;
}

std::string draw(const std::vector<RowPanel>& panels, const json& tokens, const RowChoice& choice,
                 const std::string& model, const char* before) {
  const std::vector<std::int32_t> keys = keys_of(panels);
  const double right = kLeft + kKey * static_cast<double>(keys.size());
  const double bottom = kTop + (kPanel + kPanelGap) * static_cast<double>(panels.size());
  bool chosen = false;
  for (const RowPanel& panel : panels) chosen |= std::ranges::count(panel.chosen, true) > 0;
  std::string out = svg::begin(std::max(right + 20, kLeastWidth), bottom + kLabels);
  out += svg::text(
      10, 18, fmt::format("{}: layer {}, head {}, row {}", model, choice.layer, choice.head, choice.query),
      {.bold = true});
  double top = kTop + 22;
  for (const RowPanel& panel : panels) {
    out += draw_panel(panel, keys, top, right);
    top += kPanel + kPanelGap;
  }
  for (std::size_t k = 0; k < keys.size(); ++k) {
    const double x = kLeft + kKey * static_cast<double>(k) + 3 + kBar;
    const auto key = static_cast<std::size_t>(keys[k]);
    out += svg::text(x, bottom + 10, token_label(key < tokens.size() ? tokens[key] : json(), keys[k]),
                     {.anchor = "end", .turn = -50});
  }
  const auto legend = [&](double x, const char* color, const char* what) {
    out += svg::area({{x, bottom + 78}, {x + 10, bottom + 78}, {x + 10, bottom + 88}, {x, bottom + 88}},
                     color, 1);
    out += svg::text(x + 15, bottom + 88, what);
  };
  legend(kLeft, kBefore, before);
  legend(kLeft + 150, kAfter, "weight after");
  if (chosen) {
    out += svg::mark(kLeft + 265, bottom + 84, {2}, kChosen) +
           svg::text(kLeft + 275, bottom + 88, "key of keys=");
  }
  return out + svg::end();
}

// Where `none` is among several arms, its row is what the others are compared with, in place of what their
// own softmax left: then changes of scores and of earlier layers are seen too.
bool compare_with_none(std::vector<RowPanel>& panels) {
  const auto none = std::ranges::find(panels, "none", &RowPanel::title);
  if (none == panels.end() || panels.size() == 1) return false;
  const std::map<std::int32_t, float> weights = none->row.after;
  panels.erase(none);
  for (RowPanel& panel : panels) panel.row.before = weights;
  return true;
}

}  // namespace

std::string row_figure(const std::filesystem::path& directory, const RowChoice& choice,
                       const ChosenKeys& chosen) {
  const CaptureFile file = read_capture_file(directory / kCaptureFile);
  const json& capture = file.json;
  const CaptureNode whole = file.root();
  std::vector<RowPanel> panels;
  const json* tokens = nullptr;
  std::size_t place = 0;
  for (const auto& arm : whole.at("arms").items()) {
    const ArmMaps maps(directory, arm.json(), capture);
    RowPanel& panel = panels.emplace_back(read_panel(maps, capture, choice));
    panel.title = arm.at("intervention").text();
    if (place < chosen.size()) panel.chosen = chosen[place];
    if (++place == 1) tokens = &(arm.find("tokens") ? arm : whole).at("tokens").json();
  }
  REFOCUS_CHECK(tokens != nullptr);
  const bool unchanged = compare_with_none(panels);
  return draw(panels, *tokens, choice, whole.at("model").at("path").text(),
              unchanged ? "without intervention" : "weight before");
}

}  // namespace refocus
