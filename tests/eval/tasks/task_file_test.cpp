// Task files: what they may say, the items that they make, and a clear line for everything else.
#include "eval/tasks/task_file.h"

#include "base/text_file.h"
#include "eval/task/likelihood_prompt.h"
#include "eval/task/profile.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;

constexpr const char* kQuiz =
    "dataset: d.csv\n"
    "options: [A, B, C]\n"
    "answer: key\n"
    "prompt: '{q}|{options}|{A}'\n";

class TaskFiles : public ::testing::Test {
 protected:
  std::filesystem::path put(const std::string& name, std::string_view text) {
    write_file_atomically(dir / name, text);
    return dir / name;
  }
  Task load(const std::string& yaml, const std::vector<std::string>& subjects = {}) {
    return load_own_task(read_task_file(put("t.yaml", yaml)), subjects);
  }
  std::string error(const std::string& yaml) {
    return error_of([&] { load(yaml); });
  }
  // Of kQuiz with these data.
  std::string data_error(const std::string& csv, const std::string& more = "") {
    put("d.csv", csv);
    return error(kQuiz + more);
  }
  TempDir dir;
};

TEST_F(TaskFiles, MakeQuestionsWithAnyNumberOfOptions) {
  put("d.csv", "q,A,B,C,key\nWhat {A}?,x{{,y,,B\nWho?,1,2,3,c\n");
  const Task task = load(kQuiz);
  EXPECT_EQ(task.name, "t");
  EXPECT_THAT(task.subjects, ElementsAre("t"));
  ASSERT_EQ(task.items.size(), 2u);
  EXPECT_THAT(task.items[0].choices, ElementsAre("x{{", "y"));
  EXPECT_EQ(task.items[0].label, 'B');
  EXPECT_EQ(task.items[1].label, 'C') << "a small letter counts";
  EXPECT_EQ(task.items[1].index, 1);
  const TaskKind& kind = kind_of(task);
  EXPECT_EQ(kind.metric(), "acc");
  EXPECT_FALSE(kind.has_subjects);
  const PromptParts parts = prompt_parts(default_profile(), task, PromptKind::kDirect);
  EXPECT_EQ(text_of(make_prompt(parts, task.items[0])), "What {A}?|A. x{{\nB. y|x{{")
      << "fields are put in once";
  EXPECT_EQ(kind.prompts.size(), 1u);
}

TEST_F(TaskFiles, SayHowTheRightOptionIsWritten) {
  const auto label = [&](const std::string& format, const std::string& key) {
    put("d.csv", "q,A,B,C,key\nQ,x,y,y2," + key + "\n");
    return load(kQuiz + ("answer_format: " + format + "\n")).items[0].label;
  };
  EXPECT_EQ(label("letter", "C"), 'C');
  EXPECT_EQ(label("index0", "0"), 'A');
  EXPECT_EQ(label("index0", "2"), 'C');
  EXPECT_EQ(label("index1", "1"), 'A');
  EXPECT_EQ(label("text", "y2"), 'C');
  for (const auto& [format, key] : {std::pair("letter", "D"),
                                    {"letter", "AB"},
                                    {"letter", ""},
                                    {"index0", "3"},
                                    {"index0", "-1"},
                                    {"index1", "0"},
                                    {"index1", "1.0"},
                                    {"text", "Y"}}) {
    EXPECT_THAT(error_of([&, format = format, key = key] { label(format, key); }),
                AllOf(HasSubstr("d.csv row 1 (line 2)] expected"), HasSubstr("in field 'key'")));
  }
  put("d.csv", "q,A,B,C,key\nQ,x,y,x,x\n");
  EXPECT_THAT(error(std::string(kQuiz) + "answer_format: text\n"), HasSubstr("of one option, not of two"));
}

