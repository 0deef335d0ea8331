// The wording of contexts and options in log-likelihood mode, and where tokens are divided between them.
#include "eval/task/likelihood_prompt.h"

#include "base/error.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Item mmlu_item(std::string question, char label) {
  Item item;
  item.subject = "high_school_us_history";
  item.fields = {{"question", std::move(question)}, {"A", "one"}, {"B", ""}, {"C", " NA "}, {"D", "four"}};
  item.choices = {"one", "", " NA ", "four"};
  item.label = label;
  return item;
}

TEST(LikelihoodPrompt, WordsMmluAsTheHarnessDoes) {
  const Item item = mmlu_item("\u00a0 \n Who\n was?\t\u3000", 'C');
  EXPECT_EQ(likelihood_context(task_kind("mmlu"), item),
            "Who\n was?\nA. one\nB. \nC.  NA \nD. four\nAnswer:");
  EXPECT_THAT(likelihood_continuations(task_kind("mmlu"), item), ElementsAre(" A", " B", " C", " D"));
  EXPECT_EQ(likelihood_prefix(task_kind("mmlu"), item.subject, {}),
            "The following are multiple choice questions (with answers) about high school us history.\n\n");
  const Item examples[] = {item, mmlu_item("When?", 'A')};
  EXPECT_EQ(likelihood_prefix(task_kind("mmlu"), "anatomy", examples),
            "The following are multiple choice questions (with answers) about anatomy.\n\n"
            "Who\n was?\nA. one\nB. \nC.  NA \nD. four\nAnswer: C\n\n"
            "When?\nA. one\nB. \nC.  NA \nD. four\nAnswer: A\n\n");
}

TEST(LikelihoodPrompt, WordsTheOtherTasks) {
  EXPECT_EQ(likelihood_prefix(task_kind("worlds"), "colours", {}), "");
  EXPECT_EQ(likelihood_context(task_kind("worlds"), mmlu_item(" ", 'A')),
            "\nA. one\nB. \nC.  NA \nD. four\nAnswer:");
  Item piqa;
  piqa.fields = {{"goal", "To cool tea"}, {"sol1", "wait"}, {"sol2", "boil it"}};
  piqa.choices = {"wait", "boil it"};
  EXPECT_EQ(likelihood_context(task_kind("piqa"), piqa), "Question: To cool tea\nAnswer:");
  EXPECT_THAT(likelihood_continuations(task_kind("piqa"), piqa), ElementsAre(" wait", " boil it"));
  Item siqa;
  siqa.fields = {{"context", "Ann lay down."}, {"question", "Why?"}};
  siqa.choices = {"to rest", "to run", "to eat"};
  EXPECT_EQ(likelihood_context(task_kind("siqa"), siqa), "Q: Ann lay down. Why?\nA:");
  EXPECT_THAT(likelihood_continuations(task_kind("siqa"), siqa),
              ElementsAre(" to rest", " to run", " to eat"));
  EXPECT_EQ(likelihood_prefix(task_kind("siqa"), "socialiqa", {}) +
                likelihood_prefix(task_kind("piqa"), "physicaliqa", {}),
            "");
}

TEST(EncodeOptions, WhiteSpaceAtTheBorderBelongsToTheOption) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k");
  const auto tokenizer = load_tokenizer(testing::shared("models/aidreams-260k"));
  const std::vector<std::string> options = {" to rest", " A"};
  const EncodedOptions got = encode_options(*tokenizer, "Q: Why?\nA:", options, "here");
  EXPECT_EQ(got.context, tokenizer->encode_prompt("Q: Why?\nA:"));
  ASSERT_EQ(got.options.size(), 2u);
  for (std::size_t k = 0; k < 2; ++k) {
    std::vector<std::int32_t> whole = got.context;
    whole.insert(whole.end(), got.options[k].begin(), got.options[k].end());
    EXPECT_EQ(whole, tokenizer->encode_prompt("Q: Why?\nA:" + options[k]));
  }
  const std::vector<std::string> without = {"to rest", "A"};
  const EncodedOptions moved = encode_options(*tokenizer, "Q: Why?\nA: ", without, "here");
  EXPECT_EQ(moved.context, got.context);
  EXPECT_EQ(moved.options, got.options);
  const std::vector<std::string> empty = {" A", " "};
  try {
    encode_options(*tokenizer, "Q", empty, "piqa item 3");
    FAIL() << "no error";
  } catch (const InputError& e) {
    EXPECT_THAT(e.what(), HasSubstr("[piqa item 3] expected a text as option B, got an empty one"));
  }
}

}  // namespace
}  // namespace refocus
