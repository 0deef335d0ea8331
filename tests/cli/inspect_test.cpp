// refocus tokenize, info and extract; help, version and the standard streams.
#include <sstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::golden_model;
using ::testing::HasSubstr;
using testing::Json;
using testing::one_json_line;
using testing::ProcessResult;

TEST(Tokenize, PrintsIdsWithBosAndPieces) {
  REFOCUS_NEEDS_SHARED("models/llama-2-tokenizer/tokenizer.model");
  const std::string model = testing::shared("models/llama-2-tokenizer").string();
  const ProcessResult plain = testing::refocus({"tokenize", "-m", model, "-p", "Hello world"});
  EXPECT_EQ(plain.status, 0);
  EXPECT_EQ(plain.out, "1,15043,3186\n");
  EXPECT_EQ(plain.err, "");
  const Json out = one_json_line(testing::refocus({"tokenize", "-m", model, "-p", "Hello world", "--json"}));
  EXPECT_EQ(out["tokens"], Json({1, 15043, 3186}));
  EXPECT_EQ(out["pieces"], Json({"<s>", "\u2581Hello", "\u2581world"}));
}

TEST(Info, DescribesAModelWithoutATokenizer) {
  const Json out = one_json_line(testing::refocus({"info", "-m", golden_model("gqa-f16"), "--json"}));
  const Json config = Json::parse(testing::file_text(golden_model("gqa-f16") + "/config.json"));
  for (const char* key : {"hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
                          "intermediate_size", "vocab_size"}) {
    EXPECT_EQ(out[key], config[key]) << key;
  }
  EXPECT_EQ(out["weight_bytes"].get<std::int64_t>(), 2 * out["parameters"].get<std::int64_t>());
  EXPECT_TRUE(out["parameters_by_type"].contains("F16"));
  EXPECT_TRUE(out["tokenizer_vocab_size"].is_null());
  const ProcessResult plain = testing::refocus({"info", "-m", golden_model("gqa-f16")});
  EXPECT_EQ(plain.status, 0);
  EXPECT_THAT(plain.out, HasSubstr("hidden_size"));
}

// Of F32: 32 positions of keys and values, head_dim wide and padded to 16, a block and layer.
TEST(Info, SaysWhatKeysAndValuesTake) {
  const auto bytes_of = [](const std::string& model, std::int64_t context) {
    const testing::TempDir dir;
    std::filesystem::copy(model, dir / "m");
    testing::edit_json(dir / "m" / "config.json", {{"max_position_embeddings", context}});
    const Json out = one_json_line(testing::refocus({"info", "-m", (dir / "m").string(), "--json"}));
    EXPECT_EQ(out["context_length"], context);
    const std::int64_t layer = out["num_key_value_heads"].get<std::int64_t>() * (8 + 16) * 32 * 4;
    EXPECT_EQ(out["kv_cache_bytes_per_token"], out["num_hidden_layers"].get<std::int64_t>() * layer / 32);
    return out["kv_cache_bytes_of_context"].get<std::int64_t>() / layer;
  };
  const auto family = [](const char* name) { return (testing::golden("families") / name).string(); };
  // Three layers; a window of 6 and a call of 512 rows lie in 18 blocks at most.
  EXPECT_EQ(bytes_of(family("qwen2"), 3200), 3 * 100);
  EXPECT_EQ(bytes_of(family("ministral"), 3200), 100 + 2 * 18);
  EXPECT_EQ(bytes_of(family("mistral"), 3200), 3 * 18);
  EXPECT_EQ(bytes_of(family("mistral"), 320), 3 * 10);
}

TEST(Info, CountsEveryTypeOfWeights) {
  for (const char* type : {"F64", "Q2_K", "IQ3_S", "NVFP4", "TQ1_0"}) {
    const std::string model = (testing::golden("gguf") / (std::string(type) + ".gguf")).string();
    const Json out = one_json_line(testing::refocus({"info", "-m", model, "--json"}));
    EXPECT_GT(out["parameters_by_type"].value(type, 0), 3000) << type;
  }
  const ProcessResult plain =
      testing::refocus({"info", "-m", (testing::golden("gguf") / "IQ3_S.gguf").string()});
  EXPECT_THAT(plain.out, HasSubstr("weights of Q8_0, IQ3_S take 86.0 KB of memory, 35.0 KB of the file"));
}

