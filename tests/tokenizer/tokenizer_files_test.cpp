#include "tokenizer/tokenizer_files.h"

#include "opened_files.h"
#include "tokenizer_support.h"

namespace refocus {
namespace {

using testing::ModelDir;
using testing::names_of;
using testing::opened_files;

const char* const kSettings[] = {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
                                 "generation_config.json"};

// A directory with every file that a tokenizer may have, and some that none has.
void fill(const ModelDir& dir) {
  for (const char* name : kSettings) testing::write(dir / name, "{}");
  for (const char* name : {"config.json", "vocab.json", "README.md"}) testing::write(dir / name, "{}");
}

// config.json is read too, and counts as the model's.
TEST(TokenizerFiles, AreExactlyThoseThatLoadingOpens) {
  ModelDir both{{"tokenizer.model", testing::small_sentencepiece()},
                {"tokenizer.json", testing::synthetic_tokenizer("llama-2").dump()}};
  fill(both);
  ModelDir json{
      {"tokenizer.json", testing::synthetic_tokenizer(testing::synthetic()["cases"][0]["name"]).dump()}};
  fill(json);
  ModelDir bare{{"tokenizer.model", testing::small_sentencepiece()}};
  for (const ModelDir* dir : {&both, &json, &bare}) {
    std::set<std::string> opened = opened_files(dir->path(), [&] { load_tokenizer(dir->path()); });
    EXPECT_EQ(opened.erase("config.json"), dir == &bare ? 0u : 1u);
    const std::size_t compared = dir == &both ? 1 : 0;  // with tokenizer.json, which has another vocabulary
    EXPECT_EQ(opened.erase(compared != 0 ? "tokenizer.model" : ""), compared);
    EXPECT_EQ(names_of(tokenizer_files(dir->path())), opened);
    EXPECT_EQ(opened.size(), dir == &bare ? 1u : 5u);
  }
  ModelDir none{};
  fill(none);
  std::set<std::string> opened = opened_files(none.path(), [&] { read_model_settings(none.path()); });
  opened.erase("config.json");
  EXPECT_EQ(names_of(tokenizer_files(none.path())), opened);
  EXPECT_EQ(opened.size(), 4u);
}

TEST(TokenizerFiles, HaveTheirPartAndStamp) {
  const ModelDir dir{{"tokenizer.model", "0123"}};
  const std::vector<UsedFile> files = tokenizer_files(dir.path());
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].part, "tokenizer");
  EXPECT_EQ(files[0].stamp.bytes, 4u);
  EXPECT_TRUE(tokenizer_files(dir / "tokenizer.model").empty());
  EXPECT_TRUE(tokenizer_files(dir / "none").empty());
}

TEST(TokenizerFiles, AreCopiedAll) {
  ModelDir from{{"tokenizer.model", "m"}, {"tokenizer.json", "j"}};
  fill(from);
  const ModelDir to{};
  copy_tokenizer_files(from.path(), to.path());
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(to.path()))
    names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"tokenizer.model", "tokenizer.json", "tokenizer_config.json",
                                          "special_tokens_map.json", "added_tokens.json",
                                          "generation_config.json"}));
}

}  // namespace
}  // namespace refocus
