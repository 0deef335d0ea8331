// refocus eval perplexity --chat: conversations, and what of them is predicted how well.
#include <cmath>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

// A template whose conversation "a", "b" is the text "a\nb\n".
constexpr const char* kLines = "{% for m in messages %}{{ m.content }}{{ '\\n' }}{% endfor %}";

class PerplexityChat : public ::testing::Test {
 protected:
  void SetUp() override {
    model = (fs::path(REFOCUS_GOLDEN).parent_path().parent_path() / "models/small-worlds").string();
    write_file(dir / "lines.jinja", kLines);
  }

  static std::string conversation(const std::vector<std::pair<std::string, std::string>>& messages) {
    Json out = Json::array();
    for (const auto& [role, content] : messages) out.push_back({{"role", role}, {"content", content}});
    return Json{{"messages", out}}.dump() + "\n";
  }
  ProcessResult run(const std::string& content, const Arguments& more) const {
    write_file(dir / "file", content);
    return testing::refocus(
        plus({"eval", "perplexity", (dir / "file").string(), "-m", model, "--activations", "f32"}, more));
  }
  Json of_text(const std::string& text, const Arguments& more = {}) const {
    return testing::one_json_line(run(text, plus({"--json"}, more)));
  }
  Arguments chat(const Arguments& more = {}) const {
    return plus({"--chat", "--chat-template", (dir / "lines.jinja").string()}, more);
  }
  Json of_chats(const std::string& lines, const Arguments& more = {}) const {
    return of_text(lines, chat(more));
  }

  // The sum of negative log-likelihoods, of a group and of all.
  static double sum(const Json& group) {
    return group["mean_nll"].get<double>() * group["counted_tokens"].get<double>();
  }
  static double sum_of_all(const Json& out) {
    return out["arms"][0]["mean_nll"].get<double>() * out["counted_tokens"].get<double>();
  }
  static Json group(const Json& out, const std::string& name, std::size_t arm = 0) {
    return out["arms"][arm]["by_origin"].value(name, Json());
  }

  TempDir dir;
  std::string model;
};

const char* const kFacts = "Nina Fox reports to Hugo West.";
const char* const kQuestion = "who is 1 above Nina Fox?";
const char* const kAnswer = "Hugo West.";

TEST_F(PerplexityChat, IsThatOfTheTextWhichTheTemplateMakes) {
  const std::string line = conversation({{"system", kFacts}, {"user", kQuestion}, {"assistant", kAnswer}});
  const std::string text = std::string(kFacts) + "\n" + kQuestion + "\n" + kAnswer + "\n";
  for (const Arguments& windows : {Arguments{}, Arguments{"--context", "12", "--stride", "5"}}) {
    const Json chats = of_chats(line, windows), plain = of_text(text, windows);
    for (const char* key : {"tokens", "counted_tokens", "counted_bytes", "windows"}) {
      EXPECT_EQ(chats[key], plain[key]) << key;
    }
    EXPECT_EQ(chats["arms"][0]["mean_nll"], plain["arms"][0]["mean_nll"]);
    EXPECT_EQ(chats["conversations"], 1);
    EXPECT_FALSE(plain["arms"][0].contains("by_origin"));
  }
}

TEST_F(PerplexityChat, ARoleIsWhatTheTextHasMoreThanTheTextBeforeIt) {
  const Json all = of_chats(conversation({{"system", kFacts}, {"user", kQuestion}, {"assistant", kAnswer}}));
  const std::string before = std::string(kFacts) + "\n" + kQuestion + "\n";
  const Json with = of_text(before + kAnswer), without = of_text(before);
  ASSERT_EQ(with["tokens"].get<int>() - without["tokens"].get<int>(),
            group(all, "role:assistant")["counted_tokens"].get<int>());
  EXPECT_NEAR(sum(group(all, "role:assistant")), sum_of_all(with) - sum_of_all(without), 1e-4);
  EXPECT_EQ(group(all, "answers"), group(all, "role:assistant")) << "no end of a turn that training counts";
  EXPECT_NEAR(group(all, "role:user")["perplexity"].get<double>(),
              std::exp(group(all, "role:user")["mean_nll"].get<double>()), 1e-9);
  // Every scored token is in one of the two, and every message in a role.
  EXPECT_NEAR(sum(group(all, "template")) + sum(group(all, "data")), sum_of_all(all), 1e-9);
  EXPECT_NEAR(
      sum(group(all, "role:system")) + sum(group(all, "role:user")) + sum(group(all, "role:assistant")),
      sum(group(all, "data")), 1e-9);
}

