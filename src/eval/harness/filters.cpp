#include "eval/harness/filters.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"
#include "eval/harness/python_text.h"
#include "eval/text/code_points.h"

namespace refocus::harness {

namespace {

std::string_view match_text(std::string_view text, const jinja::Match& match, std::size_t group) {
  const auto [begin, end] = match.groups[group];
  return begin == jinja::Match::kNone ? std::string_view() : text.substr(begin, end - begin);
}

// What findall()[select] is: a group's text, or of several groups the first that is not empty. Nothing where
// there are fewer matches, or all groups are empty.
std::optional<std::string> selected(const jinja::Pattern& pattern, std::int64_t select,
                                    std::string_view text) {
  const std::vector<jinja::Match> matches = pattern.find_all(text, 0);
  const auto count = static_cast<std::int64_t>(matches.size());
  const std::int64_t at = select < 0 ? count + select : select;
  if (at < 0 || at >= count) return std::nullopt;
  const jinja::Match& match = matches[static_cast<std::size_t>(at)];
  if (match.groups.size() <= 2) {
    return std::string(stripped(match_text(text, match, match.groups.size() - 1)));
  }
  for (std::size_t group = 1; group < match.groups.size(); ++group) {
    const std::string_view found = match_text(text, match, group);
    if (!found.empty()) return std::string(stripped(found));
  }
  return std::nullopt;
}

// What multi_choice_regex looks for beside its own pattern.
class ChoiceFinder {
 public:
  ChoiceFinder(const FilterStep& step, const std::vector<std::string>& choices) : step_(step) {
    std::vector<std::string> wanted;
    for (const std::string& choice : choices) {
      texts_.push_back(without_ignored(stripped(choice)));
      wanted.push_back(texts_.back());
    }
    // The longest first, so that one which begins with another is found itself.
    std::ranges::stable_sort(wanted, std::ranges::greater(),
                             [](const std::string& text) { return code_points(text).size(); });
    std::vector<std::string> escaped;
    for (const std::string& text : wanted) escaped.push_back(escaped_for_pattern(text));
    by_text_.emplace("choices", fmt::format("{}", fmt::join(escaped, "|")));
    std::string letters;
    for (std::size_t i = 0; i < choices.size(); ++i) {
      letters += (i > 0 ? "|" : "") + escaped_for_pattern(letter(i));
    }
    by_letter_.emplace("choices", fmt::format(":[\\s]*({})", letters));
  }

  std::string find(const std::string& response) const {
    if (const auto found = selected(*step_.pattern, step_.group_select, response); found && !found->empty()) {
      return *found;
    }
    if (auto found = selected(*by_text_, step_.group_select, without_ignored(response));
        found && !found->empty()) {
      // Of equal choices the last one counts, as in a dict.
      for (std::size_t i = texts_.size(); i-- > 0;) {
        if (texts_[i] == *found) return fmt::format("({})", letter(i));
      }
      return *found;
    }
    if (const auto found = selected(*by_letter_, step_.group_select, response); found && !found->empty()) {
      return fmt::format("({})", *found);
    }
    return step_.fallback;
  }

 private:
  static std::string letter(std::size_t i) { return std::string(1, static_cast<char>('A' + i)); }

  std::string without_ignored(std::string_view text) const {
    std::string out(text);
    for (const jinja::Pattern& pattern : step_.ignored) out = without_matches(pattern, out);
    if (step_.ignore_case) out = lowered(out);
    if (step_.ignore_punctuation) out = without_unicode_punctuation(out);
    return out;
  }

  const FilterStep& step_;
  std::vector<std::string> texts_;
  std::optional<jinja::Pattern> by_text_, by_letter_;
};

// The most frequent response; of several the one that came first.
Filtered majority(const std::vector<Filtered>& responses) {
  std::size_t best = 0;
  std::ptrdiff_t most = 0;
  for (std::size_t i = 0; i < responses.size(); ++i) {
    const std::ptrdiff_t count = std::ranges::count(responses, responses[i]);
    if (count > most) {
      most = count;
      best = i;
    }
  }
  return responses[best];
}

Filtered mapped(const FilterStep& step, const Filtered& response) {
  for (const auto& [key, value] : step.mapping) {
    if (response && key == *response) return value;
  }
  return step.default_value;
}

// A filter of one response after another; None is as an empty text to those that look into it.
Filtered one_filtered(const FilterStep& step, const Filtered& response, const ChoiceFinder* choices) {
  const std::string& text = response.value_or("");
  switch (step.kind) {
    case FilterKind::kRegex:
      return selected(*step.pattern, step.group_select, text).value_or(step.fallback);
    case FilterKind::kMultiChoiceRegex:
      return choices->find(text);
    case FilterKind::kRemoveWhitespace:
      return std::string(stripped(text));
    case FilterKind::kLowercase:
      return lowered(text);
    case FilterKind::kUppercase:
      return raised(text);
    case FilterKind::kMap:
      return mapped(step, response);
    default:
      break;
  }
  REFOCUS_CHECK(false);
  return std::nullopt;
}

}  // namespace

Filtered filtered(const FilterPipeline& pipeline, std::span<const std::string> responses,
                  const std::optional<std::vector<std::string>>& choices) {
  REFOCUS_CHECK(!responses.empty());
  std::vector<Filtered> current(responses.begin(), responses.end());
  for (const FilterStep& step : pipeline.steps) {
    if (step.kind == FilterKind::kTakeFirst) return current.front();
    if (step.kind == FilterKind::kTakeFirstK) {
      current.resize(std::min(current.size(), static_cast<std::size_t>(step.k)));
    } else if (step.kind == FilterKind::kMajorityVote) {
      current = {majority(current)};
    } else {
      std::optional<ChoiceFinder> finder;
      if (step.kind == FilterKind::kMultiChoiceRegex) {
        if (!choices || choices->empty() || choices->size() > 26) {
          throw input_error(
              step.where,
              "expected a field 'choices' with 1 to 26 texts for multi_choice_regex, got none; add it to "
              "the data, or use the filter regex");
        }
        finder.emplace(step, *choices);
      }
      for (Filtered& one : current) one = one_filtered(step, one, finder ? &*finder : nullptr);
    }
  }
  return current.front();
}

}  // namespace refocus::harness
