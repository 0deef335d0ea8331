#include "eval/harness/metrics.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/harness/python_text.h"
#include "eval/text/code_points.h"

namespace refocus::harness {

namespace {

std::string comparable(const MetricRule& rule, std::string text) {
  for (const jinja::Pattern& pattern : rule.ignored) text = without_matches(pattern, text);
  if (rule.ignore_case) text = lowered(text);
  if (rule.ignore_punctuation) text = without_ascii_punctuation(text);
  if (rule.ignore_numbers) text = without_ascii_digits(text);
  return text;
}

bool is_gold(const Gold& gold, std::size_t option) {
  return std::ranges::find(gold.options, static_cast<std::int64_t>(option)) != gold.options.end();
}

// Python counts negative places from the end.
bool any_gold_is_greedy(const Gold& gold, std::span<const OptionLikelihood> options) {
  const auto count = static_cast<std::int64_t>(options.size());
  for (const std::int64_t at : gold.options) {
    const std::int64_t place = at < 0 ? count + at : at;
    if (at != Gold::kUnknown && place >= 0 && place < count &&
        options[static_cast<std::size_t>(place)].is_greedy) {
      return true;
    }
  }
  return false;
}

double weighted_mean(std::span<const MetricValue> values) {
  double sum = 0, weights = 0;
  for (const MetricValue& one : values) {
    sum += one.value;
    weights += one.weight;
  }
  return sum / weights;
}

double mean_value(std::span<const MetricValue> values) {
  double sum = 0;
  for (const MetricValue& one : values) sum += one.value;
  return sum / static_cast<double>(values.size());
}

// Of the class 1, as sklearn's f1_score of two classes; 0 where neither side has it.
double f1_of_classes(std::span<const MetricValue> values) {
  double both = 0, either = 0;
  for (const MetricValue& one : values) {
    both += one.value == 1 && one.weight == 1 ? 1 : 0;
    either += (one.value == 1 ? 1 : 0) + (one.weight == 1 ? 1 : 0);
  }
  return either == 0 ? 0 : 2 * both / either;
}

}  // namespace

std::size_t place_of_largest(std::span<const double> numbers) {
  return static_cast<std::size_t>(std::ranges::max_element(numbers) - numbers.begin());
}

MetricValues choice_metrics(std::span<const MetricRule> rules, std::span<const OptionLikelihood> options,
                            std::span<const std::string> choices, const Gold& gold,
                            std::span<const double> unconditional) {
  REFOCUS_CHECK(options.size() == choices.size() && !options.empty() && !gold.options.empty());
  std::vector<double> plain, by_length, by_bytes, gained;
  for (std::size_t k = 0; k < options.size(); ++k) {
    const double value = options[k].loglikelihood;
    plain.push_back(value);
    by_length.push_back(value / static_cast<double>(code_points(choices[k]).size()));
    by_bytes.push_back(value / static_cast<double>(choices[k].size()));
    if (k < unconditional.size()) gained.push_back(value - unconditional[k]);
  }
  const auto right = [&](const std::vector<double>& numbers) {
    return MetricValue{is_gold(gold, place_of_largest(numbers)) ? 1.0 : 0.0};
  };
  MetricValues out;
  for (const MetricRule& rule : rules) {
    if (rule.name == "acc") out[rule.name] = right(plain);
    if (rule.name == "acc_norm") out[rule.name] = right(by_length);
    if (rule.name == "acc_bytes") out[rule.name] = right(by_bytes);
    if (rule.name == "exact_match") out[rule.name] = {any_gold_is_greedy(gold, options) ? 1.0 : 0.0};
    if (rule.name == "f1") {
      out[rule.name] = {static_cast<double>(gold.options.front()),
                        static_cast<double>(place_of_largest(plain))};
    }
    if (rule.name == "acc_mutual_info") {
      REFOCUS_CHECK(gained.size() == options.size());
      out[rule.name] = right(gained);
    }
  }
  return out;
}

MetricValues text_metrics(std::span<const MetricRule> rules, const std::optional<std::string>& response,
                          std::span<const std::string> gold) {
  MetricValues out;
  for (const MetricRule& rule : rules) {
    const bool right = response && std::ranges::any_of(gold, [&](const std::string& one) {
                         return comparable(rule, one) == comparable(rule, *response);
                       });
    out[rule.name] = {right ? 1.0 : 0.0};
  }
  return out;
}

MetricValues target_metrics(std::span<const MetricRule> rules, const OptionLikelihood& target) {
  MetricValues out;
  for (const MetricRule& rule : rules) {
    out[rule.name] = {rule.name == "perplexity" ? target.loglikelihood : target.is_greedy ? 1.0 : 0.0};
  }
  return out;
}

MetricValues rolling_metrics(std::span<const MetricRule> rules, double loglikelihood, std::string_view text) {
  MetricValues out;
  for (const MetricRule& rule : rules) {
    const std::size_t count = rule.name == "word_perplexity" ? word_count(text) : text.size();
    out[rule.name] = {loglikelihood, static_cast<double>(count)};
  }
  return out;
}

double aggregated(Aggregation aggregation, std::span<const MetricValue> values) {
  REFOCUS_CHECK(!values.empty());
  switch (aggregation) {
    case Aggregation::kMean:
      return mean_value(values);
    case Aggregation::kMedian: {
      std::vector<double> sorted;
      for (const MetricValue& one : values) sorted.push_back(one.value);
      std::ranges::sort(sorted);
      return sorted[sorted.size() / 2];
    }
    case Aggregation::kPerplexity:
      return std::exp(-mean_value(values));
    case Aggregation::kWeightedPerplexity:
      return std::exp(-weighted_mean(values));
    case Aggregation::kBitsPerByte:
      return -weighted_mean(values) / std::log(2.0);
    case Aggregation::kF1:
      break;
  }
  return f1_of_classes(values);
}

std::optional<double> standard_error(Aggregation aggregation, std::span<const MetricValue> values) {
  if (aggregation != Aggregation::kMean || values.size() < 2) return std::nullopt;
  const double mean = mean_value(values), n = static_cast<double>(values.size());
  double squares = 0;
  for (const MetricValue& one : values) squares += (one.value - mean) * (one.value - mean);
  return std::sqrt(squares / (n - 1)) / std::sqrt(n);
}

TaskNumber group_number(std::span<const TaskNumber> tasks, bool weight_by_size) {
  REFOCUS_CHECK(!tasks.empty());
  const auto count = static_cast<double>(tasks.size());
  double sum = 0, weights = 0, pooled = 0, squares = 0;
  TaskNumber out;
  bool errors = true;
  for (const TaskNumber& task : tasks) {
    const auto size = static_cast<double>(task.documents);
    const double weight = weight_by_size ? size : 1;
    sum += task.value * weight;
    weights += weight;
    out.documents += task.documents;
    errors = errors && task.standard_error.has_value();
    const double error = task.standard_error.value_or(0);
    pooled += (size - 1) * error * error * size;
    squares += error * error;
  }
  out.value = sum / weights;
  const auto documents = static_cast<double>(out.documents);
  if (errors && !weight_by_size) out.standard_error = std::sqrt(squares) / count;
  if (errors && weight_by_size) out.standard_error = std::sqrt(pooled / (documents - count) / documents);
  return out;
}

}  // namespace refocus::harness
