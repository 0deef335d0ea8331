#include "heads/search_figure.h"

#include <fmt/core.h>

#include <charconv>

#include "base/json_node.h"
#include "base/text_file.h"
#include "figure/text_width.h"
#include "heads/head_figures.h"
#include "heads/report_text.h"
#include "io/weight_file.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using Node = JsonNode<ordered_json>;

constexpr const char* kRemedy = "run `refocus heads` again with the same directory";

HeadSet heads_of(const Node& file) {
  HeadSet out;
  for (const auto& [layer, list] : file.object().items()) {
    std::int64_t number = -1;
    std::from_chars(layer.data(), layer.data() + layer.size(), number);
    if (number < 0) file.fail("layers");
    for (const Node& head : file.at(layer).items()) out.emplace_back(number, head.whole());
  }
  return out;
}

}  // namespace

figure::Picture search_figure(const std::filesystem::path& directory, const figure::Style& style) {
  const JsonSource of_results{where_of(directory / kHeadResultsFile), kRemedy};
  const ordered_json results =
      parse_ordered_json_object(read_text_file(directory / kHeadResultsFile), of_results);
  const JsonSource of_best{where_of(directory / kBestHeadsFile), kRemedy};
  const ordered_json best = parse_ordered_json_object(read_text_file(directory / kBestHeadsFile), of_best);
  const Node root(results, of_results);
  const HeadEffects effects = head_effects(root);
  const HeadSet framed = heads_of({best, of_best});
  for (const auto& [layer, head] : framed) {
    if (layer >= effects.values.layers || head >= effects.values.heads)
      Node(best, of_best).fail("heads of the model");
  }
  std::string caption = fmt::format(
      "{} under {}, one head at a time: means over {} questions of the half that heads were selected on, {} "
      "heads in "
      "{} layers.",
      figure::capitalized(effects.what), root.at("method").text(), effects.items, effects.tried,
      effects.values.layers);
  if (!framed.empty()) {
    caption += fmt::format(" Framed: the set with the largest effect there ({}).", head_names(framed));
  }
  if (effects.tried < effects.values.layers * effects.values.heads) caption += " Grey: not tried.";
  return head_map_figure(effects.what, effects.values, framed, style, caption);
}

}  // namespace refocus
