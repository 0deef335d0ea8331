#include "detect/detector_figure.h"

#include <fmt/ranges.h>

#include <limits>

#include "base/json_node.h"
#include "base/text_file.h"
#include "heads/head_figures.h"
#include "io/weight_file.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr const char* kDetectAgain = "run `refocus heads --detect` again";

}  // namespace

figure::Picture detector_figure(const std::filesystem::path& directory, const std::string& detector,
                                const figure::Style& style) {
  const JsonSource source{where_of(directory / kDetectorsFile), kDetectAgain};
  const ordered_json file = parse_ordered_json_object(read_text_file(directory / kDetectorsFile), source);
  const JsonNode<ordered_json> root(file, source);
  const auto found = root.at("detectors").find(detector);
  if (!found) {
    std::vector<std::string> names;
    for (const auto& [name, scores] : root.at("detectors").object().items()) names.push_back(printable(name));
    throw usage_error("--value", "expected a detector, got '{}'; there are {}", printable(detector),
                      fmt::join(names, ", "));
  }
  HeadValues values{root.at("layers").whole(), root.at("heads").whole(), {}, false};
  for (const auto& layer : found->at("scores").items()) {
    for (const auto& score : layer.items()) {
      values.values.push_back(score.json().is_null() ? std::numeric_limits<double>::quiet_NaN()
                                                     : score.number());
      values.with_sign |= values.values.back() < 0;
    }
  }
  if (std::ssize(values.values) != values.layers * values.heads) found->fail("a score for each head");
  return head_map_figure(detector, values, {}, style,
                         fmt::format("Score of the detector {} ({}) of each head, without an intervention.",
                                     detector, found->at("on").text()));
}

}  // namespace refocus
