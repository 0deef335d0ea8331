// The first training batch of conversations against an independent loop over transformers' chat templates:
// the same ids, and the same tokens count. Needs SmolLM2 (scripts/fetch_models).
#include "base/text_file.h"
#include "io/checkpoint.h"
#include "real_model.h"
#include "support.h"
#include "tokenizer/stored_tokenizer.h"
#include "train/dataset.h"
#include "train/train_support.h"

namespace refocus {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kSmolLm2 = "smollm2-135m-instruct-q4_1.gguf";

class ChatBatch : public ::testing::TestWithParam<std::string> {};

TEST_P(ChatBatch, IsThatOfTransformers) {
  const auto model = testing::real_models() / kSmolLm2;
  if (!std::filesystem::exists(model)) GTEST_SKIP() << "needs " << model;
  const Json golden = Json::parse(read_text_file(testing::golden("prompt/batches.json")));
  const auto tokenizer = make_stored_tokenizer(model.string(), *open_checkpoint(model).vocabulary);
  const testing::TempDir dir;
  testing::write_text(dir / "marked.jinja", golden["marked_template"].get<std::string>());
  const auto chat_template = GetParam() == "marked"
                                 ? read_chat_template((dir / "marked.jinja").string(), *tokenizer)
                                 : find_chat_template(*tokenizer, kSmolLm2);
  ASSERT_TRUE(chat_template);
  std::string lines;
  for (const Json& messages : golden["data"]) lines += Json({{"messages", messages}}).dump() + "\n";
  testing::write_text(dir / "data.jsonl", lines);
  ThreadPool pool{2};
  const auto set =
      TrainingSet::load(dir / "data.jsonl", *tokenizer, golden["context"], pool, chat_template.get());
  BatchPacker packer(set, golden["batch_tokens"], /*seed=*/1, /*shuffle=*/false);
  const TrainingBatch batch = packer.next();

  const Json& expected = golden[GetParam()];
  ASSERT_GE(expected.size(), 3u);
  EXPECT_LT(expected.size(), set.size()) << "so that the batch has an end";
  EXPECT_EQ(batch.sequences.size(), expected.size());
  TrainingBatch wanted;
  for (const Json& sequence : expected) {
    wanted.add(sequence["ids"].get<std::vector<std::int32_t>>(),
               sequence["counts"].get<std::vector<std::uint8_t>>());
  }
  EXPECT_EQ(batch.tokens, wanted.tokens);
  EXPECT_EQ(batch.targets, wanted.targets);
  EXPECT_GT(batch.counted(), 0);
  EXPECT_LT(batch.counted(), batch.rows());
}

INSTANTIATE_TEST_SUITE_P(Template, ChatBatch, ::testing::Values("own", "marked"),
                         [](const auto& named) { return named.param; });

}  // namespace
}  // namespace refocus
