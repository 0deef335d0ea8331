#include "eval/report/sweep_grid.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/json_reader.h"
#include "eval/report/comparison_text.h"
#include "eval/text/json_values.h"
#include "figure/heat.h"
#include "figure/svg.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using Node = JsonNode<ordered_json>;

constexpr double kGridLeft = 84, kGridTop = 62, kGridRight = 96, kGridBelow = 56, kGridRow = 30;
constexpr double kGridPlot = 640, kLeastColumn = 24, kMostColumn = 76;  // width of all columns, and of one
constexpr double kNumberRoom = 40;                                      // columns below it have no numbers
constexpr double kLegendHeight = 150;                                   // least height beside the legend

std::string method_at(const Node& node) {
  const auto method = node.find("method");
  return method ? method->text() : "";
}

// By method its keys with several numbers, in their order.
std::map<std::string, std::vector<std::string>> numeric_keys(const Node& sweep) {
  std::map<std::string, std::vector<std::string>> out;
  for (const Node& axis : sweep.at("axes").items()) {
    const auto values = axis.at("values").items();
    const bool numbers =
        values.size() > 1 && std::ranges::all_of(values, [](const Node& v) { return v.json().is_number(); });
    if (numbers) out[method_at(axis)].push_back(axis.at("name").text());
  }
  return out;
}

// A grid as its points come, before its values are known.
struct GridPoints {
  SweepGrid grid;
  std::map<std::pair<double, double>, SweepGrid::Cell> cells;  // by y and x
  std::optional<std::pair<double, double>> best;
};

// The arm that the method's choice of one half is, of this kind of prompt.
std::string chosen_arm(const Node& task, const std::string& prompt, const std::string& method) {
  const auto selections = task.find("selection");
  if (!selections) return "";
  for (const Node& selection : selections->items()) {
    if (selection.at("prompt").text() != prompt || method_at(selection) != method) continue;
    return selection.at("best").at("arm").text();
  }
  return "";
}