TEST_F(TaskFiles, TakeOptionsFromAListOrAsFixedTexts) {
  put("d.jsonl", R"({"q":"Q","choices":["x",2,"z"],"key":2})"
                 "\n"
                 R"({"q":"R","choices":["x","y"],"key":0})"
                 "\n");
  const Task list =
      load("dataset: d.jsonl\noptions: choices\nanswer: key\nanswer_format: index0\nprompt: '{q}'\n");
  EXPECT_THAT(list.items[0].choices, ElementsAre("x", "2", "z"));
  EXPECT_EQ(list.items[0].label, 'C');
  EXPECT_EQ(list.items[1].choices.size(), 2u);
  put("d.csv", "q,key\nIs it?,no\n");
  const Task fixed = load(
      "dataset: d.csv\noptions: {texts: [yes, no]}\nanswer: key\nanswer_format: text\nprompt: '{q} "
      "{options}'\n");
  EXPECT_THAT(fixed.items[0].choices, ElementsAre("yes", "no")) << "words, not booleans";
  EXPECT_EQ(fixed.items[0].label, 'B');
  put("d.csv", "q,A,B,C\nQ,x,y,z\n");
  const Task open = load("dataset: d.csv\noptions: [A, B, C]\nprompt: '{q}'\n");
  EXPECT_FALSE(open.items[0].label) << "without a key `answer` nothing is known to be right";
}

TEST_F(TaskFiles, SortItemsBySubject) {
  put("d.csv", "q,A,B,C,key,topic\n1,x,y,z,A,b\n2,x,y,z,A,a\n3,x,y,z,A,b\n");
  const std::string yaml = std::string(kQuiz) + "subject_field: topic\ntask: mine\n";
  const Task task = load(yaml);
  EXPECT_THAT(task.subjects, ElementsAre("b", "a"));
  EXPECT_EQ(task.items[1].fields[0].second, "3");
  EXPECT_EQ(task.items[1].index, 1);
  EXPECT_EQ(task.items[2].subject, "a");
  EXPECT_EQ(task.items[2].index, 0);
  EXPECT_THAT(load(yaml, {"a"}).subjects, ElementsAre("a"));
  EXPECT_THAT(error_of([&] { load(yaml, {"c"}); }), HasSubstr("unknown subject 'c'; known subjects: b, a"));
}

TEST_F(TaskFiles, MayBeJson) {
  put("d.csv", "q,A,B,C,key\nQ,x,y,z,A\n");
  const auto path = put("j.json", R"({"dataset": "d.csv", "options": ["A", "B", "C"], "answer": "key",
    "cot": {"instruction": "Think \ud83d\ude00. ", "body": "{q}", "suffix": "!"}, "direct": {"body": "{q}?"}})");
  const TaskFile file = read_task_file(path);
  EXPECT_TRUE(file.has(PromptKind::kCot));
  const Task task = load_own_task(file);
  EXPECT_EQ(text_of(make_prompt(prompt_parts(default_profile(), task, PromptKind::kCot), task.items[0])),
            "Think 😀. Q!");
  EXPECT_EQ(text_of(make_prompt(prompt_parts(default_profile(), task, PromptKind::kDirect), task.items[0])),
            "Q?");
}

