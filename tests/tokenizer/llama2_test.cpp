// Llama-2's tokenizer.model (the SentencePiece library) and its tokenizer.json (this project's BPE) must give
// the same ids for every text of the evaluation data, and both must decode to the text again.
#include <csv.h>

#include <iostream>

#include "base/text_file.h"
#include "base/thread_pool.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

constexpr const char* kModel = "models/llama-2-tokenizer";
using testing::Ids;

struct Pair {
  std::unique_ptr<Tokenizer> model = load_sentencepiece_tokenizer(testing::shared(kModel));
  std::unique_ptr<Tokenizer> json = load_json_tokenizer(testing::shared(kModel));
};

struct Csv {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::string> row;
};

std::vector<std::vector<std::string>> read_csv(const std::filesystem::path& path) {
  Csv csv;
  csv_parser parser;
  if (csv_init(&parser, 0) != 0) throw std::runtime_error("csv_init");
  const std::string file = read_text_file(path);
  const auto on_field = [](void* s, std::size_t size, void* data) {
    static_cast<Csv*>(data)->row.emplace_back(static_cast<const char*>(s), size);
  };
  const auto on_row = [](int, void* data) {
    auto* c = static_cast<Csv*>(data);
    c->rows.push_back(std::move(c->row));
    c->row.clear();
  };
  if (csv_parse(&parser, file.data(), file.size(), on_field, on_row, &csv) != file.size()) {
    throw std::runtime_error("csv_parse");
  }
  csv_fini(&parser, on_field, on_row, &csv);
  csv_free(&parser);
  return csv.rows;
}

// The fields of one item, and two prompts made of them.
void add_item(const std::vector<std::string>& fields, std::vector<std::string>& texts) {
  std::string prompt = "The following is a question.\n\n";
  std::string bare;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    texts.push_back(fields[i]);
    prompt += fmt::format("{}. {}\n", static_cast<char>('A' + i), fields[i]);
    bare += fields[i] + "\r\n\t ";
  }
  texts.push_back(prompt + "Answer:");
  texts.push_back(bare);
}

void add_lines(const std::filesystem::path& path, std::vector<std::string>& texts) {
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line);) texts.push_back(line);
}

// Encodes each text both ways and back.
void expect_agreement(const std::string& what, std::vector<std::string> all) {
  const std::vector<std::string> texts = testing::a_part_if_sanitized(std::move(all));
  const Pair tokenizers;
  std::atomic<std::int64_t> tokens = 0, differing = 0, lossy = 0;
  ThreadPool pool(available_threads());
  pool.parallel_for(static_cast<std::int64_t>(texts.size()), [&](std::int64_t i, int) {
    const std::string& text = texts[static_cast<std::size_t>(i)];
    const Ids by_model = tokenizers.model->encode(text), by_json = tokenizers.json->encode(text);
    tokens += static_cast<std::int64_t>(by_model.size());
    if (by_model != by_json && differing++ == 0) {
      std::cout << "first difference: " << printable(text, 500) << "\n";
    }
    const std::string expected = is_valid_utf8(text) ? text : replace_invalid_utf8(text);
    if ((tokenizers.model->decode(by_model) != expected || tokenizers.json->decode(by_model) != expected) &&
        lossy++ == 0) {
      std::cout << "first text that does not come back: " << printable(text, 500) << "\n";
    }
  });
  std::cout << what << ": " << texts.size() << " texts, " << tokens << " tokens\n";
  EXPECT_EQ(differing, 0);
  EXPECT_EQ(lossy, 0);
}

class Mmlu : public ::testing::TestWithParam<int> {};
constexpr int kShards = 4;  // so that the test runner can run them side by side

TEST_P(Mmlu, TokenizerModelAndJsonAgree) {
  REFOCUS_NEEDS_SHARED(kModel);
  REFOCUS_NEEDS_SHARED("data/mmlu/test");
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(testing::shared("data/mmlu/test")))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  ASSERT_EQ(files.size(), 57U);
  std::vector<std::string> texts;
  std::size_t rows = 0;
  for (std::size_t i = static_cast<std::size_t>(GetParam()); i < files.size(); i += kShards) {
    for (const auto& fields : read_csv(files[i])) {
      ASSERT_EQ(fields.size(), 6U) << files[i];
      add_item(fields, texts);
      ++rows;
    }
  }
  expect_agreement(fmt::format("MMLU test, part {}: {} rows", GetParam(), rows), texts);
}
INSTANTIATE_TEST_SUITE_P(Llama2, Mmlu, ::testing::Range(0, kShards));

TEST(Llama2, TokenizerModelAndJsonAgreeOnMmluDevAndMtBench) {
  REFOCUS_NEEDS_SHARED(kModel);
  REFOCUS_NEEDS_SHARED("data/mmlu/dev");
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(testing::shared("data/mmlu/dev"))) {
    for (const auto& fields : read_csv(entry.path())) add_item(fields, texts);
    add_lines(entry.path(), texts);
    texts.push_back(read_text_file(entry.path()));
  }
  add_lines(testing::shared("data/mt_bench.jsonl"), texts);
  expect_agreement("MMLU dev and MT-Bench", texts);
}

void expect_agreement_on_json_lines(const std::string& name, const std::vector<const char*>& keys) {
  std::vector<std::string> lines, texts;
  add_lines(testing::shared(name), lines);
  ASSERT_GT(lines.size(), 1000U);
  for (const std::string& line : lines) {
    const auto json = nlohmann::json::parse(line);
    std::vector<std::string> fields;
    for (const char* key : keys) fields.push_back(json.at(key));
    add_item(fields, texts);
    texts.push_back(line);
  }
  expect_agreement(name, texts);
}

