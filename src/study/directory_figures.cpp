#include "study/directory_figures.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <set>

#include "base/json_node.h"
#include "base/text_file.h"
#include "eval/report/comparison_text.h"
#include "eval/report/figures/comparison_figures.h"
#include "eval/task/item.h"
#include "eval/text/csv_reader.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"
#include "io/weight_file.h"
#include "study/study_files.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;
using Node = JsonNode<ordered_json>;
using figure::ChartRow;
using figure::RowMark;

constexpr const char* kStudyAgain = "run the study again";

struct StudyDirectory {
  JsonSource source;
  ordered_json json;
  Node root() const { return {json, source}; }
};

StudyDirectory read_study(const std::filesystem::path& directory) {
  StudyDirectory out;
  out.source = {where_of(directory / kStudyFile), kStudyAgain};
  out.json = parse_ordered_json_object(read_text_file(directory / kStudyFile), out.source);
  if (out.root().at("format").text() != "refocus-study") out.root().at("format").fail("refocus-study");
  return out;
}

// What the two groups of a comparison are, in words.
std::string title_of(const Node& comparison) {
  const std::string& question = comparison.at("question").text();
  const std::string first = comparison.at("first").at("name").text(),
                    second = comparison.at("second").at("name").text();
  const std::string arm = comparison.at("first").at("arm").text();
  if (question == "right_or_wrong" || question == "models")
    return fmt::format("{}: {} against {}", arm, second, first);
  return fmt::format("{} against {}", second, first);
}

[[noreturn]] void fail_for_statistic(const Node& root, const std::string& statistic,
                                     const std::vector<std::string>& arms) {
  std::set<std::string> names;
  for (const Node& comparison : root.at("comparisons").items()) {
    for (const Node& row : comparison.at("differences").items()) names.insert(row.at("statistic").text());
  }
  if (names.empty()) {
    throw input_error("figure",
                      "expected groups of texts that were compared, got none: each needs at least ten texts; "
                      "use accuracy or lengths");
  }
  if (names.contains(statistic)) {
    throw usage_error("--arms", "expected an arm that was compared with another one, got '{}'; name others",
                      printable(fmt::format("{}", fmt::join(arms, ","))));
  }
  throw usage_error("--value", "expected a statistic that was compared, got '{}'; there are {}",
                    printable(statistic), fmt::join(names, ", "));
}

// Which arms are shown.
class ChosenArms {
 public:
  ChosenArms(const Node& root, const std::vector<std::string>& wanted) : all_(wanted.empty()) {
    std::set<std::string> missing(wanted.begin(), wanted.end());
    std::vector<std::string> names;
    for (const Node& arm : root.at("arms").items()) {
      const std::string& own = arm.at("name").text();
      names.push_back(printable(own, 200));
      for (const std::string& name : wanted) {
        if (!is_called(own, arm.at("prompt").text(), name)) continue;
        chosen_.insert(own);
        missing.erase(name);
      }
    }
    if (missing.empty()) return;
    throw usage_error("--arms", "expected an arm of the study, got '{}'; the arms are {}",
                      printable(*missing.begin()), fmt::join(names, ", "));
  }

  bool has(const std::string& arm) const { return all_ || chosen_.contains(arm); }

 private:
  bool all_;
  std::set<std::string> chosen_;
};

struct ArmLengths {
  std::string arm;
  std::vector<double> tokens;
};

// Of texts.csv, in its order: each text has a row a layer, of which the first is read.
std::vector<ArmLengths> lengths_of(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kTextsFile;
  std::vector<std::string> header;
  std::vector<ArmLengths> out;
  const auto cell = [&](const CsvRow& row, const char* name) {
    const auto column = static_cast<std::size_t>(std::ranges::find(header, name) - header.begin());
    if (column >= row.cells.size()) {
      throw input_error(where_of(path), "expected a cell of the column '{}' in line {}, got none; {}", name,
                        row.line, kStudyAgain);
    }
    return row.cells[column];
  };
  read_csv(read_text_file(path), where_of(path), ',', [&](CsvRow&& row) {
    if (header.empty()) {
      header = std::move(row.cells);
      return;
    }
    if (cell(row, "layer") != "0" || cell(row, "model") == "before") return;
    const std::string arm = cell(row, "arm"), tokens = cell(row, "generated_tokens");
    double length = -1;
    std::from_chars(tokens.data(), tokens.data() + tokens.size(), length);
    if (length < 0) {
      throw input_error(where_of(path), "expected a number of tokens in line {}, got '{}'; {}", row.line,
                        printable(tokens), kStudyAgain);
    }
    if (out.empty() || out.back().arm != arm) out.push_back({arm, {}});
    out.back().tokens.push_back(length);
  });
  if (out.empty()) throw input_error(where_of(path), "expected texts, got none; {}", kStudyAgain);
  return out;
}

}  // namespace

