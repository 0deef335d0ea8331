#include "eval/task/profile.h"

#include "eval/task/ending.h"

#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "eval/tasks/task_data.h"
#include "support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Item mmlu_item(std::string question, std::string a) {
  Item item;
  item.fields = {
      {"question", std::move(question)}, {"A", std::move(a)}, {"B", "two"}, {"C", "three"}, {"D", "four"}};
  return item;
}

Profile profile_with_body(const std::string& body) {
  const nlohmann::json json = {
      {"tasks",
       {{"mmlu",
         {{"cot_instruction", "Think.\n"}, {"body", body}, {"cot_suffix", "!"}, {"direct_suffix", "?"}}}}}};
  return parse_profile(json.dump(), "p.json", "p");
}

std::string make_prompt(const Profile& profile, std::string_view task, const Item& item, PromptKind kind) {
  return text_of(refocus::make_prompt(prompt_parts(profile, task, kind), item));
}

TEST(Profile, PutsFieldsInOnce) {
  const Profile profile = profile_with_body("{{{question}}} A={A} {{B}}");
  const Item item = mmlu_item("What is {A} and {{B}}?", "{question}");
  EXPECT_EQ(make_prompt(profile, "mmlu", item, PromptKind::kDirect),
            "{What is {A} and {{B}}?} A={question} {B}?");
  EXPECT_EQ(make_prompt(profile, "mmlu", item, PromptKind::kCot),
            "Think.\n{What is {A} and {{B}}?} A={question} {B}!");
  EXPECT_EQ(prompt_parts(profile, "mmlu", PromptKind::kCot).instruction, "Think.\n");
  EXPECT_EQ(prompt_parts(profile, "mmlu", PromptKind::kDirect).instruction, "");
}

TEST(Profile, ReproducesThePublishedPrompts) {
  REFOCUS_NEEDS_SHARED("prompts/published.json");
  REFOCUS_NEEDS_SHARED("data/mmlu");
  const auto path = testing::shared("prompts/published.json");
  const Profile profile = load_profile(path);
  const auto json = nlohmann::json::parse(read_text_file(path));
  const auto expect = [&](const std::string& task, const std::string& body) {
    const Item item = load_task(task, testing::shared("data")).items.at(0);
    EXPECT_EQ(make_prompt(profile, task, item, PromptKind::kDirect), body + "\n Answer:");
    const std::string instruction = json["tasks"][task]["cot_instruction"];
    EXPECT_EQ(make_prompt(profile, task, item, PromptKind::kCot), instruction + body + "\n Analysis:");
    EXPECT_EQ(prompt_parts(profile, task, PromptKind::kCot).instruction, instruction);
  };
  expect("mmlu",
         "Find the degree for the given field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.\n\n"
         "A. 0\nB. 4\nC. 2\nD. 6\n");
  expect("piqa",
         "How do I ready a guinea pig cage for it's new occupants?\n\n"
         "A. Provide the guinea pig with a cage full of a few inches of bedding made of ripped paper strips, "
         "you will "
         "also need to supply it with a water bottle and a food dish.\n"
         "B. Provide the guinea pig with a cage full of a few inches of bedding made of ripped jeans "
         "material, you "
         "will also need to supply it with a water bottle and a food dish.\n");
  expect("siqa",
         "Tracy didn't go home that evening and resisted Riley's attacks.\nWhat does Tracy need to do before "
         "this?\n\n"
         "A. make a new plan\nB. Go home and see Riley\nC. Find somewhere to go\n");
  EXPECT_EQ(profile.name, "published");
  EXPECT_EQ(profile.extraction, std::nullopt);
}

TEST(Profile, TheDefaultAsksForAnalysisAndResponse) {
  const Profile& profile = default_profile();
  EXPECT_EQ(profile.name, "default");
  EXPECT_EQ(profile.extraction, ExtractionRules::kAnchored);
  for (const char* task : {"mmlu", "piqa", "siqa"}) {
    const TaskPrompts& prompts = profile.prompts(task);
    EXPECT_THAT(prompts.cot_instruction, HasSubstr("'Analysis:'"));
    EXPECT_THAT(prompts.cot_instruction, HasSubstr("'Response:'"));
    EXPECT_EQ(prompts.cot_suffix, "\nAnalysis:");
    EXPECT_EQ(prompts.direct_suffix, "\nResponse:");
  }
  // PIQA has two options only.
  EXPECT_THAT(profile.prompts("piqa").cot_instruction, ::testing::Not(HasSubstr("C")));
  EXPECT_EQ(make_prompt(profile, "mmlu", mmlu_item("Q?", "one"), PromptKind::kDirect),
            "Q?\n\nA. one\nB. two\nC. three\nD. four\n\nResponse:");
  EXPECT_THAT(make_prompt(profile, "mmlu", mmlu_item("Q?", "one"), PromptKind::kCot),
              StartsWith(prompt_parts(profile, "mmlu", PromptKind::kCot).instruction));
}

