#include "eval/report/comparison_files.h"

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/journal/run_directory.h"
#include "eval/text/csv_writer.h"
#include "eval/text/json_values.h"
#include "stats/interval.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr int kVersion = 1;

const char* kind_name(ItemSet::Kind kind) {
  switch (kind) {
    case ItemSet::Kind::kSubject:
      return "subject";
    case ItemSet::Kind::kCategory:
      return "category";
    case ItemSet::Kind::kNovelty:
      return "novelty";
    case ItemSet::Kind::kAll:
      break;
  }
  return "all";
}

ordered_json arm_entry(const Tally& tally) {
  ordered_json e;
  e["n"] = tally.answered;
  e["labelled"] = tally.labelled;
  e["correct"] = tally.labelled > 0 ? ordered_json(tally.correct) : ordered_json();
  e["accuracy"] = or_null(tally.accuracy());
  e["accuracy_interval"] = or_null(accuracy_interval(tally));
  if (tally.mean_f1()) e["f1"] = *tally.mean_f1();
  e["unparsed"] = tally.unparsed;
  e["unparsed_rate"] = or_null(tally.rate(tally.unparsed));
  e["truncated"] = tally.truncated;
  e["truncated_rate"] = or_null(tally.rate(tally.truncated));
  e["stopped"] = tally.stopped;
  e["stopped_rate"] = or_null(tally.rate(tally.stopped));
  e["read_unfinished"] = tally.read_unfinished;
  e["read_unfinished_correct"] =
      tally.labelled > 0 ? ordered_json(tally.read_unfinished_correct) : ordered_json();
  e["mean_generated_tokens"] = or_null(tally.mean_generated_tokens());
  e["mean_response_characters"] = or_null(tally.mean_characters());
  return e;
}

ordered_json set_entries(const TaskComparison& task) {
  ordered_json sets = ordered_json::array();
  for (std::size_t s = 0; s < task.sets.size(); ++s) {
    const ItemSet& set = task.sets[s];
    ordered_json e = {{"set", set.name}, {"kind", kind_name(set.kind)}};
    if (!set.category.empty()) e["category"] = set.category;
    e["arms"] = ordered_json::array();
    for (const std::vector<Tally>& arm : task.tallies) e["arms"].push_back(arm_entry(arm[s]));
    sets.push_back(std::move(e));
  }
  return sets;
}

ordered_json flip_entry(const Flip& flip, bool responses) {
  const Item& item = *flip.after->item;
  ordered_json e = {{"subject", item.subject},
                    {"item", item.index},
                    {"label", or_null(shown_target(item))},
                    {"baseline", or_null(shown_answer(*flip.before))},
                    {"arm", or_null(shown_answer(*flip.after))},
                    {"fixed", flip.fixed()}};
  if (responses) {
    e["baseline_response"] = flip.before->response.text;
    e["arm_response"] = flip.after->response.text;
  }
  return e;
}

ordered_json pair_entry(const TaskComparison& task, const PairComparison& pair, bool responses) {
  ordered_json e = {{"baseline", pair.pair.baseline}, {"arm", pair.pair.arm}};
  e["sets"] = ordered_json::array();
  for (std::size_t s = 0; s < task.sets.size(); ++s) {
    const PairedNumbers& numbers = pair.numbers[s];
    ordered_json set = {{"set", task.sets[s].name},
                        {"kind", kind_name(task.sets[s].kind)},
                        {"n", numbers.items},
                        {"fixed", numbers.fixed},
                        {"broken", numbers.broken},
                        {"difference", or_null(numbers.difference)},
                        {"difference_interval", or_null(numbers.interval)},
                        {"p", or_null(numbers.p)}};
    if (numbers.differing) set["differing"] = *numbers.differing;
    if (numbers.f1_difference) {
      set["f1_difference"] = *numbers.f1_difference;
      set["f1_difference_interval"] = or_null(numbers.f1_interval);
    }
    if (task.sets[s].kind == ItemSet::Kind::kSubject) set["p_holm"] = or_null(numbers.p_holm);
    e["sets"].push_back(std::move(set));
  }
  e["flips"] = ordered_json::array();
  for (const Flip& flip : pair.flips) e["flips"].push_back(flip_entry(flip, responses));
  return e;
}

std::string text_of(const std::optional<double>& value) {
  return value ? json_text(ordered_json(*value)) : "";
}

void append_interval(std::vector<std::string>& row, const std::optional<Interval>& interval) {
  row.push_back(interval ? text_of(interval->low) : "");
  row.push_back(interval ? text_of(interval->high) : "");
}

void append_tally(std::vector<std::string>& row, const Tally& tally) {
  row.push_back(text_of(tally.accuracy()));
  append_interval(row, accuracy_interval(tally));
  row.push_back(text_of(tally.rate(tally.unparsed)));
  row.push_back(text_of(tally.rate(tally.truncated)));
  row.push_back(text_of(tally.mean_generated_tokens()));
  row.push_back(text_of(tally.mean_characters()));
}

