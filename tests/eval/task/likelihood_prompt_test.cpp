// The wording of contexts and options in log-likelihood mode, and where tokens are divided between them.
#include "eval/task/likelihood_prompt.h"

#include <fstream>
#include <nlohmann/json.hpp>

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
  EXPECT_EQ(text_of(likelihood_context(task_kind("mmlu"), item)),
            "Who\n was?\nA. one\nB. \nC.  NA \nD. four\nAnswer:");
  EXPECT_THAT(texts_of(likelihood_continuations(task_kind("mmlu"), item)),
              ElementsAre(" A", " B", " C", " D"));
  EXPECT_EQ(text_of(likelihood_prefix(task_kind("mmlu"), item.subject, {})),
            "The following are multiple choice questions (with answers) about high school us history.\n\n");
  const Item examples[] = {item, mmlu_item("When?", 'A')};
  EXPECT_EQ(text_of(likelihood_prefix(task_kind("mmlu"), "anatomy", examples)),
            "The following are multiple choice questions (with answers) about anatomy.\n\n"
            "Who\n was?\nA. one\nB. \nC.  NA \nD. four\nAnswer: C\n\n"
            "When?\nA. one\nB. \nC.  NA \nD. four\nAnswer: A\n\n");
}

TEST(LikelihoodPrompt, WordsTheOtherTasks) {
  EXPECT_EQ(text_of(likelihood_prefix(task_kind("worlds"), "colours", {})), "");
  EXPECT_EQ(text_of(likelihood_context(task_kind("worlds"), mmlu_item(" ", 'A'))),
            "\nA. one\nB. \nC.  NA \nD. four\nAnswer:");
  Item piqa;
  piqa.fields = {{"goal", "To cool tea"}, {"sol1", "wait"}, {"sol2", "boil it"}};
  piqa.choices = {"wait", "boil it"};
  EXPECT_EQ(text_of(likelihood_context(task_kind("piqa"), piqa)), "Question: To cool tea\nAnswer:");
  EXPECT_THAT(texts_of(likelihood_continuations(task_kind("piqa"), piqa)), ElementsAre(" wait", " boil it"));
  Item siqa;
  siqa.fields = {{"context", "Ann lay down."}, {"question", "Why?"}};
  siqa.choices = {"to rest", "to run", "to eat"};
  EXPECT_EQ(text_of(likelihood_context(task_kind("siqa"), siqa)), "Q: Ann lay down. Why?\nA:");
  EXPECT_THAT(texts_of(likelihood_continuations(task_kind("siqa"), siqa)),
              ElementsAre(" to rest", " to run", " to eat"));
  EXPECT_EQ(text_of(likelihood_prefix(task_kind("siqa"), "socialiqa", {})) +
                text_of(likelihood_prefix(task_kind("piqa"), "physicaliqa", {})),
            "");
}

std::vector<Prompt> pieces_of(const std::vector<std::string>& options) {
  std::vector<Prompt> out;
  for (const std::string& option : options) out.push_back({data_piece(option)});
  return out;
}

EncodedOptions encoded(const Tokenizer& tokenizer, const std::string& context,
                       const std::vector<std::string>& options, Seam seam = Seam::kDifference) {
  return encode_options(tokenizer, {template_piece(context)}, pieces_of(options), PromptEnds::kModel, seam,
                        "piqa item 3");
}

TEST(EncodeOptions, WhiteSpaceAtTheBorderBelongsToTheOption) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k");
  const auto tokenizer = load_tokenizer(testing::shared("models/aidreams-260k"));
  const std::vector<std::string> options = {" to rest", " A"};
  const EncodedOptions got = encoded(*tokenizer, "Q: Why?\nA:", options);
  EXPECT_EQ(got.context, tokenizer->encode_prompt("Q: Why?\nA:"));
  ASSERT_EQ(got.options.size(), 2u);
  for (std::size_t k = 0; k < 2; ++k) {
    std::vector<std::int32_t> whole = got.context;
    whole.insert(whole.end(), got.options[k].begin(), got.options[k].end());
    EXPECT_EQ(whole, tokenizer->encode_prompt("Q: Why?\nA:" + options[k]));
  }
  EXPECT_THAT(got.leads, ElementsAre(0, 0));
  EXPECT_EQ(got.over_seam, 0);
  const EncodedOptions moved = encoded(*tokenizer, "Q: Why?\nA: ", {"to rest", "A"});
  EXPECT_EQ(moved.context, got.context);
  EXPECT_EQ(moved.options, got.options);
  EXPECT_THAT(testing::error_of([&] {
                encoded(*tokenizer, "Q", {" A", " "});
              }),
              HasSubstr("[piqa item 3] expected a text as option B, got an empty one"));
}

