// refocus attention as a process: its directory, its arms, tasks, and every kind of bad input.
#include <algorithm>
#include <cmath>

#include "cli/cli_support.h"
#include "io/npy.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using testing::files_below;
using testing::golden_model;
using ::testing::HasSubstr;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

constexpr const char* kTokens = "1,17,5,40,44,9,61,33,2,15,21,8,30,11,3,62,7,50,19,4";  // 20 of them

Arguments attention(const fs::path& output, const Arguments& more) {
  return plus({"attention", "-m", golden_model("gqa-f32"), "-o", output.string()}, more);
}
ProcessResult run(const Arguments& arguments) { return testing::refocus(arguments); }

Json json_of(const fs::path& path) { return Json::parse(file_text(path)); }

const fs::path& bundled_model() {
  static const fs::path path = fs::path(REFOCUS_GOLDEN).parent_path().parent_path() / "models/small-worlds";
  return path;
}

TEST(Attention, WritesTheDirectoryThatItsDescriptionNames) {
  const TempDir dir;
  const fs::path out = dir / "out";
  const ProcessResult result = run(attention(out, {"--tokens", kTokens, "--intervene", "none", "--intervene",
                                                   "rebalance:alpha=0.5", "--top-k", "6", "--json"}));
  const Json printed = testing::one_json_line(result);
  EXPECT_EQ(printed["output"], out.string());
  EXPECT_EQ(printed["arms"][1]["layer_means"]["entropy"].size(), 4u);
  EXPECT_GT(printed["arms"][1]["layer_means"]["row_sum"][1], 1.05);

  const Json index = json_of(out / "attention.json");
  EXPECT_EQ(index["format"], "refocus-attention");
  EXPECT_EQ(index["version"], 1);
  EXPECT_EQ(index["prompt_tokens"], 20);
  EXPECT_EQ(index["tokens"].size(), 20u);
  EXPECT_EQ(index["tokens"][1]["id"], 17);
  EXPECT_EQ(index["tokens"][1]["class"], "unknown") << "the model has no tokenizer";
  EXPECT_EQ(index["top_k"], 6);
  EXPECT_EQ(index["keys"], 20);
  std::vector<std::string> named = {"attention.html", "attention.json", "lens.json", "statistics.csv",
                                    "statistics.json"};
  for (const Json& arm : index["arms"]) {
    for (const auto& [key, file] : arm["files"].items()) named.push_back(file);
  }
  std::sort(named.begin(), named.end());
  EXPECT_EQ(files_below(out), named);
  EXPECT_EQ(read_npy(out / "none/top_weights.npy").shape, (std::vector<std::int64_t>{4, 6, 20, 6}));
  EXPECT_EQ(read_npy(out / "none/received.npy").shape, (std::vector<std::int64_t>{4, 6, 20}));

  const Json statistics = json_of(out / "statistics.json");
  EXPECT_EQ(statistics["arms"][0]["queries"]["all"], 20);
  const Json& before = statistics["arms"][1]["statistics"]["mass_mask_before"]["all"];
  const Json& after = statistics["arms"][1]["statistics"]["mass_mask_after"]["all"];
  const double factor = 1 + 0.5 * (1 - 1.0 / 3);
  for (std::size_t head = 0; head < 6; ++head) {
    EXPECT_NEAR(after[1][head].get<double>(), factor * before[1][head].get<double>(), 1e-6);
  }
  const std::string csv = file_text(out / "statistics.csv");
  EXPECT_TRUE(csv.starts_with("arm,layer,head,token_class,statistic,value\nnone,0,0,all,entropy,"));
  const std::string value = before[3][2].dump();
  EXPECT_THAT(csv, HasSubstr(",3,2,all,mass_mask_before," + value + "\n"))
      << "the same number as in the JSON";
  const Json lens = json_of(out / "lens.json");
  EXPECT_EQ(lens["arms"][0]["positions"][0]["position"], 19);
  EXPECT_EQ(lens["arms"][0]["positions"][0]["layers"].size(), 4u);
}

