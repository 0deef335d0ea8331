#include "study/text_measurer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "eval/run/asking.h"

namespace refocus {

namespace {

constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

std::vector<std::int64_t> rows_of(TextRows rows, const AskedText& asked) {
  const auto count = std::ssize(asked.tokens);
  const std::int64_t first = rows == TextRows::kResponse ? asked.prompt_tokens - 1 : 0;
  const std::int64_t end = rows == TextRows::kAll      ? count
                           : rows == TextRows::kPrompt ? asked.prompt_tokens
                                                       : std::max(first + 1, count - 1);
  std::vector<std::int64_t> out;
  for (std::int64_t i = first; i < end; ++i) out.push_back(i);
  return out;
}

// Statistics of which the classes of keys are kept apart too.
bool is_by_class(const std::string& name) { return name == "received_ratio" || name == "outlier_keys"; }

std::string name_by_class(const std::string& statistic, std::size_t class_row) {
  return statistic + "." + std::string(class_row_name(class_row));
}

// Calls on_value(name, [layers, heads]) for everything that a study keeps.
template <class OnValue>
void for_each_value(const std::vector<StatisticGrid>& grids, const OnValue& on_value) {
  for (const StatisticGrid& grid : grids) {
    if (grid.name.starts_with("received_ratio_at_") || grid.name == kMassNegativeName) continue;
    if (!is_by_class(grid.name)) {
      on_value(grid.name, grid.values[kAllClasses]);
      continue;
    }
    for (std::size_t c = 0; c < kClassRows; ++c) on_value(name_by_class(grid.name, c), grid.values[c]);
  }
}

double mean_over_heads(std::span<const double> heads) {
  double sum = 0;
  int count = 0;
  for (const double value : heads) {
    if (std::isnan(value)) continue;
    sum += value;
    ++count;
  }
  return count == 0 ? kNothing : sum / count;
}

}  // namespace

AskedText asked_text(const EvalModel& model, const EvalSettings& settings, const Plan& plan, std::size_t arm,
                     const Question& question, Response response) {
  AskedText out{&question,           arm,
                question.tokens,     std::ssize(question.tokens),
                std::move(response), target_of(model, settings, question, plan.arms[arm].intervention)};
  out.tokens.insert(out.tokens.end(), out.response.tokens.begin(), out.response.tokens.end());
  return out;
}

TextMeasurer::TextMeasurer(Transformer& model, const Tokenizer& tokenizer, const StudySettings& settings)
    : model_(model), tokenizer_(tokenizer), rows_(settings.rows), threshold_(settings.threshold) {
  for (std::int64_t l = 0; l < model.config().num_hidden_layers; ++l) settings_.layers.push_back(l);
  for (std::int64_t h = 0; h < model.config().num_attention_heads; ++h) settings_.heads.push_back(h);
  settings_.window = settings.window;
}

TextValues TextMeasurer::measure(const PlannedArm& arm, const AskedText& asked,
                                 std::vector<std::string>& names) const {
  AttentionText text;
  text.tokens = asked.tokens;
  text.prompt_tokens = asked.prompt_tokens;
  text.classes = classify_tokens(&tokenizer_, asked.tokens);
  text.queries = rows_of(rows_, asked);
  const InterventionSpec& spec = arm.intervention;
  text.aim_at = [&](const InterventionSpec&) { return asked.target; };
  const AttentionResult result =
      measure_text(model_, settings_, {arm.name, spec, threshold_of(spec, threshold_)}, text);
  std::vector<std::span<const double>> grids;
  names.clear();
  for_each_value(result.grids, [&](const std::string& name, const std::vector<double>& values) {
    names.push_back(name);
    grids.emplace_back(values);
  });
  // Last, and 0 where nothing is negative: then it has no grid.
  const std::vector<double> none(result.negative_rows.size(), 0.0);
  const auto negative = std::ranges::find(result.grids, kMassNegativeName, &StatisticGrid::name);
  names.emplace_back(kMassNegativeName);
  grids.emplace_back(negative == result.grids.end() ? none : negative->values[kAllClasses]);
  const std::size_t heads = settings_.heads.size();
  TextValues out;
  for (std::size_t l = 0; l < settings_.layers.size(); ++l) {
    for (const std::span<const double> grid : grids) {
      out.values.push_back(mean_over_heads(grid.subspan(l * heads, heads)));
    }
  }
  return out;
}

}  // namespace refocus