TEST(Info, SaysThatAHeadInTheWeightsIsNotTied) {
  const testing::TempDir dir;
  const std::filesystem::path model = testing::copy_model("mha-f32", dir / "m");
  for (const bool said : {true, false}) {
    testing::edit_json(model / "config.json", {{"tie_word_embeddings", said}});
    const Json out = one_json_line(testing::refocus({"info", "-m", model.string(), "--json"}));
    EXPECT_EQ(out["tie_word_embeddings"], false);
  }
}

TEST(Extract, PrintsOneObjectALine) {
  const std::string lines = R"({"choices":["ice","fire"],"response":"Analysis: A looks cold.\nResponse: B"})"
                            "\n"
                            R"({"choices":["ice","fire"],"response":"I cannot say."})"
                            "\n";
  const ProcessResult result = testing::refocus({"extract", "--task", "piqa", "-"}, {.input = lines});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err, "");
  std::istringstream out(result.out);
  std::string first, second, rest;
  std::getline(out, first);
  std::getline(out, second);
  EXPECT_FALSE(std::getline(out, rest));
  const Json found = Json::parse(first);
  EXPECT_EQ(found["answer"], "B");
  EXPECT_EQ(found["span"], Json({34, 35}));
  EXPECT_TRUE(found["rule"].is_string());
  EXPECT_TRUE(Json::parse(second)["answer"].is_null());
}

TEST(Extract, KnowsBothRuleSets) {
  const std::string line = R"({"choices":["1","2","3","4"],"response":"Option A: no. Response: C"})"
                           "\n";
  const auto answer = [&](const char* rules) {
    const ProcessResult result =
        testing::refocus({"extract", "--task", "mmlu", "--rules", rules, "-"}, {.input = line});
    return one_json_line(result)["answer"].get<std::string>();
  };
  EXPECT_EQ(answer("anchored"), "C");
  EXPECT_EQ(answer("published"), "A");
}

TEST(Extract, NamesTheBadLine) {
  const std::string good = R"({"choices":["a","b"],"response":"B"})"
                           "\n";
  const auto run = [&](const std::string& line) {
    return testing::refocus({"extract", "--task", "piqa", "-"}, {.input = good + line + "\n"});
  };
  EXPECT_THAT(run("{\"choices\":[").err,
              HasSubstr("refocus: [standard input:2] expected JSON with a value at column 13"));
  EXPECT_THAT(run("[1]").err, HasSubstr("[standard input:2] expected a JSON object"));
  EXPECT_THAT(run(R"({"choices":["a","b"]})").err,
              HasSubstr("[standard input:2] expected a text 'response'"));
  EXPECT_THAT(run(R"({"choices":["a"],"response":""})").err,
              HasSubstr("[standard input:2] expected 2 choices, got 1"));
  EXPECT_EQ(run("x").status, 1);
  expect_failure(testing::refocus({"extract", "--task", "piqa", "/nonexistent.jsonl"}), 1,
                 {"[/nonexistent.jsonl] cannot be read"});
  expect_failure(testing::refocus({"extract", "--task", "quiz", "-"}), 2, {"'quiz'", "mmlu, piqa, siqa"});
  expect_failure(testing::refocus({"extract", "--task", "piqa", "--rules", "best", "-"}), 2,
                 {"expected anchored or published, got 'best'"});
}

TEST(Help, GoesToStandardOutput) {
  for (const Arguments& arguments :
       {Arguments{"--help"}, Arguments{"eval", "--help"}, Arguments{"--version"}}) {
    const ProcessResult result = testing::refocus(arguments);
    EXPECT_EQ(result.status, 0);
    EXPECT_NE(result.out, "");
    EXPECT_EQ(result.err, "");
  }
}

