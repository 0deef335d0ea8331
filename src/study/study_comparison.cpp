#include "study/study_comparison.h"

#include <fmt/core.h>

#include <cmath>
#include <numeric>

#include "analyze/row_statistics.h"
#include "stats/holm.h"

namespace refocus {

namespace {

using Difference = StudyComparison::Question;

double value_of(const Study& study, const TextGroup& group, std::size_t place, std::int64_t layer,
                std::size_t statistic) {
  const StudiedText& text = study.arms[group.arm].texts[group.texts[place]];
  return study.value(group.before ? *text.before : text.attention, layer, statistic);
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// The groups' values; of pairs only those that both have.
void gather(const Study& study, const StudyComparison& comparison, std::int64_t layer, std::size_t statistic,
            std::vector<double>& first, std::vector<double>& second) {
  first.clear();
  second.clear();
  if (comparison.paired) {
    for (std::size_t i = 0; i < comparison.first.texts.size(); ++i) {
      const double a = value_of(study, comparison.first, i, layer, statistic);
      const double b = value_of(study, comparison.second, i, layer, statistic);
      if (std::isnan(a) || std::isnan(b)) continue;
      first.push_back(a);
      second.push_back(b);
    }
    return;
  }
  for (const auto& [group, values] : {std::pair{&comparison.first, &first}, {&comparison.second, &second}}) {
    for (std::size_t i = 0; i < group->texts.size(); ++i) {
      const double value = value_of(study, *group, i, layer, statistic);
      if (!std::isnan(value)) values->push_back(value);
    }
  }
}

void fill(const Study& study, StudyComparison& comparison) {
  std::vector<double> first, second, p;
  const bool enough =
      comparison.first.texts.size() >= kLeastTexts && comparison.second.texts.size() >= kLeastTexts;
  for (std::int64_t layer = 0; layer < study.layers; ++layer) {
    for (std::size_t s = 0; s < study.statistics.size(); ++s) {
      if (study.statistics[s] == kMassNegativeName) continue;
      gather(study, comparison, layer, s, first, second);
      if (first.size() < kLeastTexts || second.size() < kLeastTexts) {
        // Statistics of keys are missing where texts have no such key, which is nothing to report.
        if (enough && is_row_statistic(study.statistics[s])) {
          comparison.missing.push_back({layer, s, std::ssize(first), std::ssize(second)});
        }
        continue;
      }
      StatisticDifference row{layer, s, std::ssize(first), std::ssize(second), mean(first), mean(second),
                              {},    1};
      row.difference = (comparison.paired ? paired_difference : welch_difference)(first, second);
      p.push_back(row.difference.p);
      comparison.rows.push_back(row);
    }
  }
  const std::vector<double> adjusted = holm_adjusted(p);
  for (std::size_t i = 0; i < adjusted.size(); ++i) comparison.rows[i].p_holm = adjusted[i];
}

TextGroup whole_arm(const Study& study, std::size_t arm, std::string name, bool before = false) {
  TextGroup group{std::move(name), arm, before, std::vector<std::size_t>(study.arms[arm].texts.size())};
  std::iota(group.texts.begin(), group.texts.end(), std::size_t{0});
  return group;
}

StudyComparison right_or_wrong(const Study& study, std::size_t arm) {
  StudyComparison out{
      Difference::kRightOrWrong, {"wrong", arm, false, {}}, {"right", arm, false, {}}, false, {}};
  const std::vector<StudiedText>& texts = study.arms[arm].texts;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (texts[i].correct) (*texts[i].correct ? out.second : out.first).texts.push_back(i);
  }
  return out;
}

}  // namespace

std::vector<StudyComparison> compare_texts(const Study& study) {
  std::vector<StudyComparison> out;
  const auto of_arms = [&](Difference question, std::size_t first, std::size_t second) {
    out.push_back({question,
                   whole_arm(study, first, study.arms[first].name),
                   whole_arm(study, second, study.arms[second].name),
                   true,
                   {}});
  };
  const std::size_t count = study.arms.size();
  for (std::size_t a = 0; a < count; ++a) out.push_back(right_or_wrong(study, a));
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      if (study.arms[a].prompt == "direct" && study.arms[b].prompt == "cot" &&
          study.arms[a].intervention == study.arms[b].intervention) {
        of_arms(Difference::kPrompts, a, b);
      }
    }
  }
  for (std::size_t b = 1; b < count; ++b) {
    std::size_t a = 0;
    while (study.arms[a].prompt != study.arms[b].prompt) ++a;
    if (a < b) of_arms(Difference::kInterventions, a, b);
  }
  for (std::size_t a = 0; study.has_before && a < count; ++a) {
    out.push_back(
        {Difference::kModels, whole_arm(study, a, "before", true), whole_arm(study, a, "after"), true, {}});
  }
  for (StudyComparison& comparison : out) fill(study, comparison);
  return out;
}

std::string comparison_name(const Study& study, const StudyComparison& comparison) {
  switch (comparison.question) {
    case Difference::kRightOrWrong:
      return "wrong_right-" + study.arms[comparison.first.arm].name;
    case Difference::kPrompts:
      return "direct_cot-" + study.arms[comparison.first.arm].name.substr(sizeof("direct"));
    case Difference::kInterventions:
      return "intervention-" + study.arms[comparison.second.arm].name;
    case Difference::kModels:
      return "before_after-" + study.arms[comparison.first.arm].name;
  }
  return {};
}

std::string comparison_title(const Study& study, const StudyComparison& comparison) {
  switch (comparison.question) {
    case Difference::kRightOrWrong:
      return fmt::format("{}: wrong answers ({}) against right ones ({})",
                         study.arms[comparison.first.arm].name, comparison.first.texts.size(),
                         comparison.second.texts.size());
    case Difference::kModels:
      return fmt::format("{}: the model before fine-tuning against that after, on the same texts",
                         study.arms[comparison.first.arm].name);
    default:
      return fmt::format("{} against {}", comparison.first.name, comparison.second.name);
  }
}

}  // namespace refocus
