#include "eval/harness/results.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "eval/text/display_width.h"
#include "eval/text/table_text.h"

namespace refocus::harness {

namespace {

using Json = nlohmann::ordered_json;

// A response's pairs, as the journal keeps them (eval/journal/likelihood_answer.h).
std::vector<OptionLikelihood> pairs_of(const Response& response, std::size_t count,
                                       const std::string& where) {
  const Json pairs = parse_ordered_json(response.text, {where, "restore a copy of the run", true});
  std::vector<OptionLikelihood> out;
  for (const Json& pair : pairs) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number() || !pair[1].is_boolean()) break;
    out.push_back({pair[0].get<double>(), pair[1].get<bool>()});
  }
  if (!pairs.is_array() || out.size() != pairs.size() || out.size() != count) {
    throw input_error(where, "expected {} log-likelihoods, got '{}'; restore a copy of the run", count,
                      printable(response.text));
  }
  return out;
}

MetricValues values_of(const TaskConfig& config, const Request& request, const Response& response,
                       const FilterPipeline& pipeline) {
  if (config.output == OutputType::kGenerateUntil) {
    const std::string text = replace_invalid_utf8(response.text);
    const std::vector<std::string> responses(static_cast<std::size_t>(config.repeats), text);
    return text_metrics(config.metrics, filtered(pipeline, responses, request.choices_field),
                        request.answers);
  }
  const bool choice = config.output == OutputType::kMultipleChoice;
  const auto options = pairs_of(response, choice ? request.choices.size() : 1, request.document.where);
  if (choice) return choice_metrics(config.metrics, options, request.choices, request.gold);
  if (config.output == OutputType::kLoglikelihood) return target_metrics(config.metrics, options.front());
  return rolling_metrics(config.metrics, options.front().loglikelihood, request.rolling);
}

TaskResult task_result(const LoadedTask& task, const std::vector<const Response*>& responses) {
  const TaskConfig& config = task.config;
  TaskResult out{config.name, config.alias, false, task.shots, config.version, {}};
  for (const FilterPipeline& pipeline : config.filters) {
    std::map<std::string, std::vector<MetricValue>> values;
    for (std::size_t i = 0; i < task.requests.size(); ++i) {
      if (responses[i] == nullptr) continue;
      for (const auto& [name, value] : values_of(config, task.requests[i], *responses[i], pipeline)) {
        values[name].push_back(value);
      }
    }
    for (const MetricRule& rule : config.metrics) {
      const std::vector<MetricValue>& all = values[rule.name];
      if (all.empty()) continue;
      out.metrics.push_back(
          {rule.name,
           pipeline.name,
           {aggregated(rule.aggregation, all), standard_error(rule.aggregation, all), std::ssize(all)},
           rule.higher_is_better});
    }
  }
  return out;
}

TaskResult group_result(const Group& group, const std::vector<TaskResult>& tasks) {
  TaskResult out{group.name, group.alias, true, 0, "", {}};
  std::vector<const TaskResult*> members;
  for (const TaskResult& task : tasks) {
    if (!task.is_group && std::ranges::find(group.tasks, task.name) != group.tasks.end())
      members.push_back(&task);
  }
  if (!members.empty()) out.shots = members.front()->shots;
  for (const GroupMetric& metric : group.metrics) {
    // In alphabetical order, as the harness discovers them.
    std::map<std::string, std::vector<TaskNumber>> by_filter;
    bool higher = true;
    for (const TaskResult* member : members) {
      for (const MetricResult& one : member->metrics) {
        if (one.metric != metric.name) continue;
        if (metric.filters && std::ranges::find(*metric.filters, one.filter) == metric.filters->end())
          continue;
        by_filter[one.filter].push_back(one.number);
        higher = one.higher_is_better;
      }
    }
    for (const auto& [filter, numbers] : by_filter) {
      out.metrics.push_back({metric.name, filter, group_number(numbers, metric.weight_by_size), higher});
    }
  }
  return out;
}

