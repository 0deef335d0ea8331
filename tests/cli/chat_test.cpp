// Conversations through the program: chat templates in every command that takes prompts, and refocus chat.
#include <fstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::Arguments;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::one_json_line;
using testing::plus;
using testing::TempDir;

constexpr const char* kTemplate =
    "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant:{% if mood %} ({{ mood }}){% endif %}{% endif %}";

class Chat : public ::testing::Test {
 protected:
  void SetUp() override {
    model = dir / "model";
    testing::copy_bundled_model(model, kTemplate);
  }
  Json tokenized(const Arguments& more) {
    return one_json_line(testing::refocus(plus({"tokenize", "-m", model.string(), "--json"}, more)));
  }
  std::int64_t count(const Json& tokens, std::int32_t id) {
    return std::count(tokens["tokens"].begin(), tokens["tokens"].end(), id);
  }
  TempDir dir;
  std::filesystem::path model;
};

TEST_F(Chat, DataWriteNoSpecialTokens) {
  const Json whole = tokenized({"-p", "Hi</s>"});
  EXPECT_EQ(count(whole, 2), 1) << "the user's own whole prompt";
  EXPECT_EQ(count(tokenized({"-p", "Hi</s>", "--no-special"}), 2), 0);
  const Json chat = tokenized({"--chat", "-p", "Hi</s>"});
  EXPECT_EQ(count(chat, 2), 1) << "the template's";
  EXPECT_EQ(count(chat, 1), 2) << "the template's, and no other before them";
  EXPECT_EQ(chat["origins"][0], "template");
  EXPECT_THAT(chat["origins"].dump(), HasSubstr("message 0 (user)"));
}

TEST_F(Chat, OptionsReachTheTemplate) {
  const std::string plain = testing::refocus({"tokenize", "-m", model.string(), "--chat", "-p", "Hi"}).out;
  const auto with = [&](const Arguments& more) {
    return testing::refocus(plus({"tokenize", "-m", model.string(), "-p", "Hi"}, more)).out;
  };
  EXPECT_NE(with({"--system", "Be kind."}), plain);
  EXPECT_NE(with({"--template-arg", "mood=calm"}), plain);
  EXPECT_EQ(with({"--template-arg", "mood=false"}), plain) << "JSON where it can be read so";
  std::ofstream(dir / "own.jinja") << "{{ messages[0].content }}";
  EXPECT_NE(with({"--chat-template", (dir / "own.jinja").string()}), plain);
}

TEST_F(Chat, PromptsComeFromFilesAndStandardInput) {
  const std::string plain = testing::refocus({"tokenize", "-m", model.string(), "-p", "Hi there"}).out;
  std::ofstream(dir / "prompt.txt") << "Hi there";
  EXPECT_EQ(testing::refocus({"tokenize", "-m", model.string(), "-f", (dir / "prompt.txt").string()}).out,
            plain);
  testing::ProcessOptions piped;
  piped.input = "Hi there";
  EXPECT_EQ(testing::refocus({"tokenize", "-m", model.string(), "-f", "-"}, piped).out, plain);
}

TEST_F(Chat, AConversationComesFromAFile) {
  const std::filesystem::path file = dir / "messages.json";
  std::ofstream(file)
      << R"([{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi</s>"}])";
  const Json whole = tokenized({"--messages", file.string()});
  EXPECT_EQ(whole, tokenized({"--system", "Be kind.", "-p", "Hi</s>"}));
  std::ofstream(file) << R"([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"},
                             {"role": "user", "content": "Where?"}])";
  const Json longer = tokenized({"--messages", file.string(), "--system", "Be kind."});
  EXPECT_THAT(longer["origins"].dump(),
              AllOf(HasSubstr("message 0 (system)"), HasSubstr("message 3 (user)")));
  testing::ProcessOptions piped;
  piped.input = R"([{"role": "user", "content": "Hi</s>"}])";
  EXPECT_EQ(
      one_json_line(testing::refocus({"tokenize", "-m", model.string(), "--json", "--messages", "-"}, piped)),
      tokenized({"--chat", "-p", "Hi</s>"}));
  const auto error = [&](const std::string& text, const std::filesystem::path& with) {
    std::ofstream(file) << text;
    const testing::ProcessResult result =
        testing::refocus({"tokenize", "-m", with.string(), "--messages", file.string()});
    EXPECT_EQ(result.status, 1);
    return result.err;
  };
  EXPECT_THAT(error("[]", model), HasSubstr("expected a list of messages, got an empty one"));
  EXPECT_THAT(error("{}", model), HasSubstr("expected a list of messages, got an object"));
  EXPECT_THAT(error(R"([{"content": "Hi"}])", model), HasSubstr("role"));
  EXPECT_THAT(error(R"([{"role": "user", "content": "Hi"}])", testing::bundled_model()),
              HasSubstr("expected a model with a chat template"));
}