TEST_F(TaskFiles, WordTheQuestionsOfABuiltInTaskAnew) {
  std::filesystem::create_directories(dir / "data/mmlu/test");
  put("data/mmlu/test/anatomy_test.csv", " Where?,a,b,c,d,C\nWho?,1,2,3,4,A\n");
  put("data/mmlu/test/virology_test.csv", "When?,x,y,z,w,D\n");
  const auto load_from = [&](const std::string& yaml, const std::vector<std::string>& subjects = {}) {
    return load_own_task(read_task_file(put("cloze.yaml", yaml)), subjects, dir / "data");
  };
  const std::string cloze =
      "questions: mmlu\nloglikelihood: {context: 'Question: {question}\\nAnswer:'}\n"
      "direct: {body: '{question}?{options}'}\n";
  const Task task = load_from(cloze);
  EXPECT_EQ(task.name, "cloze");
  EXPECT_THAT(task.subjects, ElementsAre("anatomy", "virology"));
  ASSERT_EQ(task.items.size(), 3u);
  EXPECT_EQ(task.items[0].label, 'C');
  EXPECT_EQ(text_of(likelihood_context(kind_of(task), task.items[0])), "Question: Where?\\nAnswer:")
      << "white space around a field is taken away, as in mmlu";
  EXPECT_THAT(texts_of(likelihood_continuations(kind_of(task), task.items[0])),
              ElementsAre(" a", " b", " c", " d"));
  EXPECT_TRUE(is_length_normalised(kind_of(task)));
  EXPECT_TRUE(kind_of(task).is_own());
  EXPECT_THAT(load_from(cloze, {"virology"}).subjects, ElementsAre("virology"));

  std::filesystem::create_directories(dir / "data/piqa");
  put("data/piqa/dev.jsonl", R"({"goal": "Open it", "sol1": "push", "sol2": "pull"})"
                             "\n");
  put("data/piqa/dev-labels.lst", "1\n");
  const Task piqa = load_from("task: how\nquestions: piqa\nprompt: 'To {goal}: {options}'\n");
  EXPECT_THAT(piqa.subjects, ElementsAre("how"));
  EXPECT_EQ(piqa.items[0].subject, "how");
  EXPECT_EQ(piqa.items[0].label, 'B');

  const auto refused = [&](const std::string& yaml) { return error_of([&] { load_from(yaml); }); };
  EXPECT_THAT(
      refused("questions: arc\nprompt: '{question}'\n"),
      HasSubstr(
          "expected as questions one of mmlu, piqa, siqa, worlds, of a multiple_choice task, got 'arc'"));
  EXPECT_THAT(refused("questions: mmlu\ndataset: d.csv\nprompt: '{question}'\n"),
              HasSubstr("cloze.yaml:2] expected no dataset beside questions, which have it from mmlu"));
  EXPECT_THAT(refused("questions: mmlu\nanswer: A\nprompt: '{question}'\n"),
              HasSubstr("expected no answer beside questions"));
  EXPECT_THAT(refused("questions: piqa\nprompt: '{question}'\n"), HasSubstr("{question}"));
  EXPECT_THAT(refused("questions: mmlu\nprompt: '{answer}'\n"), HasSubstr("{answer}"))
      << "it would give the label away";
  EXPECT_THAT(refused("questions: mmlu\ntype: short_answer\nanswer: A\nmetric: numeric\nprompt: '{A}'\n"),
              HasSubstr("of a multiple_choice task"));
}

TEST_F(TaskFiles, WordLogLikelihoods) {
  put("d.csv", "q,A,B,C,key\n Q ,x,{y},z,A\n");
  const auto wording = [&](const std::string& section) {
    return load(std::string(kQuiz) + "loglikelihood: " + section + "\n");
  };
  const Task texts = wording("{context: '{q}:'}");
  EXPECT_EQ(text_of(likelihood_context(kind_of(texts), texts.items[0])), " Q :");
  EXPECT_THAT(texts_of(likelihood_continuations(kind_of(texts), texts.items[0])),
              ElementsAre(" x", " {y}", " z"));
  EXPECT_TRUE(is_length_normalised(kind_of(texts)));
  EXPECT_EQ(text_of(likelihood_prefix(kind_of(texts), "t", {})), "");
  const Task letters = wording("{context: '{options}', option: ' {letter}'}");
  EXPECT_THAT(texts_of(likelihood_continuations(kind_of(letters), letters.items[0])),
              ElementsAre(" A", " B", " C"));
  EXPECT_FALSE(is_length_normalised(kind_of(letters)));
  EXPECT_FALSE(is_length_normalised(kind_of(wording("{context: '{q}', metrics: [acc]}"))));
}