std::string shown_number(const TaskNumber& number) {
  const std::string value = fmt::format("{:.4f}", number.value);
  return number.standard_error ? fmt::format("{} ± {:.4f}", value, *number.standard_error) : value;
}

}  // namespace

std::vector<TaskResult> harness_results(const LoadedSet& set, std::span<const Response> responses) {
  std::map<std::string, std::vector<const Response*>> by_task;
  std::vector<std::string> subjects;
  for (const LoadedTask& task : set.tasks) {
    subjects.push_back(subject_of(task.config));
    by_task[subjects.back()].resize(task.requests.size());
  }
  for (const Response& response : responses) {
    const auto task = by_task.find(response.subject);
    if (task == by_task.end()) continue;
    if (response.index < 0 || std::cmp_greater_equal(response.index, task->second.size())) {
      throw input_error(response.subject,
                        "expected answers to items up to {}, got one to item {}; restore a copy of the run",
                        std::ssize(task->second) - 1, response.index);
    }
    task->second[static_cast<std::size_t>(response.index)] = &response;
  }
  std::vector<TaskResult> out;
  for (std::size_t i = 0; i < set.tasks.size(); ++i) {
    out.push_back(task_result(set.tasks[i], by_task[subjects[i]]));
  }
  const std::vector<TaskResult> tasks = out;
  for (const Group& group : set.groups) {
    if (!group.metrics.empty()) out.push_back(group_result(group, tasks));
  }
  return out;
}

Json harness_results_json(const std::vector<TaskResult>& results) {
  Json out = {{"results", Json::object()},          {"groups", Json::object()},
              {"n-shot", Json::object()},           {"versions", Json::object()},
              {"higher_is_better", Json::object()}, {"n-samples", Json::object()}};
  for (const TaskResult& result : results) {
    Json one = {{"alias", result.alias}};
    std::int64_t documents = 0;
    for (const MetricResult& metric : result.metrics)
      documents = std::max(documents, metric.number.documents);
    one["sample_len"] = documents;
    for (const MetricResult& metric : result.metrics) {
      one[metric.metric + "," + metric.filter] = metric.number.value;
      const auto& error = metric.number.standard_error;
      one[metric.metric + "_stderr," + metric.filter] = error ? Json(*error) : Json("N/A");
      out["higher_is_better"][result.name][metric.metric] = metric.higher_is_better;
    }
    out["n-shot"][result.name] = result.shots;
    out["versions"][result.name] = result.version.empty() ? "Yaml" : result.version;
    if (result.is_group) {
      out["groups"][result.name] = one;
    } else {
      out["n-samples"][result.name] = {{"effective", documents}};
    }
    out["results"][result.name] = std::move(one);
  }
  return out;
}

std::string harness_table(const std::vector<ArmResults>& arms) {
  if (arms.empty() || arms.front().results.empty()) return "";
  std::vector<std::vector<std::string>> rows = {{"task", "n-shot", "filter", "metric"}};
  for (std::size_t a = 0; a < arms.size(); ++a) rows[0].push_back(fmt::format("{}", a + 1));
  const std::vector<TaskResult>& first = arms.front().results;
  for (std::size_t t = 0; t < first.size(); ++t) {
    for (std::size_t m = 0; m < first[t].metrics.size(); ++m) {
      const MetricResult& metric = first[t].metrics[m];
      std::vector<std::string> row = {(first[t].is_group ? "= " : "") + first[t].name,
                                      fmt::format("{}", first[t].shots), metric.filter,
                                      metric.metric + (metric.higher_is_better ? " ↑" : " ↓")};
      for (const ArmResults& arm : arms) {
        const bool there = t < arm.results.size() && m < arm.results[t].metrics.size();
        row.push_back(there ? shown_number(arm.results[t].metrics[m].number) : "-");
      }
      rows.push_back(std::move(row));
    }
  }
  std::vector<int> widths(rows[0].size(), 0);
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], display_width(row[c]));
  }
  TextLines out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      line += (c > 0 ? "  " : "") + (c == 1 || c > 3 ? right(row[c], widths[c]) : left(row[c], widths[c]));
    }
    out.line(line);
  }
  return out.take();
}

}  // namespace refocus::harness