// A tokenizer whose tokens are known: "r", "e", "p", "rep", "o", "report" ... by merges.
std::unique_ptr<Tokenizer> merging() {
  nlohmann::json file = nlohmann::json::parse(R"({"version": "1.0", "added_tokens": [], "normalizer": null,
    "pre_tokenizer": null, "post_processor": null, "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": null, "vocab":
      {"r": 0, "e": 1, "p": 2, "o": 3, "t": 4, "a": 5, " ": 6, ":": 7, "\n": 8, "re": 9, "rep": 10, "or": 11,
       "repor": 12, "ap": 13, ":\n": 14},
      "merges": ["r e", "re p", "o r", "rep or", "a p", ": \n"]}})");
  const testing::TempDir dir;
  std::ofstream(dir / "tokenizer.json") << file.dump();
  return load_json_tokenizer(dir.path());
}

TEST(EncodeOptions, ATokenOverTheSeamIsTheOptions) {
  const auto tokenizer = merging();
  // "a" + "rep" alone; "rep" + "or" is one token, "rep" + "ap" is two.
  EXPECT_EQ(tokenizer->encode("arep"), (std::vector<std::int32_t>{5, 10}));
  const EncodedOptions got = encoded(*tokenizer, "arep", {"ort", "ap"});
  EXPECT_EQ(got.context, (std::vector<std::int32_t>{5}));
  EXPECT_EQ(got.options[0], (std::vector<std::int32_t>{12, 4}));
  EXPECT_EQ(got.options[1], (std::vector<std::int32_t>{10, 13}));
  EXPECT_THAT(got.leads, ElementsAre(0, 1)) << "the second option's first token is the question's";
  EXPECT_EQ(got.over_seam, 1);
  // The harness counts: of the first option a token is lost.
  const EncodedOptions theirs = encoded(*tokenizer, "arep", {"ort", "ap"}, Seam::kLmEval);
  EXPECT_EQ(theirs.context, (std::vector<std::int32_t>{5, 10}));
  EXPECT_EQ(theirs.options[0], (std::vector<std::int32_t>{4}));
  EXPECT_EQ(theirs.options[1], (std::vector<std::int32_t>{13}));
  EXPECT_THAT(theirs.leads, ElementsAre(0, 0));
  EXPECT_EQ(theirs.over_seam, 1);
  EXPECT_THAT(testing::error_of([&] { encoded(*tokenizer, "rep", {"ort"}); }),
              HasSubstr("expected a token of the question before option A"));
}

TEST(EncodeOptions, ALineEndThatJoinsIsScored) {
  const auto tokenizer = merging();
  const EncodedOptions got = encoded(*tokenizer, "a:\n", {"rep"});
  EXPECT_EQ(got.context, (std::vector<std::int32_t>{5}));
  EXPECT_EQ(got.options[0], (std::vector<std::int32_t>{14, 10}));
  EXPECT_EQ(got.over_seam, 1);
}

TEST(EncodeOptions, SpecialTokensOfTheQuestionStayText) {
  REFOCUS_NEEDS_SHARED("models/aidreams-260k");
  const auto tokenizer = load_tokenizer(testing::shared("models/aidreams-260k"));
  const std::vector<Prompt> options = pieces_of({" a"});
  const EncodedOptions data = encode_options(*tokenizer, {template_piece("Q: "), data_piece("</s>")}, options,
                                             PromptEnds::kModel, Seam::kDifference, "here");
  EXPECT_EQ(data.context, tokenizer->encode_prompt("Q: </s>"));
  EXPECT_EQ(std::count(data.context.begin(), data.context.end(), 2), 0);
  const EncodedOptions read = encode_options(*tokenizer, {template_piece("Q: </s>")}, options,
                                             PromptEnds::kModel, Seam::kDifference, "here");
  EXPECT_EQ(std::count(read.context.begin(), read.context.end(), 2), 1);
}

}  // namespace
}  // namespace refocus