TEST(Attention, PrintsAnAlignedTable) {
  const TempDir dir;
  const ProcessResult result = run(attention(dir / "out", {"--tokens", kTokens, "--layers", "0,2-3"}));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("none: 20 tokens; means over 6 heads\nlayer  entropy  first %"));
  std::vector<std::size_t> widths;
  for (std::size_t at = result.out.find('\n') + 1; widths.size() < 5; at = result.out.find('\n', at) + 1) {
    widths.push_back(result.out.find('\n', at) - at);
  }
  EXPECT_EQ(std::count(widths.begin(), widths.end(), widths[0]), 5) << result.out;
  EXPECT_THAT(result.out, HasSubstr("Lens after position 19"));
}

TEST(Attention, GivesTheFirstArmsContinuationToAllArms) {
  const TempDir dir;
  const Arguments prompt = {"--tokens",          kTokens,       "-n",  "12", "--intervene",
                            "rebalance:alpha=4", "--intervene", "none"};
  const Json printed = testing::one_json_line(run(attention(dir / "forced", plus(prompt, {"--json"}))));
  EXPECT_EQ(printed["arms"][1]["tokens"], printed["arms"][0]["tokens"]);
  ASSERT_EQ(run(attention(dir / "free", plus(prompt, {"--free"}))).status, 0);
  const auto generated = [](const std::string& intervention) {
    return testing::one_json_line(run({"generate", "-m", golden_model("gqa-f32"), "--tokens", kTokens, "-n",
                                       "12", "--intervene", intervention, "--json"}))["tokens"];
  };
  const auto ids_after_prompt = [](const Json& tokens) {
    Json out = Json::array();
    for (std::size_t i = 20; i < tokens.size(); ++i) out.push_back(tokens[i]["id"]);
    return out;
  };
  const Json forced = json_of(dir / "forced/attention.json"), free = json_of(dir / "free/attention.json");
  const Json first = generated("rebalance:alpha=4"), second = generated("none");
  ASSERT_NE(first, second) << "choose a stronger intervention";
  EXPECT_EQ(ids_after_prompt(forced["tokens"]), first);
  EXPECT_FALSE(forced["arms"][1].contains("tokens"));
  EXPECT_EQ(forced["keys"], 20 + first.size());
  EXPECT_EQ(free["tokens"].size(), 20u);
  EXPECT_EQ(ids_after_prompt(free["arms"][0]["tokens"]), first);
  EXPECT_EQ(ids_after_prompt(free["arms"][1]["tokens"]), second);
  EXPECT_EQ(read_npy(dir / ("free/" + free["arms"][1]["files"]["rest"].get<std::string>())).shape[2],
            static_cast<std::int64_t>(20 + second.size()));
}

TEST(Attention, DoesNotDependOnThreads) {
  const TempDir dir;
  const Arguments prompt = {"--tokens", kTokens, "-n", "5", "--intervene", "rebalance", "--before"};
  ASSERT_EQ(run(attention(dir / "one", plus(prompt, {"--threads", "1"}))).status, 0);
  ASSERT_EQ(run(attention(dir / "three", plus(prompt, {"--threads", "3"}))).status, 0);
  const std::vector<std::string> files = files_below(dir / "one");
  EXPECT_EQ(files, files_below(dir / "three"));
  for (const std::string& file : files)
    EXPECT_EQ(file_text(dir / "one" / file), file_text(dir / "three" / file)) << file;
}

TEST(Attention, KnowsTheKindsOfTokensOfAText) {
  const TempDir dir;
  const Arguments command = {"attention", "-m",        bundled_model().string(), "-o", (dir / "out").string(),
                             "-p",        "who is\n2?"};
  ASSERT_EQ(run(command).status, 0);
  const Json tokens = json_of(dir / "out/attention.json")["tokens"];
  std::string text, classes;
  for (const Json& token : tokens) {
    text += token["text"];
    classes += token["class"].get<std::string>() + " ";
  }
  EXPECT_EQ(text, "who is\n2?");
  EXPECT_TRUE(classes.starts_with("special function_word function_word white_space ")) << classes;
  EXPECT_TRUE(classes.ends_with("number punctuation ")) << classes;
}