TEST_F(PerplexityChat, ConversationsDoNotSeeEachOther) {
  const std::string first = conversation({{"user", kFacts}, {"assistant", kAnswer}}),
                    second = conversation({{"user", kQuestion}, {"assistant", "Julia."}});
  const Json both = of_chats(first + "\n" + second), one = of_chats(first), two = of_chats(second);
  EXPECT_EQ(both["conversations"], 2);
  EXPECT_NEAR(sum_of_all(both), sum_of_all(one) + sum_of_all(two), 1e-9);
  for (const char* name : {"answers", "template", "role:user"}) {
    EXPECT_NEAR(sum(group(both, name)), sum(group(one, name)) + sum(group(two, name)), 1e-9) << name;
  }
}

TEST_F(PerplexityChat, InterventionsFindTheirKeysInEveryWindow) {
  const std::string line = conversation({{"system", kFacts}, {"user", kQuestion}, {"assistant", kAnswer}});
  const auto boosted = [&](const char* keys) {
    return of_chats(line, {"--context", "16", "--stride", "8", "--intervene",
                           std::string("boost:factor=50,keys=") + keys});
  };
  const Json system = boosted("role:system"), user = boosted("role:user");
  EXPECT_EQ(group(system, "role:system", 0), group(user, "role:system", 0)) << "the reference";
  EXPECT_EQ(group(user, "role:system", 1)["nll_difference"], 0) << "which stands before the user's message";
  EXPECT_NE(group(system, "role:user", 1)["nll_difference"], 0);
  EXPECT_NE(group(user, "role:assistant", 1)["nll_difference"], 0) << "in a window that begins later";
  EXPECT_NEAR(group(user, "role:assistant", 1)["nll_difference"].get<double>(),
              group(user, "role:assistant", 1)["mean_nll"].get<double>() -
                  group(user, "role:assistant", 0)["mean_nll"].get<double>(),
              1e-9);
}

TEST_F(PerplexityChat, TheTableNamesGroupsAndTheirSizes) {
  const std::string line = conversation({{"user", kQuestion}, {"assistant", kAnswer}});
  const ProcessResult result = run(line, chat({"--intervene", "rebalance"}));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("tokens in 1 conversation scored in 1 window"));
  const std::string count = group(of_chats(line), "role:assistant")["counted_tokens"].dump();
  EXPECT_THAT(result.out, HasSubstr("\nPerplexity by origin (of so many tokens)\nanswers (" + count + ")"));
  EXPECT_THAT(result.out, HasSubstr("\nDifference of NLL by origin\nanswers (" + count + ")"));
}

TEST_F(PerplexityChat, ReadsBothModelsTokensOfConversations) {
  const std::string line = conversation({{"user", kQuestion}, {"assistant", kAnswer}});
  const Json out = of_chats(line, {"--against", model, "--against-activations", "f32"});
  EXPECT_EQ(out["arms"][1]["kl_divergence"]["max"], 0);
  EXPECT_EQ(group(out, "answers", 1)["nll_difference"], 0);
}

TEST_F(PerplexityChat, NamesWhatIsWrong) {
  const std::string good = conversation({{"user", kQuestion}, {"assistant", kAnswer}});
  expect_failure(run(good + "{\"text\": \"x\"}\n", chat()), 1,
                 {"file:2]", "expected a conversation", "--chat"});
  expect_failure(run(good + "\n{\"messages\": 3}\n", chat()), 1, {"file:3]", "list of messages"});
  expect_failure(run("\n", chat()), 1, {"file]", "expected conversations, got none"});
  expect_failure(run("a text", chat()), 1, {"file:1"});
  expect_failure(run(conversation({{"user", kQuestion}}), chat()), 1, {"file:1]", "an assistant's message"});
  expect_failure(run(good, {"--chat"}), 1, {"chat template", "--chat-template"});
  expect_failure(run(good, {"--chat-template", (dir / "lines.jinja").string()}), 2, {"--chat"});
}

}  // namespace
}  // namespace refocus