figure::Picture study_forest_figure(const std::filesystem::path& directory, const std::string& statistic,
                                    const std::vector<std::string>& arms, const figure::Style& style) {
  const StudyDirectory study = read_study(directory);
  const ChosenArms chosen(study.root(), arms);
  figure::RowChart chart;
  chart.reference = 0;
  bool paired = false, unpaired = false;
  for (const Node& comparison : study.root().at("comparisons").items()) {
    if (!chosen.has(comparison.at("second").at("arm").text())) continue;
    bool headed = false;
    for (const Node& row : comparison.at("differences").items()) {
      if (row.at("statistic").text() != statistic) continue;
      if (!headed) chart.rows.push_back({.label = printable(title_of(comparison), 300), .heading = true});
      headed = true;
      (comparison.at("paired").flag() ? paired : unpaired) = true;
      RowMark mark{.value = row.at("difference").number()};
      const auto low = number_at(row, "low"), high = number_at(row, "high");
      if (low && high) mark.interval = figure::Range{*low, *high};
      chart.rows.push_back({.label = fmt::format("layer {}", row.at("layer").whole()), .marks = {mark}});
    }
  }
  if (chart.rows.empty()) fail_for_statistic(study.root(), statistic, arms);
  chart.label = "Difference in " + std::string(statistic == "entropy" ? "entropy (nats)" : statistic);
  return figure::row_chart(
      chart, style,
      fmt::format("Difference in {} of attention between groups of texts, by layer, with 95% intervals ({}).",
                  statistic,
                  paired && unpaired ? "paired by question, Student's t; right and wrong answers, Welch's t"
                  : paired           ? "paired by question, Student's t"
                                     : "Welch's t"));
}

figure::Picture study_accuracy_figure(const std::filesystem::path& directory,
                                      const std::vector<std::string>& arms, const figure::Style& style) {
  const StudyDirectory study = read_study(directory);
  const ChosenArms chosen(study.root(), arms);
  figure::RowChart chart;
  chart.within = figure::Range{0, 100};
  chart.label = "Accuracy (%)";
  chart.numbers_title = "[95%]";
  std::int64_t most = 0;
  for (const Node& arm : study.root().at("arms").items()) {
    if (!chosen.has(arm.at("name").text())) continue;
    Tally tally;
    tally.answered = arm.at("texts").whole();
    tally.labelled = arm.at("labelled").whole();
    tally.correct = arm.at("right").whole();
    most = std::max(most, tally.labelled);
    ChartRow& row = chart.rows.emplace_back(ChartRow{.label = printable(arm.at("name").text(), 200)});
    row.marks = accuracy_marks(tally, 0);
    row.numbers = accuracy_text(tally);
  }
  return figure::row_chart(
      chart, style,
      fmt::format("Accuracy of each arm ({} questions), in per cent, with 95% score intervals "
                  "(Wilson 1927) of each one alone.",
                  with_thousands(most)));
}

figure::Picture study_lengths_figure(const std::filesystem::path& directory,
                                     const std::vector<std::string>& arms, const figure::Style& style) {
  const StudyDirectory study = read_study(directory);
  const ChosenArms chosen(study.root(), arms);
  figure::RowChart chart;
  chart.label = "Generated tokens";
  std::int64_t most = 0;
  for (ArmLengths& arm : lengths_of(directory)) {
    if (!chosen.has(arm.arm)) continue;
    most = std::max<std::int64_t>(most, std::ssize(arm.tokens));
    const double mean =
        std::accumulate(arm.tokens.begin(), arm.tokens.end(), 0.0) / static_cast<double>(arm.tokens.size());
    chart.rows.push_back(
        {.label = printable(arm.arm, 200), .marks = {length_mark(std::move(arm.tokens), mean)}});
  }
  return figure::row_chart(chart, style,
                           fmt::format("Generated tokens of an answer in each arm ({} texts). {}",
                                       with_thousands(most), kLengthMarks));
}

}  // namespace refocus