TEST(Attention, MeasuresATasksPrompts) {
  const TempDir dir;
  testing::write_tasks(dir / "data");
  const Arguments task = {"attention",   "-m",          bundled_model().string(),
                          "--task",      "piqa",        "--data",
                          dir / "data",  "--limit",     "2",
                          "--json",      "--intervene", "none",
                          "--intervene", "rebalance",   "-o",
                          dir / "out"};
  const Json printed = testing::one_json_line(run(task));
  EXPECT_EQ(printed["dataset"]["prompts"], 2);
  EXPECT_EQ(files_below(dir / "out"),
            (std::vector<std::string>{"attention.html", "attention.json", "origins.csv", "statistics.csv",
                                      "statistics.json"}));
  const Json statistics = json_of(dir / "out/statistics.json");
  EXPECT_EQ(statistics["arms"][1]["queries"]["all"], printed["dataset"]["tokens"]);
  EXPECT_FALSE(statistics["arms"][0].contains("outliers"));

  // Pooled means are those of the single prompts, weighted by their rows.
  const Json samples = [&] {
    EXPECT_EQ(run({"eval", "piqa", "-m", bundled_model().string(), "--data", dir / "data", "--limit", "2",
                   "--max-new-tokens", "1", "-o", dir / "run"})
                  .status,
              0);
    Json prompts = Json::array();
    const std::string lines = file_text(dir / "run/arms/cot-none/samples_piqa_refocus.jsonl");
    for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1) {
      prompts.push_back(
          Json::parse(lines.substr(at, lines.find('\n', at) - at))["arguments"]["gen_args_0"]["arg_0"]);
    }
    return prompts;
  }();
  ASSERT_EQ(samples.size(), 2u);
  double sum = 0, rows = 0;
  for (std::size_t i = 0; i < 2; ++i) {
    const fs::path one = dir / ("one" + std::to_string(i));
    ASSERT_EQ(
        run({"attention", "-m", bundled_model().string(), "-p", samples[i].get<std::string>(), "-o", one})
            .status,
        0);
    const Json arm = json_of(one / "statistics.json")["arms"][0];
    const double count = arm["queries"]["content"];
    sum += count * arm["statistics"]["entropy"]["content"][2][1].get<double>();
    rows += count;
  }
  EXPECT_NEAR(statistics["arms"][0]["statistics"]["entropy"]["content"][2][1].get<double>(), sum / rows,
              1e-9);
}

TEST(Attention, SeesQuantisedWeightsToo) {
  const TempDir dir;
  const std::string gguf = dir / "q8.gguf";
  ASSERT_EQ(run({"convert", "-m", bundled_model().string(), "-o", gguf, "--type", "q8_0"}).status, 0);
  const Arguments prompt = {"-p", "who is 2 above Nina Fox?", "--dense", "--intervene", "rebalance"};
  ASSERT_EQ(run(plus({"attention", "-m", gguf, "-o", dir / "q8"}, prompt)).status, 0);
  ASSERT_EQ(run(plus({"attention", "-m", bundled_model().string(), "-o", dir / "f16"}, prompt)).status, 0);
  const std::string file = json_of(dir / "q8/attention.json")["arms"][0]["files"]["attention"];
  const NpyArray quantised = read_npy(dir / ("q8/" + file)), plain = read_npy(dir / ("f16/" + file));
  ASSERT_EQ(quantised.shape, plain.shape);
  double difference = 0;
  for (std::size_t i = 0; i < plain.f32().size(); ++i) {
    difference = std::max(difference, std::abs(double{quantised.f32()[i]} - plain.f32()[i]));
  }
  EXPECT_GT(difference, 0);
  EXPECT_LT(difference, 0.05);
}

