#include "heads/head_report.h"

#include <fmt/core.h>

#include <nlohmann/json.hpp>

#include "eval/text/csv_writer.h"
#include "eval/text/html_text.h"
#include "eval/text/table_text.h"
#include "heads/head_figures.h"
#include "heads/patch_report.h"
#include "heads/report_text.h"
#include "web/page.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;
using Want = HeadSearchSettings::Want;

std::string tried_lines(const char* what, const std::vector<TriedHeads>& tried) {
  TextLines out;
  out.line(fmt::format("Best of {} {} on the selection half (p exact; Holm over all {})", tried.size(), what,
                       tried.size()));
  out.line(left("", 10) + right("accuracy", 10) + right("log P", 10) + right("broken", 8) +
           right("fixed", 7) + right("p", 10) + right("Holm", 10));
  for (std::size_t i = 0; i < std::min(kTriedShown, tried.size()); ++i) {
    const TriedHeads& one = tried[i];
    out.line(left(head_names(one.heads), 10) + right(change_text(one.accuracy.difference), 10) +
             right(fmt::format("{:+.4f}", one.likelihood), 10) +
             right(std::to_string(one.accuracy.broken), 8) + right(std::to_string(one.accuracy.fixed), 7) +
             right(short_p_text(one.accuracy.p), 10) + right(short_p_text(one.accuracy.holm), 10));
  }
  return out.take();
}

// Without `corrected` there is no p_holm: the effect was none of those that were tested.
ordered_json effect_json(const PairedEffect& effect, bool corrected = true) {
  ordered_json out = {{"difference", effect.difference}};
  if (effect.interval) out["interval"] = {effect.interval->low, effect.interval->high};
  out["fixed"] = effect.fixed;
  out["broken"] = effect.broken;
  out["p"] = effect.p;
  if (corrected) out["p_holm"] = effect.holm;
  return out;
}

// `measure`: the name of TriedHeads::recovered.
ordered_json tried_json(const std::vector<TriedHeads>& tried, const std::string& measure) {
  ordered_json out = ordered_json::array();
  for (const TriedHeads& one : tried) {
    ordered_json its = {{"heads", head_names(one.heads)}};
    if (one.recovered) its[measure] = effect_json(*one.recovered);
    its["accuracy"] = effect_json(one.accuracy, !one.recovered);
    its[one.recovered ? "log_odds_change" : "likelihood_change"] = one.likelihood;
    out.push_back(std::move(its));
  }
  return out;
}

std::string page_rows(const HeadSearch& search) {
  std::string rows;
  for (const SelectedSet& set : search.sets) {
    const auto number = [](const std::string& text, double sort) { return number_cell(text, sort); };
    rows += html_row(count_cell(std::ssize(set.heads)) + text_cell(head_names(set.heads)) +
                     number(html_points(set.selection.difference), set.selection.difference) +
                     number(html_with_interval(html_points(set.held_out.difference),
                                               html_points_interval(set.held_out.interval)),
                            set.held_out.difference) +
                     number(html_points(set.luck()), set.luck()) +
                     number(html_p(set.held_out.holm), set.held_out.holm) +
                     number(search.patched ? html_points(set.random.mean) : html_percent(set.random.mean),
                            set.random.mean) +
                     number(html_with_interval(html_points(set.random.beyond.difference),
                                               html_points_interval(set.random.beyond.interval)),
                            set.random.beyond.difference) +
                     number(html_p(set.random.beyond.holm), set.random.beyond.holm) +
                     number(html_points(set.all.difference), set.all.difference) +
                     (search.patched ? number(html_percent(set.accuracy), set.accuracy) : ""));
  }
  return rows;
}

// "accuracy", or what patching measures.
std::string measure_of(const HeadSearch& search) {
  return search.patched ? std::string(patched_measure(search.patched->settings)) : "accuracy";
}

std::string any_tried_lines(const char* what, const HeadSearch& search,
                            const std::vector<TriedHeads>& tried) {
  return (search.patched ? patched_tried_text(what, search, tried) : tried_lines(what, tried)) + "\n";
}