TEST(Llama2, TokenizerModelAndJsonAgreeOnPiqa) {
  REFOCUS_NEEDS_SHARED(kModel);
  REFOCUS_NEEDS_SHARED("data/piqa/dev.jsonl");
  expect_agreement_on_json_lines("data/piqa/dev.jsonl", {"goal", "sol1", "sol2"});
}

TEST(Llama2, TokenizerModelAndJsonAgreeOnSiqa) {
  REFOCUS_NEEDS_SHARED(kModel);
  REFOCUS_NEEDS_SHARED("data/siqa/dev.jsonl");
  expect_agreement_on_json_lines("data/siqa/dev.jsonl",
                                 {"context", "question", "answerA", "answerB", "answerC"});
}

TEST(Llama2, TokenizerModelAndJsonAgreeOnTheTextsOfTheGoldens) {
  REFOCUS_NEEDS_SHARED(kModel);
  std::vector<std::string> texts;
  const nlohmann::json goldens = testing::read_json(testing::golden("tokenizer/llama3.json"));
  for (const auto& entry : goldens["encoded"]) {
    const std::string text = entry["text"];
    if (text.find("\u2581") == std::string::npos) texts.push_back(text);  // decodes as a space
  }
  expect_agreement("texts of the goldens", texts);
}

TEST(Llama2, TokenizerModelAndJsonAgreeOnRandomText) {
  REFOCUS_NEEDS_SHARED(kModel);
  const Pair tokenizers;
  testing::check_property("ids agree and decode to the text", [&] {
    const std::string text = *testing::any_text();
    RC_PRE(text.find("\u2581") == std::string::npos);
    const Ids ids = tokenizers.model->encode(text);
    RC_ASSERT(tokenizers.json->encode(text) == ids);
    RC_ASSERT(tokenizers.model->decode(ids) == text);
    RC_ASSERT(tokenizers.json->decode(ids) == text);
  });
  testing::check_property("any bytes read as their repaired text", [&] {
    const std::string bytes = *testing::any_bytes();
    const Ids ids = tokenizers.model->encode(bytes);
    RC_ASSERT(tokenizers.json->encode(bytes) == ids);
    RC_ASSERT(tokenizers.model->encode(replace_invalid_utf8(bytes)) == ids);
  });
  // Bytes that are no text decode as Hugging Face's library has it in one (components.json), as SentencePiece
  // in the other. So here all are printable ASCII, ids 3 + 0x21 to 3 + 0x7E.
  testing::check_property("any ids decode alike", [&] {
    const auto ids = *rc::gen::container<Ids>(rc::gen::weightedOneOf<std::int32_t>(
        {{1, rc::gen::inRange(0, 3)}, {2, rc::gen::inRange(36, 130)}, {2, rc::gen::inRange(259, 32000)}}));
    for (const bool skip : {true, false}) {
      const std::string text = tokenizers.model->decode(ids, {.skip_special = skip});
      RC_ASSERT(tokenizers.json->decode(ids, {.skip_special = skip}) == text);
      RC_ASSERT(is_valid_utf8(text));
    }
  });
}

TEST(Llama2, KnownIdsAndSpecialTokens) {
  REFOCUS_NEEDS_SHARED(kModel);
  const Pair tokenizers;
  for (const Tokenizer* t : {tokenizers.model.get(), tokenizers.json.get()}) {
    EXPECT_EQ(t->vocab_size(), 32000);
    EXPECT_EQ(t->bos_id(), 1);
    EXPECT_EQ(t->eos_ids(), Ids{2});
    EXPECT_EQ(t->encode("Hello world"), (Ids{15043, 3186}));
    EXPECT_EQ(t->encode_prompt("Hello world"), (Ids{1, 15043, 3186}));
    EXPECT_EQ(t->encode(""), Ids{});
    EXPECT_EQ(t->encode_prompt(""), Ids{1});
    EXPECT_EQ(t->encode("<s>"), (Ids{529, 29879, 29958}));  // text, not a control token
    EXPECT_EQ(t->encode("<s>", {.parse_special = true}), Ids{1});
    EXPECT_EQ(t->piece(15043), "▁Hello");
    EXPECT_EQ(t->piece(13), "<0x0A>");
    EXPECT_EQ(t->token_bytes(13), "\n");
    EXPECT_EQ(t->find("<0x0A>"), 13);
    for (const std::int32_t id : {0, 1, 2}) EXPECT_TRUE(t->is_special(id));
    EXPECT_FALSE(t->is_special(3));
    EXPECT_EQ(t->decode(Ids{1, 15043, 2}), "Hello");
    EXPECT_EQ(t->decode(Ids{1, 15043, 2}, {.skip_special = false}), "<s> Hello</s>");
  }
  // Text after a special token: tokenizer.json says that each stretch is prefixed, tokenizer_config.json
  // (legacy is false) that only the first is.
  EXPECT_EQ(tokenizers.json->encode("Hi<s>Hi", {.parse_special = true}), (Ids{6324, 1, 6324}));
  EXPECT_EQ(tokenizers.model->encode("Hi<s>Hi", {.parse_special = true}), (Ids{6324, 1, 18567}));
}

}  // namespace
}  // namespace refocus
