#include "heads/patch_report.h"

#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "eval/text/table_text.h"
#include "heads/report_text.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

std::string level_text(const char* name, const PromptLevel& level) {
  return fmt::format("{} {:+.3f} ({}% right)", name, level.log_odds, one_decimal(100 * level.accuracy));
}

ordered_json level_json(const PromptLevel& level) {
  return {{"accuracy", level.accuracy}, {"log_odds", level.log_odds}};
}

bool last_alone(const PatchSettings& settings) {
  return settings.positions == PatchSettings::Positions::kLast;
}

}  // namespace

std::string_view patched_measure(const PatchSettings& settings) {
  return settings.noise() ? "lost" : "recovered";
}

std::string patch_in_words(const PatchSettings& settings) {
  return fmt::format("heads of the {} run put into the {} one, at {} of the prompt",
                     settings.noise() ? "corrupted" : "clean", settings.noise() ? "clean" : "corrupted",
                     last_alone(settings) ? "the last token" : "all tokens");
}

std::string patched_levels_text(const HeadSearch& search) {
  const PatchedSearch& patched = *search.patched;
  TextLines out;
  out.line(fmt::format("Mean log-odds of the right option on the selection half, {} items: {}, {}",
                       search.selection_items, level_text("clean", patched.clean[0]),
                       level_text("corrupted", patched.corrupted[0])));
  if (patched.left_out > 0) {
    out.line(fmt::format("Left out, since their prompts have different numbers of tokens: {} {}",
                         patched.left_out, patched.left_out == 1 ? "pair" : "pairs"));
  }
  return out.take();
}

std::string patched_tried_text(const char* what, const HeadSearch& search,
                               const std::vector<TriedHeads>& tried) {
  TextLines out;
  out.line(fmt::format("Best of {} {} on the selection half (p exact; Holm over all {})", tried.size(), what,
                       tried.size()));
  out.line(left("", 10) + right(std::string(patched_measure(search.patched->settings)), 10) +
           left("  95% interval", 18) + right("log-odds", 10) + right("accuracy", 10) + right("p", 10) +
           right("Holm", 10));
  for (std::size_t i = 0; i < std::min(kTriedShown, tried.size()); ++i) {
    const TriedHeads& one = tried[i];
    out.line(left(head_names(one.heads), 10) + right(change_text(one.recovered->difference), 10) +
             left("  " + change_interval_text(one.recovered->interval), 18) +
             right(fmt::format("{:+.4f}", one.likelihood), 10) +
             right(change_text(one.accuracy.difference), 10) + right(short_p_text(one.recovered->p), 10) +
             right(short_p_text(one.recovered->holm), 10));
  }
  return out.take();
}

std::string patched_sets_head(const HeadSearch& search) {
  const PatchedSearch& patched = *search.patched;
  return fmt::format(
      "The best heads together, on {} items that had no part in the choice: {}, {}; all heads {}% {} ({}% "
      "right)",
      search.held_out_items, level_text("clean", patched.clean[1]),
      level_text("corrupted", patched.corrupted[1]), one_decimal(100 * search.all_level),
      patched_measure(patched.settings), one_decimal(100 * search.all_accuracy));
}

std::string patched_sets_legend(const HeadSearch& search, const HeadSearchSettings& settings) {
  const std::string_view measure = patched_measure(search.patched->settings);
  TextLines out;
  out.line(
      fmt::format("selected, held out: % {} of the difference of mean log-odds between clean and corrupted "
                  "prompts, on either half; luck: what",
                  measure));
  out.line(fmt::format(
      "of it the other half has not. random: {} sets of as many other heads{}; beyond: the selected "
      "set minus theirs. right: answers,",
      settings.draws, of_same_layers(settings)));
  out.line("in %, on the other half. Holm: p-values corrected over all tests of this table.");
  return out.take();
}

std::string patched_caption(const HeadSearch& search) {
  const PatchedSearch& patched = *search.patched;
  return fmt::format(
      "What is {} of the difference of mean log-odds between clean and corrupted prompts, in %, on {} items "
      "for "
      "the selection and {} held out. Held out: {}, {}; all heads {}% {} ({}% right){}",
      patched_measure(patched.settings), search.selection_items, search.held_out_items,
      level_text("clean", patched.clean[1]), level_text("corrupted", patched.corrupted[1]),
      one_decimal(100 * search.all_level), patched_measure(patched.settings),
      one_decimal(100 * search.all_accuracy),
      patched.left_out > 0 ? fmt::format("; pairs left out: {}", patched.left_out) : "");
}

void add_patched_json(const HeadSearch& search, ordered_json& out) {
  const PatchedSearch& patched = *search.patched;
  out["direction"] = patched.settings.noise() ? "noise" : "denoise";
  out["positions"] = last_alone(patched.settings) ? "last" : "all";
  out["pairs_left_out"] = patched.left_out;
  const char* halves[] = {"selection", "held_out"};
  for (std::size_t half = 0; half < 2; ++half) {
    out[halves[half]]["clean"] = level_json(patched.clean[half]);
    out[halves[half]]["corrupted"] = level_json(patched.corrupted[half]);
  }
  out["held_out"][fmt::format("all_heads_{}", patched_measure(patched.settings))] = search.all_level;
}

std::string patched_tried_csv(const HeadSearch& search) {
  std::string out =
      fmt::format("layer,head,rank,{},low,high,p,p_holm,log_odds_change,accuracy_change,fixed,broken\n",
                  patched_measure(search.patched->settings));
  for (std::size_t i = 0; i < search.heads_tried.size(); ++i) {
    const TriedHeads& one = search.heads_tried[i];
    const PairedEffect& effect = *one.recovered;
    out += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{}\n", one.heads.front().first,
                       one.heads.front().second, i + 1, effect.difference,
                       effect.interval ? fmt::format("{}", effect.interval->low) : "",
                       effect.interval ? fmt::format("{}", effect.interval->high) : "", effect.p, effect.holm,
                       one.likelihood, one.accuracy.difference, one.accuracy.fixed, one.accuracy.broken);
  }
  return out;
}

}  // namespace refocus
