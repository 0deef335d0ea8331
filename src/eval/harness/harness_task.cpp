#include "eval/harness/harness_task.h"

#include <algorithm>

#include "base/error.h"
#include "base/json_reader.h"
#include "eval/task/file_names.h"
#include "eval/task/ready_prompts.h"
#include "eval/task/task_kind.h"

namespace refocus::harness {

namespace {

bool has_metric(const TaskConfig& config, std::string_view name) {
  return std::ranges::find(config.metrics, name, &MetricRule::name) != config.metrics.end();
}

void check_askable(const LoadedTask& loaded) {
  const TaskConfig& config = loaded.config;
  if (has_metric(config, "acc_mutual_info")) {
    throw input_error(config.file,
                      "expected metrics other than acc_mutual_info, which is not asked for; remove it "
                      "from the metric_list of {}",
                      config.name);
  }
  if (config.output != OutputType::kMultipleChoice) return;
  for (const Request& request : loaded.requests) {
    if (request.choices.size() > 26) {
      throw input_error(request.document.where, "expected at most 26 options, got {}; shorten the list",
                        request.choices.size());
    }
    if (request.gold.several) {
      throw input_error(request.document.where,
                        "expected one right option, got a list of them, which is not asked for; name one in "
                        "doc_to_target of {}",
                        config.name);
    }
  }
}

// Several equal responses, since the most likely token is taken each time.
MeasuredText measured(const TaskConfig& config, const Request& request, const std::string& response) {
  const std::vector<std::string> responses(static_cast<std::size_t>(config.repeats), response);
  const FilterPipeline& pipeline = config.filters.front();
  MeasuredText out;
  out.found = filtered(pipeline, responses, request.choices_field);
  out.rule = pipeline.name;
  out.right = text_metrics(config.metrics, out.found, request.answers).at("exact_match").value == 1;
  const bool is_fallback = std::ranges::any_of(
      pipeline.steps, [&](const FilterStep& step) { return step.pattern && out.found == step.fallback; });
  if (is_fallback && !out.right) out.found.reset();
  return out;
}

Item item_of(const TaskConfig& config, const Request& request, const std::string& subject, int index) {
  Item item;
  item.subject = subject;
  item.index = index;
  for (const auto& [name, value] : request.document.fields.items()) {
    item.fields.emplace_back(name, value.is_string() ? value.get<std::string>() : json_text(value));
  }
  ReadyPrompts prompts{request.contexts, request.continuations};
  if (config.output == OutputType::kMultipleChoice) {
    item.choices = request.choices;
    const std::int64_t right = request.gold.options.front();
    if (right >= 0) item.label = static_cast<char>('A' + right);
  } else if (config.output == OutputType::kLoglikelihood) {
    item.choices = {request.target};
    if (has_metric(config, "acc")) item.label = 'A';
  } else if (config.output == OutputType::kRolling) {
    item.choices = {request.rolling};
    PieceOrigin origin;
    origin.field = "text";
    prompts = {{Prompt()}, {{data_piece(request.rolling, origin)}}};
  } else {
    item.answers = request.answers;
  }
  item.ready = std::make_shared<const ReadyPrompts>(std::move(prompts));
  return item;
}

}  // namespace

LoadedSet load_harness_set(const std::filesystem::path& file, const LoadSettings& settings) {
  TaskSet set = load_task_set(file);
  LoadedSet out;
  for (TaskConfig& config : set.tasks) {
    Dataset data(config.data, config.name, std::filesystem::path(config.file).parent_path(),
                 settings.data_folder);
    LoadedTask one;
    one.shots = shots_of(config, settings.requests);
    one.requests = build_requests(config, data, settings.requests);
    one.config = std::move(config);
    check_askable(one);
    out.tasks.push_back(std::move(one));
  }
  out.groups = std::move(set.groups);
  return out;
}

bool asks_likelihoods(const LoadedSet& set) {
  const auto asks = [](const LoadedTask& task) { return task.config.output != OutputType::kGenerateUntil; };
  const bool first = asks(set.tasks.front());
  for (const LoadedTask& task : set.tasks) {
    if (asks(task) == first) continue;
    throw input_error(
        task.config.file,
        "expected tasks that all generate, or all compare log-likelihoods, got {} and {}; evaluate them in "
        "runs of their own",
        set.tasks.front().config.name, task.config.name);
  }
  return first;
}

std::string subject_of(const TaskConfig& config) {
  std::string name = config.name;
  for (char& c : name) {
    if (!is_safe_file_name(std::string("x") + c)) c = '-';
  }
  return name;
}

Task task_of(const LoadedTask& loaded) {
  const TaskConfig& config = loaded.config;
  TaskKind kind;
  kind.name = subject_of(config);
  auto definition = config.definition;
  definition["num_fewshot"] = loaded.shots;
  kind.definition = json_text(definition);
  if (config.output == OutputType::kGenerateUntil) {
    kind.type = AnswerType::kShort;
    kind.until = config.generation.until;
    kind.max_new_tokens = config.generation.max_tokens;
    kind.keeps_blanks = true;
    kind.prompts[PromptKind::kDirect] = {};
    // The closure has what it needs of its own: the task may outlive what was loaded.
    const auto rules = std::make_shared<const LoadedTask>(loaded);
    kind.measure = [rules](const Item& item, const std::string& response) {
      return measured(rules->config, rules->requests[static_cast<std::size_t>(item.index)], response);
    };
  } else {
    kind.likelihood.emplace();
    kind.likelihood->length_normalised = has_metric(config, "acc_norm");
    kind.likelihood->greedy_is_right =
        config.output == OutputType::kLoglikelihood && has_metric(config, "acc");
  }
  Task task;
  task.name = kind.name;
  task.subjects = {task.name};
  for (std::size_t i = 0; i < loaded.requests.size(); ++i) {
    task.items.push_back(item_of(config, loaded.requests[i], task.name, static_cast<int>(i)));
  }
  task.own = std::make_shared<const TaskKind>(std::move(kind));
  return task;
}

}  // namespace refocus::harness