void add_to_grid(const Node& task, const Node& curve, const std::string& y_key,
                 std::vector<GridPoints>& all) {
  SweepGrid grid;
  grid.task = task.at("task").text();
  grid.prompt = curve.at("prompt").text();
  grid.method = method_at(curve);
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
  const std::string chosen = chosen_arm(task, own->grid.prompt, own->grid.method);
  const double y = fixed.at(y_key).number();
  for (const Node& point : curve.at("points").items()) {
    const std::pair at(y, point.at("x").number());
    own->cells[at] = {number_at(point, "accuracy"), number_at(point, "difference")};
    if (point.at("arm").text() == chosen) own->best = at;
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

// Where the parts of one grid lie.
struct GridLayout {
  const SweepGrid& grid;
  double top = 0;

  double column() const {
    return std::clamp(kGridPlot / static_cast<double>(grid.xs.size()), kLeastColumn, kMostColumn);
  }
  double x(std::size_t place) const { return kGridLeft + column() * static_cast<double>(place); }
  // The smallest value is the lowest row.
  double y(std::size_t place) const {
    return top + kGridTop + kGridRow * static_cast<double>(grid.ys.size() - 1 - place);
  }
  double right() const { return x(grid.xs.size()); }
  double bottom() const { return top + kGridTop + kGridRow * static_cast<double>(grid.ys.size()); }
  double end() const { return std::max(bottom(), top + kGridTop + kLegendHeight) + kGridBelow; }
  double width() const { return std::max(right() + kGridRight, 560.0); }
};

std::string grid_title(const GridLayout& at) {
  const SweepGrid& grid = at.grid;
  std::string out = svg::text(12, at.top + 20,
                              fmt::format("{}, {}{}: difference to none in points", grid.task, grid.prompt,
                                          grid.method.empty() ? "" : ", " + grid.method),
                              {.bold = true});
  std::string below = grid.baseline ? fmt::format("none {:.1f}%", 100 * *grid.baseline) : "";
  if (grid.best) below += "; framed: chosen on one half of the questions";
  if (!grid.rest.empty()) below += "; " + grid.rest;
  const auto room = static_cast<std::size_t>((at.width() - 24) / 6.4);
  return out + svg::text(12, at.top + 38, below.size() > room ? printable(below, room - 3) : below,
                         {.color = "#444"});
}

std::string grid_labels(const GridLayout& at) {
  std::string out;
  const std::size_t every = at.column() < kNumberRoom ? 2 : 1;
  for (std::size_t i = 0; i < at.grid.xs.size(); i += every) {
    out += svg::text(at.x(i) + at.column() / 2, at.bottom() + 18, fmt::format("{:.6g}", at.grid.xs[i]),
                     {.anchor = "middle"});
  }
  for (std::size_t i = 0; i < at.grid.ys.size(); ++i) {
    out += svg::text(kGridLeft - 8, at.y(i) + kGridRow / 2 + 4, fmt::format("{:.6g}", at.grid.ys[i]),
                     {.anchor = "end"});
  }
  out += svg::text((kGridLeft + at.right()) / 2, at.bottom() + 36, at.grid.x_key, {.anchor = "middle"});
  return out + svg::text(12, at.top + kGridTop - 6, at.grid.y_key);
}

std::string grid_cells(const GridLayout& at, double most) {
  std::string out, frame;
  for (std::size_t i = 0; i < at.grid.cells.size(); ++i) {
    const double x = at.x(i % at.grid.xs.size()), y = at.y(i / at.grid.xs.size());
    const std::optional<SweepGrid::Cell>& cell = at.grid.cells[i];
    const double share = cell && cell->difference ? *cell->difference / most : 0;
    const std::string color = cell ? svg::diverging_color(share) : svg::kNothing;
    svg::Points corners = svg::box(x, y, at.column(), kGridRow);
    out += svg::area(corners, color.c_str(), 1);
    corners.push_back(corners.front());
    out += svg::line(corners, {.color = "#ccc", .width = 0.5});
    if (cell && cell->difference && at.column() >= kNumberRoom) {
      out += svg::text(x + at.column() / 2, y + kGridRow / 2 + 4, points_text(*cell->difference),
                       {.anchor = "middle", .color = std::fabs(share) > 0.6 ? "white" : "black"});
    }
    if (at.grid.best != i) continue;
    svg::Points edge = svg::box(x + 1.5, y + 1.5, at.column() - 3, kGridRow - 3);
    edge.push_back(edge.front());
    frame = svg::line(edge, {.width = 3});
  }
  return out + frame;
}

}  // namespace

std::vector<SweepGrid> sweep_grids(const Node& sweep) {
  std::vector<GridPoints> all;
  const auto keys = numeric_keys(sweep);
  for (const Node& task : sweep.at("tasks").items()) {
    for (const Node& curve : task.at("curves").items()) {
      const auto own = keys.find(method_at(curve));
      if (own == keys.end() || own->second.size() < 2 || own->second[0] != curve.at("axis").text()) continue;
      if (number_at(curve.at("baseline"), "accuracy")) add_to_grid(task, curve, own->second[1], all);
    }
  }
  std::vector<SweepGrid> out;
  for (GridPoints& points : all) out.push_back(finished_grid(std::move(points)));
  return out;
}

std::string sweep_grid_svg(const std::vector<SweepGrid>& grids) {
  std::string drawn;
  double top = 0, width = 0;
  for (const SweepGrid& grid : grids) {
    const GridLayout at{grid, top};
    double most = 0;
    for (const auto& cell : grid.cells) {
      if (cell) most = std::max(most, std::fabs(cell->difference.value_or(0)));
    }
    if (most == 0) most = 0.01;  // a point, so that the legend has a scale
    drawn += grid_title(at) + grid_cells(at, most) + grid_labels(at) +
             svg::diverging_legend(at.right() + 16, at.top + kGridTop, most * 100);
    top = at.end();
    width = std::max(width, at.width());
  }
  return drawn.empty() ? "" : svg::begin(width, top) + drawn + svg::end();
}

}  // namespace refocus