TEST(Attention, ReplacesWithForceOnlyADirectoryOfItsOwn) {
  const TempDir dir;
  const fs::path out = dir / "out";
  ASSERT_EQ(run(attention(out, {"--tokens", kTokens})).status, 0);
  write_file(out / "note", "mine");
  const std::string before = file_text(out / "attention.json");
  expect_failure(run(attention(out, {"--tokens", "1,2,3"})), 1, {"that exists", "--force"});
  EXPECT_EQ(file_text(out / "attention.json"), before);
  // A failure with --force leaves the old one too.
  expect_failure(run(attention(out, {"--tokens", "1,999", "--force"})), 1, {"vocabulary"});
  EXPECT_EQ(file_text(out / "note"), "mine");
  ASSERT_EQ(run(attention(out, {"--tokens", "1,2,3", "--force"})).status, 0);
  EXPECT_EQ(json_of(out / "attention.json")["prompt_tokens"], 3);
  EXPECT_FALSE(fs::exists(out / "note"));
  fs::create_directory(dir / "other");
  write_file(dir / "other/important", "x");
  expect_failure(run(attention(dir / "other", {"--tokens", "1,2,3", "--force"})), 1,
                 {"attention.json", "another"});
  EXPECT_EQ(file_text(dir / "other/important"), "x");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 2)
      << "nothing left over";
}

TEST(Attention, NamesWhatIsWrong) {
  const TempDir dir;
  const fs::path out = dir / "out";
  const Arguments good = {"--tokens", kTokens};
  const std::vector<std::pair<Arguments, std::vector<std::string>>> usage = {
      {{}, {"--tokens", "--task"}},
      {plus(good, {"--task", "piqa"}), {"--task"}},
      {plus(good, {"--layers", "4"}), {"[--layers]", "layers from 0 to 3", "got 4"}},
      {plus(good, {"--layers", "1-9"}), {"[--layers]", "got 9"}},
      {plus(good, {"--layers", "3-1"}), {"[--layers]", "0,4-7", "'3-1'"}},
      {plus(good, {"--layers", "1,,2"}), {"[--layers]", "'1,,2'"}},
      {plus(good, {"--layers", "-1"}), {"[--layers]", "'-1'"}},
      {plus(good, {"--heads", "6"}), {"[--heads]", "heads from 0 to 5", "got 6"}},
      {plus(good, {"--heads", "all"}), {"[--heads]", "'all'"}},
      {plus(good, {"--heads", "99999999999999999999"}), {"[--heads]"}},
      {plus(good, {"--queries", "20"}), {"[--queries]", "positions from 0 to 19", "got 20"}},
      {plus(good, {"--lens", "5-20"}), {"[--lens]", "got 20"}},
      {plus(good, {"--top-k", "0"}), {"--top-k", "from 1"}},
      {plus(good, {"--top-k", "3", "--dense"}), {"--dense", "--top-k"}},
      {plus(good, {"--threshold", "2"}), {"--threshold"}},
      {plus(good, {"--free"}), {"--max-new-tokens"}},
      {plus(good, {"--limit", "3"}), {"--task"}},
      {plus(good, {"--picture", "1"}), {"[--picture]", "LAYER.HEAD", "got 1"}},
      {plus(good, {"--picture", "4.0"}), {"[--picture]", "layers from 0 to 3", "got 4"}},
      {plus(good, {"--picture", "1.2.20"}), {"[--picture]", "positions from 0 to 19", "got 20"}},
      {plus(good, {"--picture", "1.2.5", "--queries", "6-9"}),
       {"[--picture]", "that --queries keeps", "got 5"}},
      {plus(good, {"--picture", "1.2-3"}), {"[--picture]", "one of the heads", "got 2-3"}},
      {plus(good, {"--intervene", "none", "--intervene", "none"}), {"different arms", "none twice"}},
      {plus(good, {"--intervene", "rebalanse"}), {"rebalanse"}},
      {{"--task", "mmlux"}, {"mmlux"}},
      {{"--task", "piqa", "--dense"}, {"--task", "--dense"}},
      {{"--task", "piqa", "--picture", "1.2"}, {"--task", "--picture"}},
  };
  for (const auto& [arguments, parts] : usage) expect_failure(run(attention(out, arguments)), 2, parts);
  const std::vector<std::pair<Arguments, std::vector<std::string>>> input = {
      {{"--tokens", "5"}, {"[prompt]", "at least two tokens", "--max-new-tokens"}},
      {{"--tokens", "1,101"}, {"[prompt]", "vocabulary"}},
      {{"--tokens", testing::comma_list(std::vector<std::int32_t>(600, 5))},
       {"[prompt]", "512", "--context"}},
      {{"-p", "x"}, {"tokenizer", "--tokens"}},
      {{"--task", "piqa", "--data", (dir / "none").string()}, {"none"}},
  };
  for (const auto& [arguments, parts] : input) expect_failure(run(attention(out, arguments)), 1, parts);
  expect_failure(run(attention(dir / "no/such/place", good)), 1, {"cannot be written"});
  EXPECT_TRUE(fs::is_empty(dir.path())) << "nothing was written";
}