TEST_F(TaskFiles, MakeShortAnswers) {
  put("d.jsonl", "{\"q\":\"Q\",\"a\":[\"x\",\"y\"]}\n{\"q\":\"R\",\"a\":\"z\"}\n");
  const Task task = load("dataset: d.jsonl\nanswer: a\nmetric: f1\nprompt: '{q}'\nuntil: [\"\\n\"]\n");
  EXPECT_THAT(task.items[0].answers, ElementsAre("x", "y"));
  EXPECT_THAT(task.items[1].answers, ElementsAre("z"));
  EXPECT_TRUE(kind_of(task).has_f1());
  EXPECT_THAT(kind_of(task).until, ElementsAre("\n"));
}

TEST_F(TaskFiles, MakeTranscripts) {
  put("d.jsonl", R"({"question_id":81,"category":"writing","turns":["a","b"],"reference":["r"]})"
                 "\n"
                 R"({"question_id":82,"category":"math","turns":["c"]})"
                 "\n");
  const Task task = load("type: transcript\ndataset: d.jsonl\n");
  EXPECT_THAT(task.subjects, ElementsAre("writing", "math"));
  ASSERT_EQ(task.items.size(), 3u);
  EXPECT_EQ(task.items[1].turn, 1);
  EXPECT_EQ(task.items[1].index, 1);
  EXPECT_EQ(task.items[2].turn, 0);
  const TaskKind& kind = kind_of(task);
  EXPECT_EQ(kind.metric(), "");
  EXPECT_TRUE(kind.has_subjects);
  EXPECT_EQ(kind.transcript.turn, "### Human: {turn}\n### Assistant:");
  EXPECT_THAT(kind.until, ElementsAre("### Human:")) << "the model must not ask itself";
  put("d.jsonl", "{\"question_id\":1,\"turns\":[\"a\"]}\n");
  EXPECT_THAT(load("type: transcript\ndataset: d.jsonl\n").subjects, ElementsAre("t"));
}

