#include "eval/run/transcript_answers.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/json_reader.h"
#include "base/utf8.h"
#include "eval/task/transcript.h"

namespace refocus {

using nlohmann::ordered_json;

TranscriptAnswers::TranscriptAnswers(const Plan& plan, const Journal& journal) {
  std::set<std::string> subjects;
  for (const Question& question : plan.questions) {
    if (question.task->type == AnswerType::kTranscript) subjects.insert(question.item->subject);
  }
  if (subjects.empty()) return;
  for (const PlannedArm& arm : plan.arms) {
    journal.for_each(arm.name, [&](const Response& response) {
      if (subjects.contains(response.subject)) keep(response);
    });
  }
}

void TranscriptAnswers::keep(const Response& response) {
  texts_[{response.arm, response.subject, response.index}] = replace_invalid_utf8(response.text);
}

std::string TranscriptAnswers::text() const {
  ordered_json out = ordered_json::array();
  for (const auto& [key, text] : texts_) {
    out.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), text});
  }
  return json_text(out);
}

TranscriptAnswers TranscriptAnswers::of_text(const std::string& text) {
  TranscriptAnswers out;
  for (const ordered_json& one : parse_ordered_json(text, {"answers"})) {
    out.texts_[{one[0], one[1], one[2]}] = one[3];
  }
  return out;
}

Question TranscriptAnswers::later_question(const EvalModel& model, const EvalSettings& settings,
                                           const Question& question, const std::string& arm) const {
  const Item& item = *question.item;
  const auto turns = static_cast<std::size_t>(item.turn);
  std::vector<const Item*> items;
  std::vector<std::string> answers;
  for (std::size_t t = 0; t <= turns; ++t) {
    const Item* one = &item - (turns - t);  // a question's turns stand together
    items.push_back(one);
    if (t < turns) answers.push_back(texts_.at({arm, one->subject, one->index}));
  }
  Question later = question;
  if (settings.chat) {
    ask_as_chat(model.tokenizer, *settings.chat, transcript_messages(items, answers, later.instruction),
                later);
  } else {
    later.pieces = transcript_prompt(*later.task, later.instruction, items, answers);
    later.tokens = encode_prompt(model.tokenizer, later.pieces).tokens;
    later.shared_prefix = common_prefix(
        encode_prompt(model.tokenizer, {template_piece(later.instruction)}).tokens, later.tokens);
  }
  return later;
}

}  // namespace refocus