std::string sets_head(const HeadSearch& search) {
  if (search.patched) return patched_sets_head(search);
  return fmt::format(
      "The best heads together, on {} items that had no part in the choice: unchanged {}%, all "
      "heads {}%",
      search.held_out_items, one_decimal(100 * search.held_out_accuracy),
      one_decimal(100 * search.all_accuracy));
}

std::string sets_legend(const HeadSearch& search, const HeadSearchSettings& settings) {
  if (search.patched) return patched_sets_legend(search, settings);
  TextLines out;
  out.line(fmt::format(
      "selected, held out: change of accuracy in points on either half; luck: what of it the other half has "
      "not. random: {} sets of",
      settings.draws));
  out.line(
      fmt::format("as many other heads{}; beyond: the selected set's accuracy minus theirs. Holm: p-values "
                  "corrected over all tests of this table.",
                  of_same_layers(settings)));
  return out.take();
}

}  // namespace

std::string change_text(double fraction) {
  return fraction == 0 ? "0.0" : fmt::format("{:+.1f}", 100 * fraction);
}

std::string change_interval_text(const std::optional<Interval>& interval) {
  return interval ? fmt::format("[{}, {}]", points_end(interval->low), points_end(interval->high)) : "-";
}

std::string short_p_text(double p) { return p < 0.0001 ? "<0.0001" : fmt::format("{:.4f}", p); }

const char* of_same_layers(const HeadSearchSettings& settings) {
  return settings.random == RandomHeads::kSameLayers ? " of the same layers" : "";
}

std::string head_names(const HeadSet& heads) { return selector_of(heads).text(); }

std::string head_search_table(const HeadSearch& search, const HeadSearchSettings& settings) {
  TextLines out;
  std::string text;
  if (search.patched) text += patched_levels_text(search);
  if (!search.layers_tried.empty()) text += any_tried_lines("layers", search, search.layers_tried);
  text += any_tried_lines("heads", search, search.heads_tried);
  out.line(sets_head(search));
  out.line(right("heads", 5) + right("selected", 10) + right("held out", 10) + left("  95% interval", 18) +
           right("luck", 7) + right("Holm", 9) + right("random", 8) + right("range", 16) +
           right("beyond", 9) + left("  95% interval", 18) + right("Holm", 9) +
           (search.patched ? right("right", 7) : ""));
  for (const SelectedSet& set : search.sets) {
    out.line(right(std::to_string(set.heads.size()), 5) + right(change_text(set.selection.difference), 10) +
             right(change_text(set.held_out.difference), 10) +
             left("  " + change_interval_text(set.held_out.interval), 18) +
             right(change_text(set.luck()), 7) + right(short_p_text(set.held_out.holm), 9) +
             right(one_decimal(100 * set.random.mean), 8) +
             right(fmt::format("{:.1f} to {:.1f}", 100 * set.random.low, 100 * set.random.high), 16) +
             right(change_text(set.random.beyond.difference), 9) +
             left("  " + change_interval_text(set.random.beyond.interval), 18) +
             right(short_p_text(set.random.beyond.holm), 9) +
             (search.patched ? right(one_decimal(100 * set.accuracy), 7) : ""));
  }
  out.line();
  const SelectedSet& best = search.best(settings.want);
  const std::string table = out.take() + sets_legend(search, settings);
  out.line(fmt::format("Largest effect on the selection half: {} ({})",
                       best.heads.size() == 1 ? "1 head" : fmt::format("{} heads", best.heads.size()),
                       head_names(best.heads)));
  return text + table + out.take();
}

