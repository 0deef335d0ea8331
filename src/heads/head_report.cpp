#include "heads/head_report.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "eval/text/csv_writer.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "heads/head_figures.h"
#include "web/page.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;
using Want = HeadSearchSettings::Want;

constexpr std::size_t kShown = 10;  // tried heads of the table

std::string points(double fraction) { return fraction == 0 ? "0.0" : fmt::format("{:+.1f}", 100 * fraction); }

std::string points_interval(const std::optional<Interval>& interval) {
  return interval ? fmt::format("[{}, {}]", points_end(interval->low), points_end(interval->high)) : "-";
}

std::string p_text(double p) { return p < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", p); }

std::string name_of(const HeadSet& heads) { return selector_of(heads).text(); }

std::string tried_lines(const char* what, const std::vector<TriedHeads>& tried) {
  TextLines out;
  out.line(fmt::format("Best of {} {} on the selection half (p exact; Holm over all {})", tried.size(), what,
                       tried.size()));
  out.line(left("", 10) + right("accuracy", 10) + right("log P", 10) + right("broken", 8) +
           right("fixed", 7) + right("p", 10) + right("Holm", 10));
  for (std::size_t i = 0; i < std::min(kShown, tried.size()); ++i) {
    const TriedHeads& one = tried[i];
    out.line(left(name_of(one.heads), 10) + right(points(one.accuracy.difference), 10) +
             right(fmt::format("{:+.4f}", one.likelihood), 10) +
             right(std::to_string(one.accuracy.broken), 8) + right(std::to_string(one.accuracy.fixed), 7) +
             right(p_text(one.accuracy.p), 10) + right(p_text(one.accuracy.holm), 10));
  }
  return out.take();
}

ordered_json effect_json(const PairedEffect& effect) {
  ordered_json out = {{"difference", effect.difference}};
  if (effect.interval) out["interval"] = {effect.interval->low, effect.interval->high};
  out["fixed"] = effect.fixed;
  out["broken"] = effect.broken;
  out["p"] = effect.p;
  out["p_holm"] = effect.holm;
  return out;
}

ordered_json tried_json(const std::vector<TriedHeads>& tried) {
  ordered_json out = ordered_json::array();
  for (const TriedHeads& one : tried) {
    out.push_back({{"heads", name_of(one.heads)},
                   {"accuracy", effect_json(one.accuracy)},
                   {"likelihood_change", one.likelihood}});
  }
  return out;
}

std::string page_rows(const HeadSearch& search) {
  std::string rows;
  for (const SelectedSet& set : search.sets) {
    const auto number = [](const std::string& text, double sort) { return number_cell(text, sort); };
    rows += html_row(count_cell(std::ssize(set.heads)) + text_cell(name_of(set.heads)) +
                     number(html_points(set.selection.difference), set.selection.difference) +
                     number(html_with_interval(html_points(set.held_out.difference),
                                               html_points_interval(set.held_out.interval)),
                            set.held_out.difference) +
                     number(html_points(set.luck()), set.luck()) +
                     number(html_p(set.held_out.holm), set.held_out.holm) +
                     number(html_percent(set.random.mean), set.random.mean) +
                     number(html_with_interval(html_points(set.random.beyond.difference),
                                               html_points_interval(set.random.beyond.interval)),
                            set.random.beyond.difference) +
                     number(html_p(set.random.beyond.holm), set.random.beyond.holm) +
                     number(html_points(set.all.difference), set.all.difference));
  }
  return rows;
}

}  // namespace

std::string head_search_table(const HeadSearch& search, const HeadSearchSettings& settings) {
  TextLines out;
  std::string text;
  if (!search.layers_tried.empty()) text += tried_lines("layers", search.layers_tried) + "\n";
  text += tried_lines("heads", search.heads_tried) + "\n";
  out.line(
      fmt::format("The best heads together, on {} items that had no part in the choice: unchanged {}%, all "
                  "heads {}%",
                  search.held_out_items, one_decimal(100 * search.held_out_accuracy),
                  one_decimal(100 * search.all_accuracy)));
  out.line(right("heads", 5) + right("selected", 10) + right("held out", 10) + left("  95% interval", 18) +
           right("luck", 7) + right("Holm", 9) + right("random", 8) + right("range", 14) +
           right("beyond", 9) + left("  95% interval", 18) + right("Holm", 9));
  for (const SelectedSet& set : search.sets) {
    out.line(right(std::to_string(set.heads.size()), 5) + right(points(set.selection.difference), 10) +
             right(points(set.held_out.difference), 10) +
             left("  " + points_interval(set.held_out.interval), 18) + right(points(set.luck()), 7) +
             right(p_text(set.held_out.holm), 9) + right(one_decimal(100 * set.random.mean), 8) +
             right(fmt::format("{:.1f} to {:.1f}", 100 * set.random.low, 100 * set.random.high), 14) +
             right(points(set.random.beyond.difference), 9) +
             left("  " + points_interval(set.random.beyond.interval), 18) +
             right(p_text(set.random.beyond.holm), 9));
  }
  out.line();
  const SelectedSet& best = search.best(settings.want);
  out.line(fmt::format(
      "selected, held out: change of accuracy in points on either half; luck: what of it the other half has "
      "not. random: {} sets of",
      settings.draws));
  out.line(
      "as many other heads; beyond: the selected set's accuracy minus theirs. Holm: p-values corrected over "
      "all "
      "tests of this table.");
  out.line(fmt::format("Largest effect on the selection half: {} ({})",
                       best.heads.size() == 1 ? "1 head" : fmt::format("{} heads", best.heads.size()),
                       name_of(best.heads)));
  return text + out.take();
}

