// refocus generate --batch and --stop: many prompts at once, and what ends an answer.
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::Arguments;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Json;
using testing::one_json_line;
using testing::plus;
using testing::TempDir;

constexpr std::int32_t kEnd = 2;  // </s>
// A question of the kind that the bundled model was trained on: it answers, and then writes </s>.
constexpr const char* kQuestion =
    "Nina Fox reports to Hugo West. Oscar East reports to Fiona Reed. Hugo West reports to Oscar East. who "
    "is 2 "
    "above Nina Fox?\nA. Julia Marsh\nB. Fiona Reed\nC. Oscar East\nD. Hugo West\nAnalysis:";

class Batch : public ::testing::Test {
 protected:
  void SetUp() override {
    model = dir / "model";
    testing::copy_bundled_model(model,
                                "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}"
                                "{% if tools %}{{ tools | tojson }}{% endif %}"
                                "{% if add_generation_prompt %}<s>assistant:{% endif %}");
  }
  std::filesystem::path prompts(const std::string& lines) {
    testing::write_file(dir / "prompts.jsonl", lines);
    return dir / "prompts.jsonl";
  }
  // With 12 new tokens where `more` does not say how many.
  Arguments generate(const Arguments& more) {
    const bool told = std::ranges::count(more, "-n") > 0;
    return plus(plus({"generate", "-m", model.string()}, told ? Arguments{} : Arguments{"-n", "12"}), more);
  }
  Json one(const Arguments& more) {
    return one_json_line(testing::refocus(generate(plus({"--json"}, more))));
  }
  // The answers to a file, as lines of standard output.
  std::vector<Json> batch(const std::filesystem::path& file, const Arguments& more = {}) {
    const testing::ProcessResult result = testing::refocus(generate(plus({"--batch", file.string()}, more)));
    EXPECT_EQ(result.status, 0) << result.err;
    testing::write_file(dir / "out.jsonl", result.out);
    return testing::json_lines(dir / "out.jsonl");
  }
  std::string error(const std::string& lines, const Arguments& more = {}) {
    const testing::ProcessResult result =
        testing::refocus(generate(plus({"--batch", prompts(lines).string()}, more)));
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    return result.err;
  }

  TempDir dir;
  std::filesystem::path model;
};

TEST_F(Batch, AnswersAreThoseOfOneByOneInTheOrderOfTheLines) {
  const auto file = prompts(
      "{\"id\": 7, \"prompt\": \"The cat is behind the door.\"}\n"
      "{\"prompt\": \"Who?\"}\n\n"
      "{\"custom_id\": \"x\", \"messages\": [{\"role\": \"user\", \"content\": \"Hi</s>\"}]}\n"
      "{\"prompt\": \"Ann</s> saw a much longer prompt than any of the others that stand here.\"}\n");
  for (const Arguments& how : {Arguments{}, {"--intervene", "rebalance:alpha=1"}}) {
    const std::vector<Json> got = batch(file, how);
    ASSERT_EQ(got.size(), 4u);
    EXPECT_EQ(got[0]["id"], 7);
    EXPECT_EQ(got[1]["line"], 2);
    EXPECT_EQ(got[2]["custom_id"], "x");
    EXPECT_EQ(got[3]["line"], 5);
    const std::vector<Arguments> alone = {
        {"-p", "The cat is behind the door."},
        {"-p", "Who?"},
        {"--chat", "-p", "Hi</s>"},
        {"-p", "Ann</s> saw a much longer prompt than any of the others that stand here."}};
    for (std::size_t k = 0; k < alone.size(); ++k) {
      const Json expected = one(plus(alone[k], how));
      for (const char* key : {"text", "tokens", "finish_reason"}) EXPECT_EQ(got[k][key], expected[key]) << k;
    }
    EXPECT_EQ(batch(file, plus(how, {"--batch-size", "1"})), got);
    EXPECT_EQ(batch(file, plus(how, {"--batch-size", "3", "--threads", "2"})), got);
  }
  const std::vector<Json> sampled = batch(file, {"--temperature", "2", "--batch-size", "1"});
  EXPECT_EQ(batch(file, {"--temperature", "2"}), sampled);
}