void append_endings(std::vector<std::string>& row, const Tally& tally) {
  row.push_back(text_of(tally.rate(tally.stopped)));
  row.push_back(std::to_string(tally.read_unfinished));
  row.push_back(tally.labelled > 0 ? std::to_string(tally.read_unfinished_correct) : "");
}

void append_row(std::string& out, const std::vector<std::string>& row) {
  append_csv_row(out, std::vector<std::string_view>(row.begin(), row.end()));
}

// The name of an arm, told from its namesake in the other run.
std::string arm_text(const ComparedArm& arm, bool two_runs) {
  return two_runs ? std::to_string(arm.run + 1) + ":" + arm.arm.name : arm.arm.name;
}

}  // namespace

ordered_json comparison_json(const Comparison& comparison, const ComparisonFileOptions& options) {
  ordered_json file;
  file["format"] = "refocus-comparison";
  file["version"] = kVersion;
  file["confidence"] = kConfidence;
  file["difference_interval"] = kDifferenceInterval;
  file["resamples"] = comparison.resamples;
  file["seed"] = comparison.seed;
  if (!options.runs.empty()) file["runs"] = options.runs;
  file["extraction"] = comparison.arms.front().arm.rules;
  file["arms"] = ordered_json::array();
  for (const ComparedArm& arm : comparison.arms) {
    ordered_json e = {
        {"name", arm.arm.name}, {"prompt", arm.arm.prompt}, {"intervention", arm.arm.intervention}};
    if (!options.runs.empty()) e["run"] = arm.run;
    file["arms"].push_back(std::move(e));
  }
  file["tasks"] = ordered_json::array();
  for (const TaskComparison& task : comparison.tasks) {
    ordered_json e = {{"task", task.task}, {"sets", set_entries(task)}};
    e["comparisons"] = ordered_json::array();
    for (const PairComparison& pair : task.pairs) {
      e["comparisons"].push_back(pair_entry(task, pair, options.responses));
    }
    file["tasks"].push_back(std::move(e));
  }
  return file;
}

std::string comparison_csv(const Comparison& comparison) {
  const bool two_runs = comparison.arms.back().run > 0;
  std::vector<std::string> row = {"task", "set", "kind", "category", "baseline", "arm", "n"};
  for (const std::string arm : {"baseline", "arm"}) {
    for (const char* field : {"accuracy", "accuracy_low", "accuracy_high", "unparsed_rate", "truncated_rate",
                              "mean_generated_tokens", "mean_response_characters"}) {
      row.push_back(arm + "_" + field);
    }
  }
  row.insert(row.end(), {"fixed", "broken", "difference", "difference_low", "difference_high", "p", "p_holm",
                         "f1_difference", "f1_difference_low", "f1_difference_high"});
  for (const std::string arm : {"baseline", "arm"}) {
    for (const char* field : {"stopped_rate", "read_unfinished", "read_unfinished_correct"})
      row.push_back(arm + "_" + field);
  }
  std::string out;
  append_row(out, row);
  for (const TaskComparison& task : comparison.tasks) {
    for (const PairComparison& pair : task.pairs) {
      for (std::size_t s = 0; s < task.sets.size(); ++s) {
        const PairedNumbers& numbers = pair.numbers[s];
        row = {task.task,
               task.sets[s].name,
               kind_name(task.sets[s].kind),
               task.sets[s].category,
               arm_text(comparison.arms[pair.pair.baseline], two_runs),
               arm_text(comparison.arms[pair.pair.arm], two_runs),
               std::to_string(numbers.items)};
        append_tally(row, task.tallies[pair.pair.baseline][s]);
        append_tally(row, task.tallies[pair.pair.arm][s]);
        row.push_back(std::to_string(numbers.fixed));
        row.push_back(std::to_string(numbers.broken));
        row.push_back(text_of(numbers.difference));
        append_interval(row, numbers.interval);
        row.push_back(text_of(numbers.p));
        row.push_back(text_of(numbers.p_holm));
        row.push_back(text_of(numbers.f1_difference));
        append_interval(row, numbers.f1_interval);
        append_endings(row, task.tallies[pair.pair.baseline][s]);
        append_endings(row, task.tallies[pair.pair.arm][s]);
        append_row(out, row);
      }
    }
  }
  return out;
}

Comparison write_comparison(const std::filesystem::path& run_directory) {
  Comparison comparison = compare_runs(read_finished_run(run_directory, {.documents = true}), {}, {});
  const ordered_json file = comparison_json(comparison);
  write_file_atomically(run_directory / RunDirectory::kComparisonFile, json_text(file, 1) + "\n");
  return comparison;
}

}  // namespace refocus
