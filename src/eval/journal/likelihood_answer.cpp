#include "eval/journal/likelihood_answer.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "eval/task/likelihood_prompt.h"
#include "eval/text/code_points.h"

namespace refocus {

std::string likelihoods_text(std::span<const OptionLikelihood> options) {
  nlohmann::json pairs = nlohmann::json::array();
  for (const OptionLikelihood& option : options) pairs.push_back({option.loglikelihood, option.is_greedy});
  return json_text(pairs);
}

std::vector<OptionLikelihood> parse_likelihoods(std::string_view text, std::size_t options,
                                                const std::string& where) {
  const nlohmann::json pairs = parse_json(text, {where, "restore a copy of the run", true});
  const auto is_pair = [](const nlohmann::json& pair) {
    return pair.is_array() && pair.size() == 2 && pair[0].is_number() && pair[1].is_boolean();
  };
  if (!pairs.is_array() || pairs.size() != options || !std::all_of(pairs.begin(), pairs.end(), is_pair)) {
    throw input_error(where, "expected {} log-likelihoods, got '{}'; restore a copy of the run", options,
                      printable(text));
  }
  std::vector<OptionLikelihood> out;
  for (const nlohmann::json& pair : pairs) out.push_back({pair[0].get<double>(), pair[1].get<bool>()});
  return out;
}

char letter_of_largest(std::span<const double> values) {
  REFOCUS_CHECK(!values.empty());
  return static_cast<char>('A' + (std::max_element(values.begin(), values.end()) - values.begin()));
}

char chosen_letter(std::span<const OptionLikelihood> options) {
  std::vector<double> values;
  for (const OptionLikelihood& option : options) values.push_back(option.loglikelihood);
  return letter_of_largest(values);
}

char chosen_letter_by_length(const Item& item, std::span<const OptionLikelihood> options) {
  REFOCUS_CHECK(item.choices.size() == options.size());
  std::vector<double> values;
  for (std::size_t k = 0; k < options.size(); ++k) {
    values.push_back(options[k].loglikelihood / static_cast<double>(code_points(item.choices[k]).size()));
  }
  return letter_of_largest(values);
}

Answer judge_likelihoods(const Task& task, const Item& item, Response response) {
  const TaskKind& kind = kind_of(task);
  Answer answer;
  answer.item = &item;
  const std::string where = fmt::format("answer to {} item {}", printable(item.subject), item.index);
  Likelihoods found{parse_likelihoods(response.text, item.choices.size(), where),
                    texts_of(likelihood_continuations(kind, item)), std::nullopt};
  answer.extraction = {chosen_letter(found.options), kLikelihoodRule, 0, 0};
  if (item.label) answer.correct = answer.extraction.letter == item.label;
  if (kind.likelihood && kind.likelihood->greedy_is_right) answer.correct = found.options.front().is_greedy;
  if (item.label && is_length_normalised(kind)) {
    found.correct_by_length = chosen_letter_by_length(item, found.options) == *item.label;
  }
  answer.likelihoods = std::move(found);
  response.prompt = replace_invalid_utf8(response.prompt);
  answer.response = std::move(response);
  return answer;
}

}  // namespace refocus
