#include "train/dataset.h"

#include <set>

#include "support.h"
#include "train/train_support.h"

namespace refocus {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
using testing::TempDir;
using Ids = std::vector<std::int32_t>;

class Dataset : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::write_character_tokenizer(dir / "tokenizer");
    tokenizer = load_tokenizer(dir / "tokenizer");
  }
  TrainingSet load(const std::string& lines, std::int64_t context = 64) {
    testing::write_text(dir / "data.jsonl", lines);
    return TrainingSet::load(dir / "data.jsonl", *tokenizer, context, pool);
  }
  std::int32_t id(char c) const { return *tokenizer->find(std::string(1, c)); }
  static Ids ids(const TrainingSet& set, std::size_t i) {
    return {set.tokens(i).begin(), set.tokens(i).end()};
  }
  static std::vector<int> counts(const TrainingSet& set, std::size_t i) {
    return {set.counts(i).begin(), set.counts(i).end()};
  }
  TempDir dir;
  ThreadPool pool{2};
  std::unique_ptr<Tokenizer> tokenizer;
};

TEST_F(Dataset, APairCountsItsResponseAndTheEnd) {
  const TrainingSet set = load("{\"prompt\": \"xy\", \"response\": \"zw\"}\n\n{\"text\": \"pq\"}\n");
  ASSERT_EQ(set.size(), 2u);
  EXPECT_EQ(ids(set, 0), (Ids{0, id('x'), id('y'), id('z'), id('w'), 1}));
  EXPECT_EQ(counts(set, 0), (std::vector<int>{0, 0, 1, 1, 1}));
  EXPECT_EQ(ids(set, 1), (Ids{0, id('p'), id('q'), 1}));
  EXPECT_EQ(counts(set, 1), (std::vector<int>{1, 1, 1}));
}

TEST_F(Dataset, ATokenThatJoinsPromptAndResponseCounts) {
  const TrainingSet set = load("{\"prompt\": \"xa\", \"response\": \"bz\"}\n");  // "ab" is one token
  EXPECT_EQ(ids(set, 0), (Ids{0, id('x'), 4, id('z'), 1}));
  EXPECT_EQ(counts(set, 0), (std::vector<int>{0, 1, 1, 1}));
}

TEST_F(Dataset, LongTextsAreCutIntoPiecesThatPredictEveryTokenOnce) {
  const TrainingSet set = load("{\"text\": \"pqrstuvw\"}\n", 4);  // <s>pqrs stuvw vw</s>
  ASSERT_EQ(set.size(), 3u);
  EXPECT_EQ(ids(set, 0), (Ids{0, id('p'), id('q'), id('r'), id('s')}));
  EXPECT_EQ(ids(set, 1), (Ids{id('s'), id('t'), id('u'), id('v'), id('w')}));
  EXPECT_EQ(ids(set, 2), (Ids{id('w'), 1}));
}

TEST_F(Dataset, LongPairsLoseTheirEndOrAreLeftOut) {
  const TrainingSet set = load(
      "{\"prompt\": \"x\", \"response\": \"yzuvw\"}\n{\"prompt\": \"xyzuvw\", \"response\": \"p\"}\n", 4);
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(ids(set, 0), (Ids{0, id('x'), id('y'), id('z'), id('u')}));
  EXPECT_EQ(set.cut(), 1);
  EXPECT_EQ(set.left_out(), 1);
}

TEST_F(Dataset, AByteOrderMarkStandsAtTheStartOnly) {
  const std::string mark = "\xEF\xBB\xBF", line = "{\"text\": \"pq\"}\n";
  EXPECT_EQ(ids(load(mark + line), 0), (Ids{0, id('p'), id('q'), 1}));
  EXPECT_THAT(
      error_of([&] { load(line + mark + line); }),
      ::testing::HasSubstr(
          "data.jsonl line 2] expected JSON with a value at column 1, got a byte order mark (U+FEFF)"));
}

TEST_F(Dataset, BadLinesAreNamedByNumber) {
  const auto error = [&](const std::string& line) {
    return error_of([&] { load("{\"text\": \"p\"}\n" + line + "\n"); });
  };
  EXPECT_THAT(error("{\"prompt\": \"x\"}"), HasSubstr("data.jsonl line 2] expected \"response\""));
  EXPECT_THAT(error("{\"response\": \"x\"}"), HasSubstr("line 2] expected {\"prompt\""));
  EXPECT_THAT(error("{\"text\": \"x\", \"prompt\": \"x\"}"), HasSubstr("line 2]"));
  EXPECT_THAT(error("{\"text\": 3}"), HasSubstr("line 2] expected a string for \"text\", got number"));
  EXPECT_THAT(error("{\"text\": \"\"}"), HasSubstr("line 2] expected a text, got an empty one"));
  EXPECT_THAT(error("{\"text\": "), HasSubstr("line 2]"));
  EXPECT_THAT(error("[]"), HasSubstr("line 2]"));
  EXPECT_THAT(error_of([&] { load("\n"); }), HasSubstr("got none"));
  EXPECT_THAT(error("{\"text\": 3}\n{\"text\": 4}"), HasSubstr("line 2]"));  // the first of several
}