TEST_F(Batch, KeysThatChooseNothingAreCounted) {
  const auto file = prompts("{\"prompt\": \"The cat.\"}\n{\"prompt\": \"A dog.\"}\n");
  const auto said = [&](const char* keys) {
    return testing::refocus(generate({"--batch", file.string(), "--intervene", keys})).err;
  };
  EXPECT_THAT(said("boost:keys=text:\"cat\""), HasSubstr("chooses nothing in 1 of 2 prompts"));
  EXPECT_THAT(said("boost:keys=sinks"), ::testing::Not(HasSubstr("chooses nothing")));
}

TEST_F(Batch, OptionsOfConversationsHoldForEachLine) {
  const auto file = prompts(
      "{\"prompt\": \"Hi\"}\n{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}\n"
      "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"tools\": [{\"name\": \"f\"}]}\n");
  const std::vector<Json> got = batch(file, {"--system", "Be kind."});
  EXPECT_EQ(got[0]["tokens"], one({"-p", "Hi", "--system", "Be kind."})["tokens"]);
  EXPECT_EQ(got[1]["tokens"], got[0]["tokens"]);
  EXPECT_NE(got[2]["tokens"], got[1]["tokens"]) << "the template shows tools";
}

TEST_F(Batch, BadLinesAreNamedBeforeAnythingIsAsked) {
  const std::string good = "{\"prompt\": \"Hi\"}\n";
  EXPECT_THAT(error(good + "{\"prompt\": 1}\n"), HasSubstr("prompts.jsonl line 2] expected a text"));
  EXPECT_THAT(error(good + "\n{\"prompt\"\n"), HasSubstr("prompts.jsonl line 3]"));
  EXPECT_THAT(error("{\"id\": 1}\n"), HasSubstr("expected \"prompt\" or \"messages\", got neither"));
  EXPECT_THAT(error("{\"prompt\": \"a\", \"max_tokens\": 3}\n"),
              AllOf(HasSubstr("got 'max_tokens'"), HasSubstr("as options")));
  EXPECT_THAT(error("{\"messages\": []}\n"), HasSubstr("line 1] expected a list of messages"));
  EXPECT_THAT(error("{\"messages\": [{\"role\": \"user\"}, 3]}\n"), HasSubstr("line 1] expected a message"));
  EXPECT_THAT(error("{\"prompt\": \"a\", \"tools\": []}\n"), HasSubstr("beside \"tools\""));
  EXPECT_THAT(error("{\"messages\": [{\"role\": \"system\", \"content\": \"a\"}]}\n", {"--system", "b"}),
              HasSubstr("expected no system message beside --system"));
  EXPECT_THAT(error(good + "{\"prompt\": \"Hi Hi Hi Hi Hi Hi Hi Hi Hi Hi\"}\n", {"--context", "8"}),
              HasSubstr("prompts.jsonl line 2]"));
  EXPECT_THAT(error("\n"), HasSubstr("expected at least one prompt"));
  std::filesystem::remove(model / "chat_template.jinja");
  EXPECT_THAT(error("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n"),
              HasSubstr("line 1] expected a model with a chat template"));
  testing::expect_failure(testing::refocus(generate({"-p", "Hi", "-o", "x"})), 2, {"--batch"});
}

TEST_F(Batch, AnswersGoToANewFile) {
  const auto file = prompts("{\"prompt\": \"Hi\"}\n{\"prompt\": \"Who?\"}\n");
  const std::vector<Json> printed = batch(file);
  EXPECT_TRUE(batch(file, {"-o", (dir / "answers.jsonl").string()}).empty());
  EXPECT_EQ(testing::json_lines(dir / "answers.jsonl"), printed);
  const testing::ProcessResult again =
      testing::refocus(generate({"--batch", file.string(), "-o", (dir / "answers.jsonl").string()}));
  testing::expect_failure(again, 1, {"expected a new file"});
  EXPECT_EQ(testing::json_lines(dir / "answers.jsonl"), printed);
}