TEST_F(TaskFiles, RefuseWhatTheyMayNotSay) {
  put("d.csv", "q,A,B,C,key\nQ,x,y,z,A\n");
  const std::string quiz = kQuiz;
  const std::vector<std::pair<std::string, std::string>> table = {
      {"", "t.yaml:1] expected a map of keys in the task file, got nothing"},
      {"- x\n", "got a list"},
      {"a: [1\n", "t.yaml:2:1] expected YAML, got: "},
      {"a: b: c\n", "t.yaml:1:5] expected YAML"},
      {quiz + "---\nx: 1\n", "t.yaml:5:1] expected one YAML document, got another one from here on"},
      {",x\n", "t.yaml:1:1] expected one YAML document, got another one from here on"},
      {quiz + "]\n", "t.yaml:5:1] expected YAML, got: illegal flow end; correct the file"},
      {quiz + "answr: key\n",
       "t.yaml:5] unknown key 'answr' in a multiple_choice task; known keys: task, type"},
      {quiz + "tolerance: 1\n", "t.yaml:5] unknown key 'tolerance'"},
      {quiz + "answer: B\n", "t.yaml:5] expected each key once, got 'answer' twice"},
      {quiz + "task: a/b\n", "t.yaml:5] expected a task name fit for a file"},
      {quiz + "task: mmlu\n", "t.yaml:5] expected a task name of its own, got the built-in 'mmlu'"},
      {quiz + "type: essay\n", "unknown type 'essay'; known ones: multiple_choice, short_answer, transcript"},
      {quiz + "metric: bleu\n", "t.yaml:5] unknown metric 'bleu'; known ones: accuracy"},
      {quiz + "answer_format: roman\n",
       "unknown answer_format 'roman'; known ones: letter, index0, index1, text"},
      {quiz + "until: x\n", "expected a list of texts as 'until', got a text"},
      {quiz + "until: [a, '']\n", "t.yaml:5] expected texts that end an answer, got an empty one"},
      {quiz + "cot: {sufix: x}\n", "unknown key 'sufix' in cot; known keys: instruction, body, suffix"},
      {quiz + "cot: {suffix: '{q}'}\n", "t.yaml:5] expected no placeholder in suffix, got '{q}'"},
      {quiz + "cot: {body: '{key}'}\n",
       "unknown placeholder '{key}' in body; known placeholders: q, A, B, C, options"},
      {quiz + "cot: {body: 'a { b'}\n",
       "t.yaml:5] expected a placeholder such as {question}, got a single '{'"},
      {quiz + "loglikelihood: {option: x}\n", "expected 'context', got none"},
      {quiz + "loglikelihood: {context: '{z}'}\n", "unknown placeholder '{z}' in context"},
      {quiz + "loglikelihood: {context: c, option: '{q}'}\n", "known placeholders: option, letter"},
      {quiz + "loglikelihood: {context: c, metrics: [f1]}\n",
       "unknown metric 'f1'; known ones: acc, acc_norm"},
      {quiz + "subject_field: topic\n",
       "d.csv row 1 (line 2)] expected a field 'topic', got only q, A, B, C, key"},
      {quiz + "x: \x01\n", "control character 0x01 at line 5, column 4"},
      {quiz + "x: \xFF\n", "expected UTF-8, got other bytes at line 5, column 4"},
      {quiz + "x: &a [*a]\n", "nested too deeply"},
      {"options: [A, B]\nprompt: x\n", "expected 'dataset', got none"},
      {"dataset: d.csv\noptions: []\nprompt: x\n",
       "t.yaml:2] expected a list of texts as 'options', got an empty one"},
      {"dataset: d.csv\noptions: [A]\nprompt: x\n", "t.yaml:2] expected 2 to 26 options, got 1"},
      {"dataset: d.csv\noptions: {texts: [a, ' ']}\nprompt: x\n",
       "expected options with a text, got an empty one"},
      {"dataset: d.csv\noptions: [A, B]\n", "expected a body for the direct prompt, got none"},
      {"dataset: e.csv\noptions: [A, B]\nprompt: x\n", "t.yaml:1] expected a data file, got no such file"},
      {"dataset: d.csv\nanswer: key\nprompt: x\n", "expected 'metric', got none"},
      {"dataset: d.csv\nmetric: f1\nprompt: x\n", "expected 'answer', got none"},
      {"dataset: d.csv\nanswer: key\nmetric: f1\nprompt: x\ntolerance: 1\n",
       "with metric numeric, got 1 with f1"},
      {"dataset: d.csv\nanswer: key\nmetric: numeric\nprompt: x\ntolerance: -1\n", "write a positive one"},
      {"dataset: d.csv\nanswer: key\nmetric: numeric\nprompt: x\ntolerance: a\n",
       "expected a number as 'tolerance'"},
      {"dataset: d.csv\nanswer: key\nmetric: numeric\nprompt: x\n",
       "row 1 (line 2)] expected a number in field 'key', got 'A'"},
      {"dataset: d.csv\nanswer: no\nmetric: f1\nprompt: x\n", "expected a field 'no'"},
      {"dataset: d.csv\nanswer: key\nmetric: f1\nprompt: x\nanswer_pattern: '('\n",
       "t.yaml:5] expected a regular expression"},
      {"type: transcript\ndataset: d.csv\n", "expected a field 'question_id'"},
      {"type: transcript\ndataset: d.csv\nturn_template: x\n",
       "t.yaml:3] expected {turn} once in turn_template"},
      {"type: transcript\ndataset: d.csv\nanswer_template: '{turn}'\n",
       "unknown placeholder '{turn}' in answer_template"},
      {"type: transcript\ndataset: d.csv\nprompt: {body: x}\n",
       "unknown key 'body' in prompt; known keys: instruction"},
  };
  for (const auto& [yaml, expected] : table) EXPECT_THAT(error(yaml), HasSubstr(expected)) << yaml;
  const auto json_error = [&](const std::string& json) {
    return error_of([&] { read_task_file(put("j.json", json)); });
  };
  EXPECT_THAT(json_error("{\n \"a\": }"),
              HasSubstr("expected JSON with a value at line 2, column 7, got '}'"));
  EXPECT_THAT(json_error(R"({"task":"a","task":"b"})"), HasSubstr("got 'task' twice"));
  EXPECT_THAT(json_error(std::string(100000, '[')), HasSubstr("nested too deeply"));
  EXPECT_THAT(error_of([&] { read_task_file(dir / "none.yaml"); }), HasSubstr("got no such file"));
}

