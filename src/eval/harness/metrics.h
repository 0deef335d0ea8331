// Metrics of lm-evaluation-harness 0.4.13 (lm_eval/api/metrics.py and process_results of
// lm_eval/api/task.py): from what a model answered to a document to numbers, from those to a task's, and from
// tasks' to a group's.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/option_likelihood.h"
#include "eval/text/config_node.h"
#include "template/pattern.h"

namespace refocus::harness {

enum class Aggregation { kMean, kMedian, kPerplexity, kWeightedPerplexity, kBitsPerByte, kF1 };

std::string_view aggregation_name(Aggregation aggregation);

struct MetricRule {
  std::string name;  // "acc", "exact_match", ...
  Aggregation aggregation = Aggregation::kMean;
  bool higher_is_better = true;
  // exact_match of texts: what is taken out of both sides, in this order.
  std::vector<jinja::Pattern> ignored = {};
  bool ignore_case = false, ignore_punctuation = false, ignore_numbers = false;
};

// `node` is a metric_list, or null: then the metrics that the output type has by itself. InputError, naming
// the line, for metrics and aggregations that are not there, those of another output type, and wrong options.
std::vector<MetricRule> read_metrics(const ConfigNode* node, std::string_view output_type);

// A document's share of a metric: a score; of word_perplexity and its like a log-likelihood and the count it
// is over; of f1 the right class and the chosen one.
struct MetricValue {
  double value = 0, weight = 1;
  bool operator==(const MetricValue&) const = default;
};
using MetricValues = std::map<std::string, MetricValue, std::less<>>;

// The right options of a question.
struct Gold {
  static constexpr std::int64_t kUnknown = -100;  // no such option: nothing is right then
  std::vector<std::int64_t> options;              // from 0; one unless `several`
  bool several = false;                           // each of them is enough
};

// multiple_choice. `choices` are the options' texts, as many as `options`; `unconditional` the
// log-likelihoods of the options after nothing, for acc_mutual_info alone.
MetricValues choice_metrics(std::span<const MetricRule> rules, std::span<const OptionLikelihood> options,
                            std::span<const std::string> choices, const Gold& gold,
                            std::span<const double> unconditional = {});

// The place of the largest number, the first of several.
std::size_t place_of_largest(std::span<const double> numbers);

// generate_until: a filtered response (nothing: None) against the right texts, each of which is enough.
MetricValues text_metrics(std::span<const MetricRule> rules, const std::optional<std::string>& response,
                          std::span<const std::string> gold);

// loglikelihood: of the target after the context.
MetricValues target_metrics(std::span<const MetricRule> rules, const OptionLikelihood& target);

// loglikelihood_rolling: of the whole text.
MetricValues rolling_metrics(std::span<const MetricRule> rules, double loglikelihood, std::string_view text);

// A task's number of its documents' (at least one), in their order.
double aggregated(Aggregation aggregation, std::span<const MetricValue> values);

// The standard error of a mean: the sample standard deviation (n - 1) over sqrt(n). Nothing for fewer than
// two values, and for other aggregations, which lm-evaluation-harness resamples.
std::optional<double> standard_error(Aggregation aggregation, std::span<const MetricValue> values);

// One task's number in a group.
struct TaskNumber {
  double value = 0;
  std::optional<double> standard_error;
  std::int64_t documents = 0;
};

// A group's number of its tasks' (at least one): the mean over documents, or over tasks where not
// `weight_by_size`; its error pooled, or of the unweighted mean.
TaskNumber group_number(std::span<const TaskNumber> tasks, bool weight_by_size);

}  // namespace refocus::harness