TEST_F(Chat, WhatIsWrongIsSaid) {
  const auto error = [&](const Arguments& arguments) {
    const testing::ProcessResult result = testing::refocus(arguments);
    EXPECT_NE(result.status, 0);
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    return result.err;
  };
  const std::string base = testing::bundled_model().string(), m = model.string();
  EXPECT_THAT(error({"tokenize", "-m", base, "--chat", "-p", "x"}),
              AllOf(HasSubstr("expected a model with a chat template"), HasSubstr("leave --chat out")));
  EXPECT_THAT(error({"chat", "-m", base}), HasSubstr("expected a model with a chat template"));
  EXPECT_THAT(error({"tokenize", "-m", m, "--chat-template", "rag", "-p", "x"}),
              HasSubstr("expected a chat template called 'rag', got default"));
  EXPECT_THAT(error({"tokenize", "-m", m, "--template-arg", "mood", "-p", "x"}),
              HasSubstr("expected KEY=VALUE, got 'mood'"));
  EXPECT_THAT(error({"tokenize", "-m", m, "--chat", "--date", "2024-02-30", "-p", "x"}),
              HasSubstr("expected a day such as"));
  EXPECT_THAT(error({"generate", "-m", m, "--chat", "--tokens", "1,2"}),
              HasSubstr("with --chat, got token ids"));
  std::ofstream(model / "chat_template.jinja") << "{% if %}";
  EXPECT_THAT(error({"tokenize", "-m", m, "--chat", "-p", "x"}), HasSubstr("chat template:1:"));
}

TEST_F(Chat, AConversationGoesOnAndIsKept) {
  testing::ProcessOptions piped;
  const std::string file = (dir / "talk.json").string();
  piped.input = "Hi there.\n/intervene rebalance\nAnd you?\n/compare none\n/save " + file +
                "\n/undo\n/help\n/quit\nnever said\n";
  const testing::ProcessResult result =
      testing::refocus({"chat", "-m", model.string(), "--system", "S.", "-n", "8"}, piped);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("answering under: rebalance:alpha=0.2"), HasSubstr(" | none"),
                                HasSubstr("saved: "), HasSubstr("/compare SPEC")));
  const Json saved = Json::parse(std::ifstream(file));
  ASSERT_EQ(saved["messages"].size(), 5u);
  EXPECT_EQ(saved["messages"][0]["role"], "system");
  EXPECT_EQ(saved["messages"][1]["content"], "Hi there.");
  EXPECT_EQ(saved["messages"][2]["intervention"], "none");
  EXPECT_THAT(saved["messages"][4]["intervention"].get<std::string>(), HasSubstr("rebalance:"));

  // The same answer as generate gives.
  const std::string first = saved["messages"][2]["content"];
  const Json alone = one_json_line(testing::refocus(
      {"generate", "-m", model.string(), "--system", "S.", "-p", "Hi there.", "-n", "8", "--json"}));
  EXPECT_EQ(alone["text"], first);

  piped.input = "/undo\n";
  EXPECT_THAT(testing::refocus({"chat", "-m", model.string()}, piped).err,
              HasSubstr("[/undo] expected an answered question"));
}

