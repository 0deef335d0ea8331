#include "eval/task/transcript.h"

#include <nlohmann/json.hpp>

#include "eval/recording_support.h"
#include "eval/task/prompt_template.h"
#include "eval/tasks/task_data.h"

namespace refocus {
namespace {

Item turn(const std::string& id, int index, int number, const std::string& text) {
  Item item;
  item.subject = "chat";
  item.index = index;
  item.turn = number;
  item.fields = {{kQuestionId, id}, {kTurnField, text}};
  return item;
}

Task chat() {
  auto kind = std::make_shared<TaskKind>();
  kind->name = "chat";
  kind->type = AnswerType::kTranscript;
  kind->transcript = {"U: {turn}\nA:", " {answer}\n"};
  kind->definition = "{}";
  Task task{"chat", {"chat"}, {turn("81", 0, 0, "one"), turn("81", 1, 1, "two"), turn("x", 2, 0, "three")}};
  task.own = kind;
  return task;
}

TEST(TranscriptPrompt, HoldsTheTurnsAndAnswersBefore) {
  const Task task = chat();
  const Item* turns[] = {&task.items[0], &task.items[1]};
  const std::string answers[] = {"{turn} {{"};
  EXPECT_EQ(text_of(transcript_prompt(*task.own, "I. ", std::span(turns).first(1), {})), "I. U: one\nA:");
  EXPECT_EQ(text_of(transcript_prompt(*task.own, "I. ", turns, answers)),
            "I. U: one\nA: {turn} {{\nU: two\nA:")
      << "an answer with braces comes out literally";
}

TEST(ModelAnswers, HasALineForEachQuestionThatIsAnswered) {
  const Task task = chat();
  const auto answers = [&](std::vector<int> of) {
    TaskAnswers out{&task, {}};
    for (const int i : of) {
      Answer answer;
      answer.item = &task.items[static_cast<std::size_t>(i)];
      answer.response.text = "answer " + std::to_string(i);
      out.answers.push_back(answer);
    }
    return model_answers(out, "m-arm");
  };
  const std::string all = answers({0, 1, 2});
  const auto first = nlohmann::json::parse(all.substr(0, all.find('\n')));
  EXPECT_EQ(first["question_id"], 81) << "a number stays one";
  EXPECT_EQ(first["model_id"], "m-arm");
  EXPECT_EQ(first["choices"], nlohmann::json::parse(R"([{"index":0,"turns":["answer 0","answer 1"]}])"));
  EXPECT_EQ(first["tstamp"], 0);
  EXPECT_EQ(first["answer_id"].get<std::string>().size(), 22u);
  const auto second = nlohmann::json::parse(all.substr(all.find('\n')));
  EXPECT_EQ(second["question_id"], "x");
  EXPECT_NE(first["answer_id"], second["answer_id"]);
  EXPECT_EQ(answers({0, 1}), all.substr(0, all.find('\n') + 1));
  EXPECT_EQ(answers({0, 2}), all.substr(all.find('\n') + 1)) << "half a question is none";
  EXPECT_EQ(answers({1, 2}), all.substr(all.find('\n') + 1));
}

TEST(LimitItems, KeepsTurnsTogether) {
  Task task = chat();
  limit_items(task, 1);
  EXPECT_EQ(task.items.size(), 2u);
}

}  // namespace
}  // namespace refocus
