#include "eval/score/published_files.h"

#include <algorithm>
#include <string_view>

#include "eval/task/transcript.h"
#include "eval/text/csv_writer.h"

namespace refocus {
namespace {

constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

std::string_view question_of(const Item& item, const TaskKind& kind) {
  const std::string_view field = kind.type == AnswerType::kTranscript ? kTurnField : "question";
  for (const auto& [name, text] : item.fields) {
    if (name == field) return text;
  }
  return item.fields.empty() ? std::string_view() : item.fields.front().second;
}

// The letter or the short answer that was found.
std::string_view found_text(const Extraction& found) {
  if (found.text) return *found.text;
  return found.letter ? std::string_view(&*found.letter, 1) : std::string_view();
}

// The right letter, or the first right short answer.
std::string_view right_text(const Item& item) {
  if (item.label) return {&*item.label, 1};
  return item.answers.empty() ? std::string_view() : item.answers.front();
}

}  // namespace

std::string subject_csv(const std::vector<const Answer*>& answers, const TaskKind& kind) {
  std::size_t options = kind.is_own() ? 0 : 4;
  for (const Answer* answer : answers) options = std::max(options, answer->item->choices.size());
  options = std::min(options, kLetters.size());
  std::string out;
  std::vector<std::string_view> row = {"question"};
  for (std::size_t k = 0; k < options; ++k) row.push_back(kLetters.substr(k, 1));
  row.insert(row.end(), {"answer", "model_output", "model_response", "correctness"});
  append_csv_row(out, row);
  for (const Answer* answer : answers) {
    const Item& item = *answer->item;
    row = {question_of(item, kind)};
    for (std::size_t k = 0; k < options; ++k) {
      row.push_back(k < item.choices.size() ? std::string_view(item.choices[k]) : std::string_view());
    }
    const std::string_view correctness = !answer->correct ? "" : *answer->correct ? "True" : "False";
    row.insert(row.end(),
               {right_text(item), found_text(answer->extraction), answer->response.text, correctness});
    append_csv_row(out, row);
  }
  return out;
}

std::string prediction_csv(const TaskAnswers& answers) {
  std::string out;
  append_csv_row(out, {"dataset", "prediction"});
  auto next = answers.answers.begin();
  for (const Item& item : answers.task->items) {
    std::string prediction;
    if (next != answers.answers.end() && next->item == &item) {
      if (const auto letter = next->extraction.letter) prediction = std::to_string(*letter - 'A' + 1);
      ++next;
    }
    append_csv_row(out, {item.subject, prediction});
  }
  return out;
}

}  // namespace refocus