ordered_json head_search_json(const HeadSearch& search, const HeadSearchSettings& settings) {
  ordered_json out = {
      {"method", settings.method.canonical(search.layers)},
      {"want", settings.want == Want::kGain ? "gain" : "drop"},
      {"rank", settings.rank == HeadSearchSettings::Rank::kAccuracy ? "accuracy" : "likelihood"},
      {"draws", settings.draws},
      {"seed", settings.seed},
      {"layers", search.layers},
      {"heads", search.heads},
      {"selection", {{"items", search.selection_items}, {"accuracy", search.selection_accuracy}}},
      {"held_out",
       {{"items", search.held_out_items},
        {"accuracy", search.held_out_accuracy},
        {"all_heads_accuracy", search.all_accuracy}}}};
  if (settings.layers_first) out["layers_first"] = *settings.layers_first;
  out["sets"] = ordered_json::array();
  for (const SelectedSet& set : search.sets) {
    out["sets"].push_back({{"size", set.heads.size()},
                           {"heads", name_of(set.heads)},
                           {"selection", effect_json(set.selection)},
                           {"held_out", effect_json(set.held_out)},
                           {"held_out_accuracy", set.accuracy},
                           {"held_out_likelihood_change", set.likelihood},
                           {"luck", set.luck()},
                           {"random",
                            {{"mean_accuracy", set.random.mean},
                             {"lowest_accuracy", set.random.low},
                             {"highest_accuracy", set.random.high},
                             {"rank_p", set.random.rank_p},
                             {"beyond", effect_json(set.random.beyond)}}},
                           {"against_all_heads", effect_json(set.all)}});
  }
  if (!search.layers_tried.empty()) out["layers_tried"] = tried_json(search.layers_tried);
  out["heads_tried"] = tried_json(search.heads_tried);
  return out;
}

std::string tried_heads_csv(const HeadSearch& search) {
  std::string out = "layer,head,rank,accuracy_change,likelihood_change,fixed,broken,p,p_holm\n";
  for (std::size_t i = 0; i < search.heads_tried.size(); ++i) {
    const TriedHeads& one = search.heads_tried[i];
    out += fmt::format("{},{},{},{},{},{},{},{},{}\n", one.heads.front().first, one.heads.front().second,
                       i + 1, one.accuracy.difference, one.likelihood, one.accuracy.fixed,
                       one.accuracy.broken, one.accuracy.p, one.accuracy.holm);
  }
  return out;
}

std::string tested_sets_csv(const HeadSearch& search) {
  std::string out =
      "size,heads,selection_change,held_out_change,held_out_low,held_out_high,held_out_p,held_out_p_holm,"
      "luck,"
      "random_mean_accuracy,random_lowest,random_highest,beyond_random,beyond_p,beyond_p_holm,rank_p\n";
  for (const SelectedSet& set : search.sets) {
    const Interval around = set.held_out.interval.value_or(Interval{});
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", set.heads.size(),
                       name_of(set.heads), set.selection.difference, set.held_out.difference, around.low,
                       around.high, set.held_out.p, set.held_out.holm, set.luck(), set.random.mean,
                       set.random.low, set.random.high, set.random.beyond.difference, set.random.beyond.p,
                       set.random.beyond.holm, set.random.rank_p);
  }
  return out;
}

std::string head_search_page(const HeadSearch& search, const HeadSearchSettings& settings,
                             const std::string& about) {
  const std::string head = number_column_head("heads") + column_head("which") +
                           number_column_head("selected") + number_column_head("held out") +
                           number_column_head("luck") + number_column_head("Holm") +
                           number_column_head("random") + number_column_head("beyond random") +
                           number_column_head("Holm") + number_column_head("against all heads");
  const std::string caption = fmt::format(
      "Changes of accuracy in points, on {} items for the selection and {} held out (unchanged {}%, all "
      "heads {}%)",
      search.selection_items, search.held_out_items, html_percent(search.held_out_accuracy),
      html_percent(search.all_accuracy));
  std::string body = "<h1>Which heads matter</h1>\n<p>" + html_escape(about) + "</p>\n";
  body += html_table(caption, head, "<tbody>" + page_rows(search) + "</tbody>", false);
  body += fmt::format("<figure>{}</figure>\n<figure>{}</figure>\n", held_out_figure(search),
                      head_heatmap(search, settings));
  return plain_page({"Which heads matter", body});
}

}  // namespace refocus