TEST(Attention, TakesAPromptOfOneTokenThatGoesOn) {
  const TempDir dir;
  EXPECT_EQ(run(attention(dir / "out", {"--tokens", "5", "-n", "3"})).status, 0);
  EXPECT_GE(json_of(dir / "out/attention.json")["tokens"].size(), 2u);
}

TEST(Attention, FillsTheContext) {
  const TempDir dir;
  const Arguments full = {"--tokens", testing::comma_list(std::vector<std::int32_t>(64, 5)), "--context",
                          "64"};
  EXPECT_EQ(run(attention(dir / "out", full)).status, 0);
}

// A model of one layer, 8 wide, 16 words.
fs::path one_layer_model(const fs::path& directory) {
  fs::create_directory(directory);
  write_file(
      directory / "config.json",
      R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_act":"silu","hidden_size":8,
                 "intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,
                 "max_position_embeddings":64,"rms_norm_eps":1e-5,"vocab_size":16,"tie_word_embeddings":true})");
  Json header;
  std::vector<float> values;
  const auto add = [&](const std::string& name, std::vector<std::int64_t> shape) {
    const std::size_t begin = values.size() * 4;
    for (std::int64_t i = 0; i < shape[0] * (shape.size() > 1 ? shape[1] : 1); ++i) {
      values.push_back(static_cast<float>((values.size() * 7919 + 3) % 29) / 29 - 0.5f);
    }
    header[name] = {{"dtype", "F32"}, {"shape", shape}, {"data_offsets", {begin, values.size() * 4}}};
  };
  add("model.embed_tokens.weight", {16, 8});
  const std::string layer = "model.layers.0.";
  for (const char* name : {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
                           "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"}) {
    add(layer + name + ".weight", {8, 8});
  }
  for (const char* name : {"input_layernorm", "post_attention_layernorm"}) add(layer + name + ".weight", {8});
  add("model.norm.weight", {8});
  const std::string text = header.dump();
  const auto size = static_cast<std::uint64_t>(text.size());
  std::string file(reinterpret_cast<const char*>(&size), 8);
  file += text;
  file.append(reinterpret_cast<const char*>(values.data()), values.size() * 4);
  write_file(directory / "model.safetensors", file);
  return directory;
}

TEST(Attention, RefusesToRebalanceAModelOfOneLayer) {
  const TempDir dir;
  const fs::path model = one_layer_model(dir / "model");
  const Arguments command = {"attention", "-m", model.string(),        "--tokens",
                             "1,5,9,2",   "-o", (dir / "out").string()};
  expect_failure(run(plus(command, {"--intervene", "rebalance"})), 1,
                 {"[--intervene]", "two layers", "layer 0"});
  EXPECT_FALSE(fs::exists(dir / "out"));
  const ProcessResult result = run(command);
  EXPECT_EQ(result.status, 0) << result.err << "its attention can be looked at";
}

TEST(Attention, LeavesNothingWhereFilesCannotBeWritten) {
  const TempDir dir;
  testing::ProcessOptions options;
  options.file_size_limit = 3000;
  const ProcessResult result =
      testing::refocus(attention(dir / "out", {"--tokens", kTokens, "--dense"}), options);
  expect_failure(result, 1, {"attention.npy", "cannot be written"});
  EXPECT_TRUE(fs::is_empty(dir.path()));
}

}  // namespace
}  // namespace refocus