TEST_F(TaskFiles, RefuseDataThatDoNotFit) {
  EXPECT_THAT(data_error("q,A,B,C,key\nQ,x,y,z,A\nR,x,,z,A\n"),
              HasSubstr("d.csv row 2 (line 3)] expected a text as option B, got an empty one"));
  EXPECT_THAT(data_error("q,A,B,C,key\nQ,x,,,A\n"), HasSubstr("expected 2 to 26 options, got 1"));
  EXPECT_THAT(data_error("q,A,B,C,key\nQ,x,y,,C\n"),
              HasSubstr("expected a letter from A to B in field 'key', got 'C'"));
  EXPECT_THAT(data_error("z,A,B,C,key\nQ,x,y,,A\n"), HasSubstr("t.yaml:4] unknown placeholder '{q}'"));
  EXPECT_THAT(data_error("q,A,B,C,key,s\nQ,x,y,z,A,a b\n", "subject_field: s\n"),
              HasSubstr("row 1 (line 2)] expected a subject fit for a file name"));
  EXPECT_THAT(data_error("q,A,B,C,key,s\nQ,x,y,z,A,seen\n", "subject_field: s\n"),
              HasSubstr("that is no group's, got 'seen'"));
  const auto jsonl_error = [&](const std::string& yaml, const std::string& rows) {
    put("d.jsonl", rows);
    return error("dataset: d.jsonl\nprompt: '{q}'\n" + yaml);
  };
  const std::string list = "options: o\nanswer: k\nanswer_format: index0\n";
  EXPECT_THAT(jsonl_error(list, "{\"q\":1,\"o\":\"x\",\"k\":0}\n"),
              HasSubstr("expected a list of options in field 'o'"));
  EXPECT_THAT(jsonl_error(list, "{\"q\":1,\"o\":[],\"k\":0}\n"),
              HasSubstr("expected 2 to 26 options, got 0"));
  EXPECT_THAT(jsonl_error(list, "{\"q\":1,\"o\":[1,\" \"],\"k\":0}\n"),
              HasSubstr("as option B, got an empty one"));
  EXPECT_THAT(jsonl_error(list, "{\"q\":1,\"o\":[1,2],\"k\":0}\n{\"o\":[1,2],\"k\":0}\n"),
              HasSubstr("d.jsonl row 2 (line 2)] expected a field 'q', got only o, k"));
  const std::string text = "answer: k\nmetric: exact_match\n";
  EXPECT_THAT(jsonl_error(text, "{\"q\":1,\"k\":[]}\n"), HasSubstr("at least one right answer"));
  EXPECT_THAT(jsonl_error(text, "{\"q\":1,\"k\":\" \"}\n"),
              HasSubstr("expected a text in field 'k', got ' '"));
  EXPECT_THAT(jsonl_error(text, "{\"q\":1,\"k\":null}\n"), HasSubstr("got null"));
  const auto turns_error = [&](const std::string& rows) {
    put("d.jsonl", rows);
    return error("type: transcript\ndataset: d.jsonl\n");
  };
  EXPECT_THAT(turns_error("{\"question_id\":1,\"turns\":\"x\"}\n"),
              HasSubstr("expected a list of texts in field 'turns'"));
  EXPECT_THAT(turns_error("{\"question_id\":1,\"turns\":[]}\n"), HasSubstr("field 'turns'"));
  EXPECT_THAT(turns_error("{\"question_id\":1,\"turns\":[\"a\",\"\"]}\n"),
              HasSubstr("expected a text as turn 2"));
  EXPECT_THAT(turns_error("{\"question_id\":1,\"turns\":[\"a\"]}\n{\"question_id\":1,\"turns\":[\"b\"]}\n"),
              HasSubstr("row 2 (line 2)] expected a question_id of its own, got '1' again"));
}

}  // namespace
}  // namespace refocus
