#include "eval/extract/extraction.h"

#include <algorithm>
#include <array>
#include <istream>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "eval/extract/extract_anchored.h"
#include "eval/extract/extract_published.h"
#include "eval/task/task_kind.h"
#include "eval/text/json_values.h"

namespace refocus {

namespace {

struct Line {
  std::vector<std::string> choices;
  std::string response;
};

Line parse_line(const std::string& text, int expected_choices, const std::string& where) {
  const auto json = parse_json_object(text, {where, "write one object a line", true});
  Line line;
  const auto response = json.find("response");
  if (response == json.end()) {
    const RecordKind kind = kind_of_record(json, {"none", "add it"});
    throw input_error(where, "expected a text 'response', got {}; {}", kind.name, kind.remedy);
  }
  if (!response->is_string()) {
    throw input_error(where, "expected a text 'response', got {}; add it", response->type_name());
  }
  line.response = response->get<std::string>();
  const auto choices = json.find("choices");
  if (choices == json.end() || !choices->is_array()) {
    throw input_error(where, "expected a list 'choices', got {}; add it",
                      choices == json.end() ? "none" : choices->type_name());
  }
  for (const auto& choice : *choices) {
    if (!choice.is_string()) {
      throw input_error(where, "expected texts in 'choices', got {}; put it in quotes", choice.type_name());
    }
    line.choices.push_back(choice.get<std::string>());
  }
  if (static_cast<int>(line.choices.size()) != expected_choices) {
    throw input_error(where, "expected {} choices, got {}; is this the right --task?", expected_choices,
                      line.choices.size());
  }
  return line;
}

}  // namespace

Extraction extract(ExtractionRules rules, std::span<const std::string> choices, std::string_view response) {
  if (choices.empty() || choices.size() > 26) {
    throw input_error("extraction", "expected 1 to 26 options, got {}; letters go from A to Z",
                      choices.size());
  }
  return rules == ExtractionRules::kPublished ? extract_published(choices, response)
                                              : extract_anchored(choices, response);
}

bool is_weak_rule(std::string_view rule) {
  static constexpr std::array<std::string_view, 10> weak = {
      "verdict",      "option_verdict", "only_mention",       "only_text",    "opening",
      "opening_text", "closing",        "unfinished_thought", "first_letter", "most_similar"};
  return std::ranges::find(weak, rule) != weak.end();
}

void extract_lines(std::istream& in, std::ostream& out, std::string_view task, ExtractionRules rules,
                   std::string_view where) {
  const int choices = task_kind(task).choices;
  std::string text;
  int first_blank = 0;
  for (int number = 1; std::getline(in, text); ++number) {
    if (number == 1) text = std::string(without_byte_order_mark(text, std::string(where)));
    if (is_blank_line(text)) {
      if (first_blank == 0) first_blank = number;
      continue;
    }
    if (first_blank != 0) {
      throw input_error(fmt::format("{}:{}", where, first_blank),
                        "expected a JSON object, got a blank line; remove it");
    }
    const std::string at = fmt::format("{}:{}", where, number);
    const Line line = parse_line(text, choices, at);
    const Extraction found = extract(rules, line.choices, line.response);
    nlohmann::ordered_json result;
    result["answer"] = or_null(found.letter);
    result["rule"] = found.rule;
    result["span"] = {found.span_begin, found.span_end};
    out << json_text(result) << '\n';
  }
}

}  // namespace refocus