TEST_F(Batch, AnInterruptKeepsWhatIsFinished) {
  std::string lines;
  for (int k = 0; k < 2000; ++k) lines += "{\"id\": " + std::to_string(k) + ", \"prompt\": \"Hi\"}\n";
  const auto answers = dir / "answers.jsonl";
  testing::Process process(generate({"--batch", prompts(lines).string(), "-o", answers.string(),
                                     "--batch-size", "2", "--ignore-eos", "-n", "60"}));
  const auto lines_now = [&] {
    std::ifstream in(answers);
    return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
  };
  while (process.running() && lines_now() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  process.send(SIGINT);
  const testing::ProcessResult result = process.wait();
  EXPECT_EQ(result.signal, SIGINT);
  const std::vector<Json> kept = testing::json_lines(answers);
  ASSERT_GT(kept.size(), 0u);
  ASSERT_LT(kept.size(), 2000u);
  for (std::size_t k = 0; k < kept.size(); ++k) EXPECT_EQ(kept[k]["tokens"].size(), 60u);
  EXPECT_THAT(result.err,
              HasSubstr("stopped; " + std::to_string(kept.size()) + " of 2000 answers are kept\n"));
}

TEST_F(Batch, StopsEndAnswersAtTextsAndSpecialTokens) {
  const Arguments asked = {"-p", kQuestion, "-n", "90", "--ignore-eos"};
  const Json whole = one(asked);
  const std::string text = whole["text"];
  ASSERT_GT(text.size(), 12u);
  const std::string end = text.substr(8, 3);
  const Json stopped = one(plus(asked, {"--stop", "never there", "--stop", end}));
  EXPECT_EQ(stopped["text"], text.substr(0, text.find(end)));
  EXPECT_EQ(stopped["finish_reason"], "stop");
  EXPECT_LT(stopped["tokens"].size(), whole["tokens"].size());
  EXPECT_EQ(testing::refocus(plus(generate(asked), {"--stop", end})).out,
            text.substr(0, text.find(end)) + "\n");
  const std::vector<Json> many = batch(prompts(Json({{"prompt", kQuestion}}).dump() + "\n"),
                                       {"-n", "90", "--ignore-eos", "--stop", end});
  EXPECT_EQ(many[0]["text"], stopped["text"]);

  // </s> has no text, but a name.
  const auto& tokens = whole["tokens"];
  const auto at = std::find(tokens.begin(), tokens.end(), kEnd);
  ASSERT_NE(at, tokens.end()) << "the bundled model ends its texts";
  const Json ended = one(plus(asked, {"--stop", "</s>"}));
  EXPECT_EQ(ended["tokens"].size(), static_cast<std::size_t>(at - tokens.begin()) + 1);
  EXPECT_EQ(ended["finish_reason"], "stop");
  EXPECT_THAT(ended["text"].get<std::string>(), ::testing::Not(HasSubstr("</s>")));
  testing::expect_failure(
      testing::refocus({"generate", "-m", testing::golden_model("mha-f32"), "--tokens", "5", "--stop", "a"}),
      1, {"leave out --stop"});
}

// A model that does not take </s> for its end.
TEST_F(Batch, TasksNameSpecialTokensThatEndAnswers) {
  for (const char* file : {"config.json", "generation_config.json"}) {
    if (std::filesystem::exists(model / file)) testing::edit_json(model / file, {{"eos_token_id", 1}});
  }
  testing::write_file(dir / "q.jsonl",
                      Json({{"question", kQuestion}, {"answer", "Oscar East"}}).dump() + "\n");
  const auto run = [&](const std::string& name, const std::string& until) {
    testing::write_file(dir / (name + ".json"),
                        R"({"task": "own", "type": "short_answer", "dataset": "q.jsonl",
      "answer": "answer", "metric": "exact_match", "prompt": {"body": "{question}"}, "until": )" +
                            until + "}");
    const testing::ProcessResult result =
        testing::refocus({"eval", (dir / (name + ".json")).string(), "-m", model.string(), "--no-chat",
                          "--max-new-tokens", "90", "-o", (dir / name).string()});
    EXPECT_EQ(result.status, 0) << result.err;
    for (const auto& file : std::filesystem::recursive_directory_iterator(dir / name / "arms")) {
      if (file.path().filename().string().starts_with("samples_")) return testing::json_lines(file.path())[0];
    }
    return Json();
  };
  const Json named = run("named", R"(["</s>", "zzz"])"), unnamed = run("unnamed", R"(["zzz"])");
  EXPECT_EQ(named["finish_reason"], "stop");
  EXPECT_EQ(unnamed["finish_reason"], "length");
  EXPECT_LT(named["generated_tokens"], unnamed["generated_tokens"]);
  const auto settings = [&](const char* name) {
    return Json::parse(testing::file_text(dir / name / "run.json"))["identity"]["generation"];
  };
  EXPECT_EQ(settings("named")["until_tokens"], Json({{"own", {{"</s>", kEnd}}}}));
  EXPECT_FALSE(settings("unnamed").contains("until_tokens"));
}

}  // namespace
}  // namespace refocus