TEST(Profile, TheDefaultAsksWorldsWithoutInstruction) {
  const Item item = mmlu_item("Who has the key?", "Ann");
  EXPECT_EQ(make_prompt(default_profile(), "worlds", item, PromptKind::kCot),
            "Who has the key?\nA. Ann\nB. two\nC. three\nD. four\nAnalysis:");
  EXPECT_EQ(make_prompt(default_profile(), "worlds", item, PromptKind::kDirect),
            "Who has the key?\nA. Ann\nB. two\nC. three\nD. four\nResponse:");
  EXPECT_EQ(prompt_parts(default_profile(), "worlds", PromptKind::kCot).instruction, "");
}

TEST(Profile, SaysWhatIsWrong) {
  EXPECT_EQ(
      error_of([] { profile_with_body("{question} {E}"); }),
      "[p.json tasks.mmlu] unknown placeholder '{E}' in body; known placeholders: question, A, B, C, D");
  EXPECT_THAT(error_of([] { profile_with_body("{answer}"); }), HasSubstr("unknown placeholder '{answer}'"));
  for (const char* body : {"{question", "question}", "{question{A}", "{"}) {
    EXPECT_THAT(error_of([&] { profile_with_body(body); }), HasSubstr("write it twice for a literal brace"))
        << body;
  }
  const auto error = [](const std::string& json) {
    return error_of([&] { parse_profile(json, "p.json", "p"); });
  };
  EXPECT_THAT(error(R"({"task": {}})"),
              HasSubstr("unknown key 'task'; known keys: name, source, note, extraction, tasks"));
  EXPECT_THAT(error(R"({"tasks": {"arc": {}}})"),
              HasSubstr("unknown key 'arc'; known keys: mmlu, piqa, siqa, worlds"));
  EXPECT_THAT(error(R"({"tasks": {"mmlu": {"suffix": ""}}})"),
              HasSubstr("[p.json tasks.mmlu] unknown key 'suffix'"));
  EXPECT_THAT(error(R"({"tasks": {"mmlu": {"body": 1, "cot_instruction": ""}}})"),
              HasSubstr("expected a text 'body', got number"));
  EXPECT_THAT(error(R"({"tasks": {}, "extraction": "best"})"),
              HasSubstr("'anchored' or 'published', got 'best'"));
  EXPECT_THAT(error(R"({"tasks": )"),
              HasSubstr("expected JSON with a value at line 1, column 11, got the end of the text"));
  EXPECT_THAT(error("[]"), HasSubstr("expected a JSON object, got array"));
  EXPECT_THAT(error(R"({"tasks": {"mmlu": {"body": "", "cot_instruction": "", "cot_suffix": "",)"
                    R"( "direct_suffix": "{question}"}}})"),
              HasSubstr("expected no placeholder in direct_suffix"));
  const Profile only_mmlu = profile_with_body("{question}");
  EXPECT_THAT(error_of([&] { only_mmlu.prompts("piqa"); }),
              HasSubstr("expected prompts of task 'piqa', got only those of: mmlu"));
  EXPECT_THAT(error_of([&] { make_prompt(only_mmlu, "mmlu", Item{}, PromptKind::kCot); }),
              HasSubstr("expected a field 'question'"));
  EXPECT_THAT(error_of([] { parse_rules("x"); }), HasSubstr("known rules: anchored, published"));
}

TEST(Profile, ConversationsMayHaveWordsOfTheirOwn) {
  const Profile profile = parse_profile(
      R"({"tasks": {"mmlu": {"body": "{question}", "cot_suffix": "!", "direct_suffix": "?",
          "chat_direct_suffix": " Letter:"}}})",
      "p", "p");
  const Item item = mmlu_item("Q", "one");
  const auto prompt = [&](PromptKind kind, bool chat) {
    return text_of(refocus::make_prompt(prompt_parts(profile, "mmlu", kind, chat), item));
  };
  EXPECT_EQ(prompt(PromptKind::kDirect, false), "Q?");
  EXPECT_EQ(prompt(PromptKind::kDirect, true), "Q Letter:");
  EXPECT_EQ(prompt(PromptKind::kCot, true), "Q!");
  for (const TaskKind& kind : task_kinds()) {
    const TaskPrompts& own = default_profile().prompts(kind.name);
    ASSERT_TRUE(own.chat_direct_instruction && own.chat_direct_suffix) << kind.name;
    EXPECT_FALSE(expects_statement(*own.chat_direct_instruction + "Q" + *own.chat_direct_suffix))
        << kind.name;
  }
}

}  // namespace
}  // namespace refocus
