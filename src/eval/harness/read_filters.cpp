// filter_list of a task's file.
#include <array>

#include "base/error.h"
#include "eval/harness/filters.h"
#include "eval/harness/setting.h"

namespace refocus::harness {

namespace {

constexpr const char* kDefaultPattern = R"(#### (\-?[0-9\.\,]+))";

constexpr std::array<std::pair<std::string_view, FilterKind>, 9> kFilters = {{
    {"regex", FilterKind::kRegex},
    {"multi_choice_regex", FilterKind::kMultiChoiceRegex},
    {"remove_whitespace", FilterKind::kRemoveWhitespace},
    {"lowercase", FilterKind::kLowercase},
    {"uppercase", FilterKind::kUppercase},
    {"map", FilterKind::kMap},
    {"take_first", FilterKind::kTakeFirst},
    {"take_first_k", FilterKind::kTakeFirstK},
    {"majority_vote", FilterKind::kMajorityVote},
}};

FilterKind filter_kind(const ConfigNode& node) {
  const std::string name = Setting(node, "function").text();
  std::string known;
  for (const auto& [filter, kind] : kFilters) {
    if (filter == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(filter);
  }
  throw input_error(node.where, "unknown filter '{}'; known ones: {}", printable(name), known);
}

std::vector<std::string_view> argument_names(FilterKind kind) {
  switch (kind) {
    case FilterKind::kRegex:
      return {"function", "regex_pattern", "group_select", "fallback"};
    case FilterKind::kMultiChoiceRegex:
      return {"function",    "regex_pattern",      "group_select",     "fallback",
              "ignore_case", "ignore_punctuation", "regexes_to_ignore"};
    case FilterKind::kMap:
      return {"function", "mapping_dict", "default_value"};
    case FilterKind::kTakeFirstK:
      return {"function", "k"};
    default:
      return {"function"};
  }
}

jinja::Pattern pattern_of(const ConfigNode* node, std::string_view text) {
  const std::string what = node != nullptr ? node->where : "regex";
  return jinja::Pattern(what, text);
}

void read_pattern(const ConfigNode& node, FilterStep& step) {
  const ConfigNode* pattern = node.find("regex_pattern");
  step.pattern =
      pattern_of(pattern, pattern != nullptr ? Setting(*pattern, "regex_pattern").text() : kDefaultPattern);
  if (const ConfigNode* one = node.find("group_select")) {
    step.group_select = Setting(*one, "group_select").whole(-1'000'000, 1'000'000);
  }
  if (const ConfigNode* one = node.find("fallback")) step.fallback = Setting(*one, "fallback").text();
  if (const ConfigNode* one = node.find("ignore_case"))
    step.ignore_case = Setting(*one, "ignore_case").flag();
  if (const ConfigNode* one = node.find("ignore_punctuation")) {
    step.ignore_punctuation = Setting(*one, "ignore_punctuation").flag();
  }
  if (const ConfigNode* one = node.find("regexes_to_ignore")) {
    for (const std::string& text : Setting(*one, "regexes_to_ignore").texts()) {
      step.ignored.push_back(pattern_of(one, text));
    }
  }
}

void read_mapping(const ConfigNode& node, FilterStep& step) {
  if (const ConfigNode* map = node.find("mapping_dict")) {
    if (map->kind != ConfigNode::Kind::kMap) {
      throw input_error(map->where, "expected a map as mapping_dict, got {}; correct it",
                        kind_name(map->kind));
    }
    for (const auto& entry : map->entries) {
      const bool is_null = entry.value.kind == ConfigNode::Kind::kNull;
      step.mapping.emplace_back(
          entry.key, is_null ? std::nullopt : std::optional(Setting(entry.value, entry.key).text()));
    }
  }
  if (const ConfigNode* one = node.find("default_value"))
    step.default_value = Setting(*one, "default_value").text();
}

FilterStep read_step(const ConfigNode& node, int repeats) {
  const ConfigNode* function = node.find("function");
  if (function == nullptr) {
    throw input_error(node.where, "expected 'function' in a filter, got none; write - function: take_first");
  }
  FilterStep step;
  step.where = node.where;
  step.kind = filter_kind(*function);
  node.check_keys("the filter " + function->text, argument_names(step.kind));
  if (step.kind == FilterKind::kRegex || step.kind == FilterKind::kMultiChoiceRegex) read_pattern(node, step);
  if (step.kind == FilterKind::kMap) read_mapping(node, step);
  if (step.kind == FilterKind::kTakeFirstK) {
    const ConfigNode* k = node.find("k");
    if (k == nullptr) throw input_error(node.where, "expected 'k' in take_first_k, got none; add it");
    step.k = static_cast<int>(Setting(*k, "k").whole(1, repeats));
  }
  return step;
}

FilterPipeline read_pipeline(const ConfigNode& node, bool generates, int repeats) {
  node.check_keys("a filter_list", {"name", "filter", "metric_list"});
  const ConfigNode *name = node.find("name"), *steps = node.find("filter");
  if (name == nullptr || steps == nullptr || steps->kind != ConfigNode::Kind::kList) {
    throw input_error(
        node.where, "expected 'name' and a list as 'filter' in a filter_list, got something else; add them");
  }
  FilterPipeline out{Setting(*name, "name").text(), {}};
  for (const ConfigNode& step : steps->items) {
    if (!out.steps.empty() && out.steps.back().kind == FilterKind::kTakeFirst) {
      throw input_error(step.where,
                        "expected take_first as the last filter, got another one behind it; move it");
    }
    out.steps.push_back(read_step(step, repeats));
    if (!generates && out.steps.back().kind != FilterKind::kTakeFirst) {
      throw input_error(
          step.where, "expected take_first alone where nothing is generated, got another filter; remove it");
    }
  }
  if (out.steps.empty() || out.steps.back().kind != FilterKind::kTakeFirst) {
    throw input_error(steps->where,
                      "expected take_first as the last filter, got a pipeline without it; add it");
  }
  return out;
}

}  // namespace

std::vector<FilterPipeline> read_filters(const ConfigNode* node, bool generates, int repeats) {
  if (node == nullptr) return {{"none", {FilterStep{}}}};
  if (node->kind != ConfigNode::Kind::kList || node->items.empty()) {
    throw input_error(node->where,
                      "expected a list of pipelines as filter_list, got {}; see docs/harness_tasks.md",
                      kind_name(node->kind));
  }
  std::vector<FilterPipeline> out;
  for (const ConfigNode& item : node->items) {
    out.push_back(read_pipeline(item, generates, repeats));
    for (std::size_t i = 0; i + 1 < out.size(); ++i) {
      if (out[i].name != out.back().name) continue;
      throw input_error(item.where, "expected filters of different names, got '{}' twice; rename one",
                        printable(out.back().name));
    }
  }
  return out;
}

}  // namespace refocus::harness
