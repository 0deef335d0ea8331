#include <fmt/ranges.h>

#include <limits>

#include "analyze/pictures/capture_node.h"
#include "analyze/pictures/map_figure.h"
#include "base/error.h"
#include "figure/heat_map.h"

namespace refocus {
namespace {

std::vector<std::int64_t> wholes_of(const CaptureNode& list) {
  std::vector<std::int64_t> out;
  for (const CaptureNode& item : list.items()) out.push_back(item.whole());
  return out;
}

// The grid of a statistic over all rows.
CaptureNode grid_of(const CaptureNode& arm, const std::string& statistic) {
  const CaptureNode statistics = arm.at("statistics");
  if (const auto found = statistics.find(statistic)) return found->at("all");
  std::vector<std::string> names;
  for (const auto& [name, grid] : statistics.object().items()) names.push_back(name);
  throw usage_error("--value", "expected a statistic, got '{}'; there are {}", printable(statistic),
                    fmt::join(names, ", "));
}

}  // namespace

figure::Picture statistic_figure(const std::filesystem::path& directory, const std::string& arm,
                                 const std::string& statistic, const figure::Style& style) {
  const CaptureFile file = read_capture_file(directory / kStatisticsFile);
  const CaptureNode root = file.root(), shown = captured_arm(root, "arm", arm);
  const std::vector<std::int64_t> layers = wholes_of(root.at("layers")), heads = wholes_of(root.at("heads"));
  const CaptureNode grid = grid_of(shown, statistic);
  std::vector<double> values;
  for (const CaptureNode& layer : grid.items()) {
    for (const CaptureNode& value : layer.items()) {
      values.push_back(value.json().is_null() ? std::numeric_limits<double>::quiet_NaN() : value.number());
    }
  }
  if (values.size() != layers.size() * heads.size()) grid.fail("a number for each layer and head");
  const std::string words = statistic == "entropy" ? "entropy (nats)" : statistic;
  return figure::heat_maps(
      {figure::layers_and_heads(layers, heads, values, words)}, style,
      fmt::format("Mean {} of each head over {} rows of attention (intervention: {}).", words,
                  shown.at("queries").at("all").whole(), printable(shown.at("intervention").text(), 400)));
}

}  // namespace refocus