ordered_json head_search_json(const HeadSearch& search, const HeadSearchSettings& settings) {
  ordered_json out = {
      {"method", settings.method.canonical(search.layers)},
      {"want", settings.want == Want::kGain ? "gain" : "drop"},
      {"rank", settings.rank == HeadSearchSettings::Rank::kAccuracy ? "accuracy" : "likelihood"},
      {"draws", settings.draws},
      {"random", settings.random == RandomHeads::kSameLayers ? "layers" : "any"},
      {"seed", settings.seed},
      {"layers", search.layers},
      {"heads", search.heads},
      {"selection", {{"items", search.selection_items}, {"accuracy", search.selection_accuracy}}},
      {"held_out",
       {{"items", search.held_out_items},
        {"accuracy", search.held_out_accuracy},
        {"all_heads_accuracy", search.all_accuracy}}}};
  const std::string measure = measure_of(search);
  if (search.patched) add_patched_json(search, out);
  if (settings.layers_first) out["layers_first"] = *settings.layers_first;
  out["sets"] = ordered_json::array();
  for (const SelectedSet& set : search.sets) {
    out["sets"].push_back(
        {{"size", set.heads.size()},
         {"heads", head_names(set.heads)},
         {"selection", effect_json(set.selection)},
         {"held_out", effect_json(set.held_out)},
         {"held_out_accuracy", set.accuracy},
         {search.patched ? "held_out_log_odds_change" : "held_out_likelihood_change", set.likelihood},
         {"luck", set.luck()},
         {"random",
          {{"mean_" + measure, set.random.mean},
           {"lowest_" + measure, set.random.low},
           {"highest_" + measure, set.random.high},
           {"rank_p", set.random.rank_p},
           {"beyond", effect_json(set.random.beyond)}}},
         {"against_all_heads", effect_json(set.all)}});
  }
  if (!search.layers_tried.empty()) out["layers_tried"] = tried_json(search.layers_tried, measure);
  out["heads_tried"] = tried_json(search.heads_tried, measure);
  return out;
}

std::string tried_heads_csv(const HeadSearch& search) {
  if (search.patched) return patched_tried_csv(search);
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
  const bool patched = search.patched.has_value();
  const auto unit = [&](const char* change) { return patched ? measure_of(search) : std::string(change); };
  std::string out = fmt::format(
      "size,heads,selection_{0},held_out_{0},held_out_low,held_out_high,held_out_p,held_out_p_holm,luck,"
      "random_mean_{1},random_lowest,random_highest,beyond_random,beyond_p,beyond_p_holm,rank_p{2}\n",
      unit("change"), measure_of(search), patched ? ",held_out_accuracy" : "");
  for (const SelectedSet& set : search.sets) {
    const auto end = [&](double Interval::*which) {
      return set.held_out.interval ? fmt::format("{}", (*set.held_out.interval).*which) : std::string();
    };
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}{}\n", set.heads.size(),
                       head_names(set.heads), set.selection.difference, set.held_out.difference,
                       end(&Interval::low), end(&Interval::high), set.held_out.p, set.held_out.holm,
                       set.luck(), set.random.mean, set.random.low, set.random.high,
                       set.random.beyond.difference, set.random.beyond.p, set.random.beyond.holm,
                       set.random.rank_p, patched ? fmt::format(",{}", set.accuracy) : "");
  }
  return out;
}

std::string head_search_page(const HeadSearch& search, const HeadSearchSettings& settings,
                             const std::string& about, const std::string& more) {
  const std::string head =
      number_column_head("heads") + column_head("which") + number_column_head("selected") +
      number_column_head("held out") + number_column_head("luck") + number_column_head("Holm") +
      number_column_head("random") + number_column_head("beyond random") + number_column_head("Holm") +
      number_column_head("against all heads") + (search.patched ? number_column_head("right") : "");
  const std::string caption =
      search.patched ? patched_caption(search)
                     : fmt::format(
                           "Changes of accuracy in points, on {} items for the selection and {} held out "
                           "(unchanged {}%, all "
                           "heads {}%)",
                           search.selection_items, search.held_out_items,
                           html_percent(search.held_out_accuracy), html_percent(search.all_accuracy));
  std::string body = "<h1>Which heads matter</h1>\n<p>" + html_escape(about) + "</p>\n";
  body += html_table(caption, head, "<tbody>" + page_rows(search) + "</tbody>", false);
  body += fmt::format("<figure>{}</figure>\n<figure>{}</figure>\n", held_out_figure(search),
                      head_heatmap(search, settings));
  return plain_page({"Which heads matter", body + more});
}

}  // namespace refocus
