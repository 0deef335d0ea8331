// metric_list of a task's file.
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "eval/harness/metrics.h"
#include "eval/harness/setting.h"

namespace refocus::harness {

namespace {

struct KnownMetric {
  std::string_view output_type, name;
  Aggregation aggregation;
  bool higher_is_better;
  bool standard;  // measured where a task says no metrics
};

constexpr std::array<KnownMetric, 12> kMetrics = {{
    {"multiple_choice", "acc", Aggregation::kMean, true, true},
    {"multiple_choice", "acc_norm", Aggregation::kMean, true, true},
    {"multiple_choice", "acc_bytes", Aggregation::kMean, true, false},
    {"multiple_choice", "acc_mutual_info", Aggregation::kMean, true, false},
    {"multiple_choice", "exact_match", Aggregation::kMean, true, false},
    {"multiple_choice", "f1", Aggregation::kF1, true, false},
    {"loglikelihood", "perplexity", Aggregation::kPerplexity, false, true},
    {"loglikelihood", "acc", Aggregation::kMean, true, true},
    {"loglikelihood_rolling", "word_perplexity", Aggregation::kWeightedPerplexity, false, true},
    {"loglikelihood_rolling", "byte_perplexity", Aggregation::kWeightedPerplexity, false, true},
    {"loglikelihood_rolling", "bits_per_byte", Aggregation::kBitsPerByte, false, true},
    {"generate_until", "exact_match", Aggregation::kMean, true, true},
}};

const KnownMetric& known_metric(const ConfigNode& node, std::string_view output_type) {
  const std::string name = Setting(node, "metric").text();
  std::vector<std::string_view> known;
  for (const KnownMetric& metric : kMetrics) {
    if (metric.output_type != output_type) continue;
    if (metric.name == name) return metric;
    known.push_back(metric.name);
  }
  throw input_error(node.where, "unknown metric '{}' of {} tasks; known ones: {}", printable(name),
                    output_type, fmt::join(known, ", "));
}

// What averages scores may be exchanged for another average, nothing else.
Aggregation aggregation_of(const ConfigNode& node, const KnownMetric& metric) {
  const std::string name = Setting(node, "aggregation").text();
  if (name == aggregation_name(metric.aggregation)) return metric.aggregation;
  if (metric.aggregation == Aggregation::kMean || metric.aggregation == Aggregation::kPerplexity) {
    if (name == "mean" || name == "nanmean") return Aggregation::kMean;
    if (name == "median") return Aggregation::kMedian;
    if (name == "perplexity" && metric.name == "perplexity") return Aggregation::kPerplexity;
  }
  throw input_error(node.where, "expected '{}' as the aggregation of {}, got '{}'; correct it",
                    aggregation_name(metric.aggregation), metric.name, printable(name));
}

MetricRule read_metric(const ConfigNode& node, std::string_view output_type) {
  const ConfigNode* name = node.find("metric");
  if (name == nullptr) throw input_error(node.where, "expected 'metric' in a metric_list, got none; add it");
  const KnownMetric& known = known_metric(*name, output_type);
  // weight_by_size is a group's, and some files have it here without effect.
  node.check_keys("the metric " + std::string(known.name),
                  {"metric", "aggregation", "higher_is_better", "hf_evaluate", "ignore_case",
                   "ignore_punctuation", "ignore_numbers", "regexes_to_ignore", "weight_by_size"});
  MetricRule rule{std::string(known.name), known.aggregation, known.higher_is_better};
  if (const ConfigNode* one = node.find("aggregation")) rule.aggregation = aggregation_of(*one, known);
  const auto flag = [&](const char* key, bool standard) {
    const ConfigNode* one = node.find(key);
    return one != nullptr ? Setting(*one, key).flag() : standard;
  };
  rule.higher_is_better = flag("higher_is_better", rule.higher_is_better);
  if (flag("hf_evaluate", false)) {
    throw input_error(node.where,
                      "expected a metric of lm-evaluation-harness itself, got hf_evaluate; remove it");
  }
  rule.ignore_case = flag("ignore_case", false);
  rule.ignore_punctuation = flag("ignore_punctuation", false);
  rule.ignore_numbers = flag("ignore_numbers", false);
  if (const ConfigNode* one = node.find("regexes_to_ignore")) {
    if (one->kind != ConfigNode::Kind::kList) {
      throw input_error(one->where, "expected a list as regexes_to_ignore, got {}; write one",
                        kind_name(one->kind));
    }
    for (const std::string& text : Setting(*one, "regexes_to_ignore").texts()) {
      rule.ignored.emplace_back(one->where, text);
    }
  }
  return rule;
}

}  // namespace

std::string_view aggregation_name(Aggregation aggregation) {
  switch (aggregation) {
    case Aggregation::kMean:
      return "mean";
    case Aggregation::kMedian:
      return "median";
    case Aggregation::kPerplexity:
      return "perplexity";
    case Aggregation::kWeightedPerplexity:
      return "weighted_perplexity";
    case Aggregation::kBitsPerByte:
      return "bits_per_byte";
    case Aggregation::kF1:
      break;
  }
  return "f1";
}

std::vector<MetricRule> read_metrics(const ConfigNode* node, std::string_view output_type) {
  std::vector<MetricRule> out;
  if (node == nullptr) {
    for (const KnownMetric& metric : kMetrics) {
      if (metric.output_type == output_type && metric.standard) {
        out.push_back({std::string(metric.name), metric.aggregation, metric.higher_is_better});
      }
    }
    return out;
  }
  if (node->kind != ConfigNode::Kind::kList || node->items.empty()) {
    throw input_error(node->where, "expected a list as metric_list, got {}; write - metric: acc",
                      kind_name(node->kind));
  }
  for (const ConfigNode& item : node->items) {
    MetricRule rule = read_metric(item, output_type);
    // Of two entries of one name the later one counts, in the place of the first.
    const auto same = std::ranges::find(out, rule.name, &MetricRule::name);
    if (same == out.end()) {
      out.push_back(std::move(rule));
    } else {
      *same = std::move(rule);
    }
  }
  return out;
}

}  // namespace refocus::harness