// The commands that the program's help names, from the headings to the options.
std::vector<std::string> commands_of(const std::string& help) {
  std::vector<std::string> out;
  std::istringstream lines(help);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("General:")) break;
    if (line.starts_with("  ") && line[2] != ' ') out.push_back(line.substr(2, line.find(' ', 2) - 2));
  }
  return out;
}

TEST(Help, OfEveryCommandIsInWordsAndNoWiderThanATerminal) {
  const ProcessResult all = testing::refocus({"help"});
  EXPECT_EQ(all.out, testing::refocus({"--help"}).out);
  const std::vector<std::string> commands = commands_of(all.out);
  EXPECT_EQ(commands.size(), 26u);
  for (const std::string& command : commands) {
    const ProcessResult help = testing::refocus({"help", command});
    EXPECT_EQ(help.status, 0) << help.err;
    EXPECT_EQ(help.out, testing::refocus({command, "--help"}).out);
    EXPECT_THAT(help.out, HasSubstr("Usage: refocus " + command));
    for (const char* leak :
         {"{false}", "{true}", "(1x)", "[Exactly", "Excludes:", "Needs:", " INT", " UINT", " FLOAT", ":{"}) {
      const std::string text = help.out.substr(0, help.out.find("Examples:"));
      EXPECT_THAT(text, ::testing::Not(HasSubstr(leak))) << command;
    }
    EXPECT_THAT(help.out, HasSubstr("Examples:\n  refocus " + command));
    std::istringstream lines(help.out);
    for (std::string line; std::getline(lines, line);) {
      const std::size_t most = line.starts_with("  refocus ") ? 200 : 100;  // an example is one line
      EXPECT_LE(line.size(), most) << command << ": " << line;
    }
  }
  EXPECT_THAT(testing::refocus({"help", "eval", "perplexity"}).out, HasSubstr("--stride"));
  EXPECT_THAT(testing::refocus({"help", "chat"}).out, HasSubstr("/quit"));
}

TEST(Help, AMistypedWordIsToldTheNearest) {
  expect_failure(testing::refocus({"evall"}), 2, {"got 'evall'; did you mean eval? See `refocus --help`"});
  expect_failure(testing::refocus({"eval", "--limt", "5"}), 2,
                 {"expected an option of eval, got --limt; did you mean --limit? See `refocus eval --help`"});
  expect_failure(testing::refocus({"eval", "--frobnicate=3"}), 2,
                 {"expected an option of eval, got --frobnicate; see `refocus eval --help`"});
  expect_failure(testing::refocus({"explore", "a", "b"}), 2, {"expected no further argument, got 'b'"});
  expect_failure(testing::refocus({"eval", "mmllu"}), 2, {"unknown task 'mmllu'", "did you mean mmlu?"});
  const auto intervene = [](const char* spec) {
    return testing::refocus({"generate", "-p", "x", "--intervene", spec});
  };
  expect_failure(intervene("bost:factor=2,keys=bos"), 2, {"got 'bost'; did you mean boost? (column 1)"});
  expect_failure(intervene("boost:facter=2,keys=bos"), 2, {"got 'facter'; did you mean factor?"});
  expect_failure(intervene("rebalance:mode=slef"), 2, {"got 'slef'; did you mean self?"});
}

TEST(Help, TheVersionSaysCommitAndInstructionSets) {
  const std::string out = testing::refocus({"--version"}).out;
  EXPECT_THAT(out, ::testing::MatchesRegex("refocus [0-9.]+( \\(commit [0-9a-f]+(, changed)?\\))?\n"
                                           "instruction set: .+ \\(this processor can run .+\\)\n"));
}

TEST(Streams, AFailedWriteIsAnError) {
  const Arguments info = {"info", "-m", golden_model("mha-f32")};
  const ProcessResult full = testing::refocus(info, {.output_path = "/dev/full"});
  EXPECT_EQ(full.status, 1);
  EXPECT_EQ(full.err, "refocus: [standard output] cannot be written; it is closed, or the disk is full\n");
  EXPECT_EQ(testing::refocus(info, {.close_output = true}).status, 1);
}

}  // namespace
}  // namespace refocus
