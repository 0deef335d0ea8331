// Filters of lm-evaluation-harness 0.4.13 (lm_eval/filters): what a response is made into before it is
// measured.
//
// A pipeline goes from all responses to one document (`repeats` of them) to the one that is measured. It has
// to end with take_first, as nearly all do: without it the harness measures lists, and with another filter
// behind it that filter would see single characters.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "eval/text/config_node.h"
#include "template/pattern.h"

namespace refocus::harness {

enum class FilterKind {
  kRegex,
  kMultiChoiceRegex,
  kRemoveWhitespace,
  kLowercase,
  kUppercase,
  kMap,
  kTakeFirst,
  kTakeFirstK,
  kMajorityVote,
};

struct FilterStep {
  FilterKind kind = FilterKind::kTakeFirst;
  std::string where;  // "FILE:LINE"
  // kRegex, kMultiChoiceRegex
  std::optional<jinja::Pattern> pattern = {};
  std::int64_t group_select = 0;  // which match; from the end where negative
  std::string fallback = "[invalid]";
  // kMultiChoiceRegex
  bool ignore_case = false, ignore_punctuation = false;
  std::vector<jinja::Pattern> ignored = {};
  // kMap
  std::vector<std::pair<std::string, std::optional<std::string>>> mapping = {};
  std::optional<std::string> default_value = {};
  int k = 0;  // kTakeFirstK
};

struct FilterPipeline {
  std::string name;  // "none" where the task says no filters
  std::vector<FilterStep> steps;
};

// A response on its way; nothing is Python's None, which a map gives.
using Filtered = std::optional<std::string>;

// `node` is a filter_list, or null: then take_first alone, as "none". Other filters than take_first are for
// generated texts alone. InputError, naming the line, for unknown filters, those in Python, wrong arguments,
// and pipelines that do not end with take_first.
std::vector<FilterPipeline> read_filters(const ConfigNode* node, bool generates, int repeats);

// What is measured of the responses (valid UTF-8, at least one). `choices`: the document's field of that
// name, which multi_choice_regex needs. Where the harness itself would fail (group_select beyond the matches)
// the result is the fallback. InputError where a document has no such field, or a pattern needs too many
// steps.
Filtered filtered(const FilterPipeline& pipeline, std::span<const std::string> responses,
                  const std::optional<std::vector<std::string>>& choices);

}  // namespace refocus::harness