TEST_F(Dataset, ConversationsCountWhatTheAssistantSays) {
  const ChatTemplate chat("{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}</s>{% endfor %}", "test",
                          {});
  // The tokens that count, of one line.
  const auto marks = [&](const std::string& line, const ChatTemplate* with) {
    testing::write_text(dir / "data.jsonl", line + "\n");
    const TrainingSet set = TrainingSet::load(dir / "data.jsonl", *tokenizer, 256, pool, with);
    std::string out;
    for (std::size_t p = 1; p < set.tokens(0).size(); ++p) {
      if (set.counts(0)[p - 1])
        out += tokenizer->decode({&set.tokens(0)[p], 1}, {.skip_special = false}) + "|";
    }
    return out;
  };
  const std::string line =
      R"({"messages": [{"role": "user", "content": "xy"}, {"role": "assistant", "content": "pq"},
      {"role": "user", "content": "z"}, {"role": "assistant", "content": "r</s>"}]})";
  std::string flat = line;
  std::erase(flat, '\n');
  const std::string got = marks(flat, &chat);
  EXPECT_EQ(got.substr(0, got.find("</s>|") + 5), "p|q|</s>|");
  EXPECT_EQ(std::count(got.begin(), got.end(), '/'), 3) << got << ": two ends of turns, and one that is text";
  const ChatTemplate marked(
      "{% for m in messages %}{% if m.role == 'assistant' %}{% generation %}{{ m.content }}!{% endgeneration "
      "%}"
      "{% else %}{{ m.content }}{% endif %}{% endfor %}",
      "test", {});
  EXPECT_EQ(
      marks(R"({"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "p"}]})",
            &marked),
      "p|!|");
  EXPECT_EQ(marks(R"({"instruction": "x", "input": "y", "output": "p"})", &chat), "p|</s>|");
  EXPECT_EQ(marks(R"({"instruction": "x", "output": "p"})", nullptr), "p|</s>|");
  EXPECT_THAT(error_of([&] { marks(flat, nullptr); }), HasSubstr("expected a model with a chat template"));
  EXPECT_THAT(error_of([&] { marks(R"({"messages": [{"role": "user", "content": "x"}]})", &chat); }),
              HasSubstr("line 1] expected an assistant's message"));
}

TEST_F(Dataset, TheFingerprintChangesWithTokensAndMasks) {
  const auto of = [&](const std::string& line) { return load(line).fingerprint(); };
  const std::uint64_t one = of("{\"prompt\": \"xy\", \"response\": \"zw\"}");
  EXPECT_EQ(of("{\"prompt\": \"xy\", \"response\": \"zw\"}"), one);
  EXPECT_NE(of("{\"prompt\": \"xyz\", \"response\": \"w\"}"), one);
  EXPECT_NE(of("{\"prompt\": \"xy\", \"response\": \"zv\"}"), one);
}

class Packing : public Dataset {
 protected:
  // 40 sequences of 2 to 21 tokens; the token after the first one tells them apart.
  TrainingSet many() {
    std::string lines;
    for (int i = 0; i < 40; ++i) {
      lines += "{\"text\": \"" + std::string(1, static_cast<char>('A' + i % 26)) +
               std::string(static_cast<std::size_t>(i % 20), static_cast<char>('0' + i / 26)) + "\"}\n";
    }
    return load(lines);
  }
};

std::vector<Ids> sequences_of(const TrainingBatch& batch) {
  std::vector<Ids> out;
  for (const RowSpan& s : batch.sequences) {
    out.emplace_back(batch.tokens.begin() + s.first, batch.tokens.begin() + s.first + s.count);
  }
  return out;
}

TEST_F(Packing, AnEpochTakesEverySequenceOnceAndBatchesStayWithinTheirSize) {
  const TrainingSet set = many();
  BatchPacker packer(set, 50, 7, true);
  std::multiset<Ids> seen;
  while (seen.size() < 40) {
    const TrainingBatch batch = packer.next_of_epoch();
    EXPECT_LE(batch.rows(), 50);
    EXPECT_EQ(batch.counted(), batch.rows());
    for (const Ids& s : sequences_of(batch)) seen.insert(s);
  }
  std::multiset<Ids> expected;
  for (std::size_t i = 0; i < set.size(); ++i) {
    expected.insert(Ids(set.tokens(i).begin(), set.tokens(i).end() - 1));
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(Packing, OrderIsOfTheSeedAndTheEpoch) {
  const TrainingSet set = many();
  const auto first = [&](std::uint64_t seed, std::uint64_t epoch, bool shuffle) {
    BatchPacker packer(set, 50, seed, shuffle);
    packer.seek({epoch, 0});
    return packer.next().tokens;
  };
  EXPECT_EQ(first(1, 0, true), first(1, 0, true));
  EXPECT_NE(first(1, 0, true), first(2, 0, true));
  EXPECT_NE(first(1, 0, true), first(1, 1, true));
  EXPECT_EQ(first(1, 0, false), first(2, 3, false));
}

TEST_F(Packing, APositionResumes) {
  const TrainingSet set = many();
  BatchPacker whole(set, 50, 7, true), resumed(set, 50, 7, true);
  for (int i = 0; i < 30; ++i) {
    resumed.seek(whole.position());
    const TrainingBatch batch = whole.next();
    EXPECT_LE(batch.rows(), 50);
    EXPECT_EQ(resumed.next().tokens, batch.tokens);
    EXPECT_EQ(resumed.position(), whole.position());
  }
  EXPECT_GT(whole.position().epoch, 1u);
}

}  // namespace
}  // namespace refocus