TEST_F(Chat, EvaluationsAskByTheTemplateUnlessToldNotTo) {
  const auto run = [&](const std::string& name, const Arguments& more) {
    const testing::ProcessResult result =
        testing::refocus(plus({"eval", "-m", model.string(), "--limit", "1", "--direct", "--max-new-tokens",
                               "4", "-o", (dir / name).string()},
                              more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result;
  };
  const auto prompt_of = [&](const std::string& name) {
    for (const auto& file : std::filesystem::recursive_directory_iterator(dir / name / "arms")) {
      if (file.path().filename().string().starts_with("samples_")) {
        return testing::json_lines(file.path()).front();
      }
    }
    return Json();
  };
  EXPECT_THAT(run("chat", {"--system", "S."}).err, Not(HasSubstr("--no-chat asks without it")));
  EXPECT_THAT(run("default", {}).err, HasSubstr("asking by the model's chat template; --no-chat"));
  run("plain", {"--no-chat"});
  const auto text = [](const Json& sample) {
    return sample["arguments"]["gen_args_0"]["arg_0"].get<std::string>();
  };
  const std::string plain = text(prompt_of("plain")), chat = text(prompt_of("default"));
  const std::string body = plain.substr(0, plain.rfind("Response:"));
  EXPECT_THAT(chat, AllOf(::testing::StartsWith("<s>user: Answer the"), HasSubstr(body),
                          ::testing::EndsWith("option is:</s><s>assistant:")));
  EXPECT_EQ(text(prompt_of("chat")), "<s>system: S.</s>" + chat);
  EXPECT_EQ(prompt_of("default")["question_end"], chat.size() - std::string("</s><s>assistant:").size());
  EXPECT_FALSE(prompt_of("plain").contains("question_end"));
  // What decides the answers is kept: another system message is another run.
  const testing::ProcessResult other =
      testing::refocus({"eval", "-m", model.string(), "--limit", "1", "--direct", "--max-new-tokens", "4",
                        "--system", "T.", "-o", (dir / "chat").string()});
  EXPECT_NE(other.status, 0);
  EXPECT_THAT(other.err, HasSubstr("chat.system"));
}

TEST_F(Chat, TasksInAFormatOfTheirOwnAreAskedAsTheyAre) {
  std::ofstream(dir / "q.jsonl") << R"({"question": "Who?", "answer": "Ann"})"
                                 << "\n";
  std::ofstream(dir / "own.json") << R"({"task": "own", "type": "short_answer", "dataset": "q.jsonl",
    "answer": "answer", "metric": "exact_match", "prompt": {"body": "<s>user: {question}</s>"}})";
  const auto run = [&](const Arguments& more) {
    const testing::ProcessResult result =
        testing::refocus(plus({"eval", (dir / "own.json").string(), "-m", model.string(), "--max-new-tokens",
                               "2", "-o", (dir / ("run" + std::to_string(more.size()))).string()},
                              more));
    EXPECT_EQ(result.status, 0) << result.err;
    return result.err;
  };
  EXPECT_THAT(run({}), HasSubstr("the task writes <s> itself: asking without the model's chat template"));
  EXPECT_THAT(run({"--chat"}), Not(HasSubstr("writes <s> itself")));
}

TEST_F(Chat, LikelihoodsOfAConversation) {
  const testing::ProcessResult result =
      testing::refocus({"eval", "-m", model.string(), "--limit", "1", "--loglikelihood", "--chat", "-o",
                        (dir / "run").string()});
  ASSERT_EQ(result.status, 0) << result.err;
  for (const auto& file : std::filesystem::recursive_directory_iterator(dir / "run" / "arms")) {
    if (!file.path().filename().string().starts_with("samples_")) continue;
    const Json sample = testing::json_lines(file.path()).front();
    EXPECT_THAT(sample["arguments"]["gen_args_0"]["arg_0"].get<std::string>(),
                ::testing::EndsWith("<s>assistant:"));
  }
}

}  // namespace
}  // namespace refocus
