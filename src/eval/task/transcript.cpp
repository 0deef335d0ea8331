#include "eval/task/transcript.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "eval/task/prompt_template.h"
#include "eval/text/sha256.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// Ids of questions are numbers in MT-Bench; readers sort by them.
ordered_json question_id(const Item& item) {
  const std::string text = template_value(item, kQuestionId);
  const auto number = json_or_nothing(text);
  const bool whole = number && number->is_number_integer() && json_text(*number) == text;
  return whole ? ordered_json(*number) : ordered_json(text);
}

}  // namespace

Prompt transcript_prompt(const TaskKind& kind, const std::string& instruction,
                         std::span<const Item* const> turns, std::span<const std::string> answers) {
  REFOCUS_CHECK(!turns.empty() && answers.size() + 1 == turns.size());
  Prompt out;
  append(out, template_piece(instruction));
  for (std::size_t t = 0; t < turns.size(); ++t) {
    PieceOrigin origin;
    origin.message = static_cast<int>(2 * t);
    origin.role = "user";
    append(out, fill_pieces(kind.transcript.turn, "turn_template", [&](const std::string&) {
             return Prompt{data_piece(template_value(*turns[t], kTurnField), origin)};
           }));
    if (t == answers.size()) break;
    ++origin.message;
    origin.role = "assistant";
    append(out, fill_pieces(kind.transcript.answer, "answer_template",
                            [&](const std::string&) { return Prompt{data_piece(answers[t], origin)}; }));
  }
  return out;
}

std::string model_answers(const TaskAnswers& answers, const std::string& model_id) {
  std::string out;
  ordered_json turns = ordered_json::array();
  const std::vector<Item>& items = answers.task->items;
  auto next = answers.answers.begin();
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Item& item = items[i];
    if (item.turn == 0) turns = ordered_json::array();
    if (next != answers.answers.end() && next->item == &item) {
      turns.push_back(next->response.text);
      ++next;
    }
    const bool last = i + 1 == items.size() || items[i + 1].turn == 0;
    if (!last || static_cast<int>(turns.size()) != item.turn + 1) continue;
    ordered_json line = {{"question_id", question_id(item)},
                         {"answer_id", ""},
                         {"model_id", replace_invalid_utf8(model_id)},
                         {"choices", ordered_json::array({{{"index", 0}, {"turns", turns}}})},
                         {"tstamp", 0}};
    line["answer_id"] = sha256_hex(json_text(line)).substr(0, 22);
    out += json_text(line) + "\n";
  }
  return out;
}

}  // namespace refocus
