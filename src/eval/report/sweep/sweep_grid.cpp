#include "eval/report/sweep/sweep_grid.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "base/json_reader.h"
#include "eval/report/comparison_text.h"
#include "eval/text/json_values.h"
#include "figure/axis.h"
#include "figure/heat_map.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using Node = JsonNode<ordered_json>;

// By method its keys with several numbers, in their order.
std::map<std::string, std::vector<std::string>> numeric_keys(const Node& sweep) {
  std::map<std::string, std::vector<std::string>> out;
  for (const Node& axis : sweep.at("axes").items()) {
    const auto values = axis.at("values").items();
    const bool numbers =
        values.size() > 1 && std::ranges::all_of(values, [](const Node& v) { return v.json().is_number(); });
    if (numbers) out[sweep_method(axis)].push_back(axis.at("name").text());
  }
  return out;
}

// A grid as its points come, before its values are known.
struct GridPoints {
  SweepGrid grid;
  std::map<std::pair<double, double>, SweepGrid::Cell> cells;  // by y and x
  std::optional<std::pair<double, double>> best;
};

// The arms that are the choices of one half, of methods and named interventions.
std::set<std::string> chosen_arms(const Node& task) {
  std::set<std::string> out;
  const auto selections = task.find("selection");
  if (!selections) return out;
  for (const Node& selection : selections->items()) out.insert(selection.at("best").at("arm").text());
  return out;
}

void add_to_grid(const Node& task, const Node& curve, const std::string& y_key,
                 std::vector<GridPoints>& all) {
  SweepGrid grid;
  grid.task = task.at("task").text();
  grid.prompt = curve.at("prompt").text();
  grid.method = sweep_method(curve);
  grid.x_key = curve.at("axis").text();
  grid.y_key = y_key;
  const Node fixed = curve.at("fixed");
  for (const auto& [key, value] : fixed.object().items()) {
    if (key == y_key) continue;
    grid.rest += fmt::format("{}{}={}", grid.rest.empty() ? "" : ", ", key,
                             value.is_string() ? value.get<std::string>() : json_text(value));
  }
  grid.baseline = number_at(curve.at("baseline"), "accuracy");
  const auto key_of = [](const SweepGrid& g) { return std::tie(g.task, g.prompt, g.method, g.rest); };
  auto own = std::ranges::find_if(all, [&](const GridPoints& p) { return key_of(p.grid) == key_of(grid); });
  if (own == all.end()) {
    all.push_back({std::move(grid), {}, {}});
    own = all.end() - 1;
  }
  const std::set<std::string> chosen = chosen_arms(task);
  const double y = fixed.at(y_key).number();
  for (const Node& point : curve.at("points").items()) {
    const std::pair at(y, point.at("x").number());
    own->cells[at] = {number_at(point, "accuracy"), number_at(point, "difference")};
    if (chosen.contains(point.at("arm").text())) own->best = at;
  }
}

SweepGrid finished_grid(GridPoints points) {
  SweepGrid out = std::move(points.grid);
  for (const auto& [at, cell] : points.cells) {
    if (std::ranges::find(out.ys, at.first) == out.ys.end()) out.ys.push_back(at.first);
    if (std::ranges::find(out.xs, at.second) == out.xs.end()) out.xs.push_back(at.second);
  }
  std::ranges::sort(out.xs);
  for (const double y : out.ys) {
    for (const double x : out.xs) {
      if (points.best == std::pair(y, x)) out.best = out.cells.size();
      const auto found = points.cells.find({y, x});
      out.cells.push_back(found == points.cells.end() ? std::nullopt : std::optional(found->second));
    }
  }
  return out;
}

// What else is to be said of a grid.
std::string below_title(const SweepGrid& grid) {
  std::string out = "difference to none in points";
  if (grid.baseline) out += fmt::format("; none {:.1f}%", 100 * *grid.baseline);
  if (grid.best) out += "; framed: chosen on one half of the questions";
  if (!grid.rest.empty()) out += "; " + printable(grid.rest, 200);
  return out;
}

std::vector<std::string> number_texts(const std::vector<double>& values) {
  std::vector<std::string> out;
  for (const double value : values) out.push_back(figure::number_text(value));
  return out;
}

figure::HeatMap heat_map_of(const SweepGrid& grid, bool titles) {
  constexpr double kRow = 20, kMostColumn = 52;  // points
  figure::HeatMap out;
  if (titles) {
    out.title = fmt::format("{}, {}{}: difference to none in points", printable(grid.task, 200), grid.prompt,
                            grid.method.empty() ? "" : ", " + grid.method);
  }
  out.rows = grid.ys.size();
  out.columns = grid.xs.size();
  out.upward = true;  // the smallest value is the lowest row
  double most = 0;
  for (const auto& cell : grid.cells) {
    const bool known = cell && cell->difference;
    out.values.push_back(known  ? 100 * *cell->difference
                         : cell ? 0
                                : std::numeric_limits<double>::quiet_NaN());
    out.texts.push_back(known ? points_text(*cell->difference) : "");
    if (known) most = std::max(most, std::fabs(100 * *cell->difference));
  }
  out.row_labels = number_texts(grid.ys);
  out.column_labels = number_texts(grid.xs);
  out.row_title = grid.y_key;
  out.column_title = grid.x_key;
  out.scale = {.most = most == 0 ? 1 : most, .root = false, .title = below_title(grid)};
  if (grid.best) out.framed.emplace_back(*grid.best / grid.xs.size(), *grid.best % grid.xs.size());
  out.cell_height = kRow;
  out.most_cell = kMostColumn;
  return out;
}

}  // namespace

std::string sweep_method(const SweepNode& node) {
  const auto method = node.find("method");
  return method ? method->text() : "";
}

std::vector<SweepGrid> sweep_grids(const Node& sweep) {
  std::vector<GridPoints> all;
  const auto keys = numeric_keys(sweep);
  for (const Node& task : sweep.at("tasks").items()) {
    for (const Node& curve : task.at("curves").items()) {
      const auto own = keys.find(sweep_method(curve));
      if (own == keys.end() || own->second.size() < 2 || own->second[0] != curve.at("axis").text()) continue;
      if (number_at(curve.at("baseline"), "accuracy")) add_to_grid(task, curve, own->second[1], all);
    }
  }
  std::vector<SweepGrid> out;
  for (GridPoints& points : all) out.push_back(finished_grid(std::move(points)));
  return out;
}

figure::Picture sweep_grid_figure(const std::vector<SweepGrid>& grids, const figure::Style& style,
                                  bool titles) {
  if (grids.empty()) return {};
  std::vector<figure::HeatMap> maps;
  std::string of;
  for (const SweepGrid& grid : grids) {
    maps.push_back(heat_map_of(grid, titles || grids.size() > 1));
    of += fmt::format("{}{}, {}{}", of.empty() ? "" : "; ", printable(grid.task, 200), grid.prompt,
                      grid.method.empty() ? "" : ", " + grid.method);
  }
  return figure::heat_maps(
      maps, style,
      fmt::format("Difference in accuracy to the arm without intervention, in percentage points, "
                  "over {} and {} ({}). Framed: the pair that one half of the questions chose. "
                  "Grey pairs were not tried.",
                  grids.front().x_key, grids.front().y_key, of));
}

std::string sweep_grid_svg(const std::vector<SweepGrid>& grids) {
  return sweep_grid_figure(grids, figure::standalone_style(), true).svg;
}

}  // namespace refocus
