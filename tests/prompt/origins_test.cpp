// Where tokens come from: one list of texts, and the groups that statistics tell apart.
#include "prompt/origins.h"

#include <algorithm>

#include "../tokenizer/tokenizer_support.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;

std::vector<std::string> names(const OriginRun& run) {
  std::vector<std::string> out;
  for (const OriginGroup& group : run.groups) out.push_back(group.name());
  return out;
}

TEST(TokenOrigins, OfEveryKindOfPieceAndOfWhatIsNone) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  PieceOrigin question{"question", "", "user", 1, 2, false}, option{"options", "B", "", -1, -1, true};
  const Prompt prompt{template_piece("Q: "), data_piece("the cat", question), data_piece("sat", option)};
  const EncodedPrompt encoded = encode_prompt(*tokenizer, prompt);
  const auto count = std::ssize(encoded.tokens);
  const TokenOrigins origins = token_origins(prompt, encoded, count + 2);
  ASSERT_EQ(std::ssize(origins.texts), count + 2);
  EXPECT_EQ(origins.texts.front(), "tokenizer");
  EXPECT_EQ(origins.texts.back(), "generated");
  for (std::int64_t t = 1; t < count; ++t) {
    const auto piece = static_cast<std::size_t>(encoded.pieces[static_cast<std::size_t>(t)]);
    EXPECT_EQ(origins.texts[static_cast<std::size_t>(t)],
              origin_text(prompt[piece].origin, prompt[piece].is_template));
  }
  ASSERT_EQ(origins.runs.size(), 5u);
  EXPECT_THAT(names(origins.runs[0]), ElementsAre("tokenizer"));
  EXPECT_THAT(names(origins.runs[1]), ElementsAre("template"));
  EXPECT_THAT(names(origins.runs[2]), ElementsAre("data", "role:user", "field:question", "shot:2"));
  EXPECT_THAT(names(origins.runs[3]), ElementsAre("data", "field:options", "option:B", "marked"));
  EXPECT_THAT(names(origins.runs[4]), ElementsAre("generated"));
  std::int64_t end = 0;
  for (const OriginRun& run : origins.runs) {
    EXPECT_EQ(run.begin, end) << "runs follow each other";
    EXPECT_LT(run.begin, run.end);
    EXPECT_TRUE(std::ranges::is_sorted(run.groups));
    end = run.end;
  }
  EXPECT_EQ(end, count + 2);
}

TEST(TokenOrigins, ShotsAreListedByTheirNumbers) {
  const OriginGroup two{OriginKind::kShot, 2}, ten{OriginKind::kShot, 10};
  EXPECT_LT(two, ten);
  EXPECT_EQ(ten.name(), "shot:10");
  EXPECT_LT((OriginGroup{OriginKind::kTemplate}), (OriginGroup{OriginKind::kRole, -1, "user"}));
}

TEST(TokenOrigins, MessagesOfOneRoleAreOneGroupButKeepTheirTexts) {
  const auto tokenizer = testing::load_json(testing::synthetic_tokenizer("llama-2"));
  PieceOrigin first, second;
  first.role = second.role = "user";
  first.message = 0;
  second.message = 2;
  const Prompt prompt{data_piece("the cat", first), data_piece(" sat", second)};
  const EncodedPrompt encoded = encode_prompt(*tokenizer, prompt, PromptEnds::kNone);
  const TokenOrigins origins = token_origins(prompt, encoded, std::ssize(encoded.tokens));
  EXPECT_EQ(origins.runs.size(), 1u);
  EXPECT_EQ(origins.texts.front(), "message 0 (user)");
  EXPECT_EQ(origins.texts.back(), "message 2 (user)");
}

}  // namespace
}  // namespace refocus
