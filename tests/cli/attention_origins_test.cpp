// Where the tokens of refocus attention come from, and the shares of weight by origin: against sums over the
// whole maps that the same command writes.
#include <cmath>
#include <map>
#include <set>

#include "cli/cli_support.h"
#include "io/npy.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using testing::Json;
using testing::plus;
using testing::TempDir;
using testing::write_file;
namespace fs = std::filesystem;

const fs::path& worlds_model() {
  static const fs::path path = fs::path(REFOCUS_GOLDEN).parent_path().parent_path() / "models/small-worlds";
  return path;
}

Json read_json(const fs::path& path) { return Json::parse(file_text(path)); }

void run_well(const Arguments& arguments) {
  const auto result = testing::refocus(arguments);
  ASSERT_EQ(result.status, 0) << result.err;
}

Arguments look(const fs::path& output, const Arguments& more) {
  return plus({"attention", "-m", worlds_model().string(), "-o", output.string()}, more);
}

const char* const kOriginsTemplate =
    "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<a>{% "
    "endif %}";

// The groups that a token's origin, as tokenize prints it, says it is in.
std::set<std::string> groups_of(const std::string& origin) {
  std::set<std::string> out;
  if (origin == "tokenizer" || origin == "generated") return {origin};
  out.insert(origin.starts_with("template") ? "template" : "data");
  for (std::size_t at = 0; at < origin.size();) {
    const std::size_t end = std::min(origin.find(", ", at), origin.size());
    const std::string part = origin.substr(at, end - at);
    const auto after = [&](const char* word) { return part.substr(std::string(word).size()); };
    if (part.starts_with("message ") && part.find('(') != std::string::npos) {
      const std::size_t open = part.find('(');
      out.insert("role:" + part.substr(open + 1, part.size() - open - 2));
    }
    if (part.starts_with("field ")) out.insert("field:" + after("field "));
    if (part.starts_with("option ")) out.insert("option:" + after("option "));
    if (part.starts_with("shot ")) out.insert("shot:" + after("shot "));
    if (part == "marked") out.insert(part);
    at = end + 2;
  }
  return out;
}

// Shares of a dense map by the rows' and keys' groups, added up plainly: [row group][key group][layer, head].
struct PlainShares {
  std::map<std::string, std::map<std::string, std::vector<double>>> shares;
  std::map<std::string, std::map<std::string, double>> even;
  std::map<std::string, std::int64_t> queries;

  PlainShares(const fs::path& directory, std::size_t arm_place) {
    const Json capture = read_json(directory / "attention.json");
    const Json& arm = capture["arms"][arm_place];
    const NpyArray map = read_npy(directory / arm["files"]["attention"].get<std::string>());
    std::vector<std::set<std::string>> groups;
    std::set<std::string> all;
    for (const Json& token : capture["tokens"]) {
      groups.push_back(groups_of(token["origin"]));
      all.insert(groups.back().begin(), groups.back().end());
    }
    const auto cells = static_cast<std::size_t>(map.shape[0] * map.shape[1]);
    const auto kept = static_cast<std::size_t>(map.shape[2]), keys = static_cast<std::size_t>(map.shape[3]);
    std::map<std::string, std::vector<std::int64_t>> known;  // rows that are not of zeros
    for (std::size_t place = 0; place < kept; ++place) {
      const auto query = capture["queries"][place].get<std::size_t>();
      std::set<std::string> rows = groups[query];
      rows.insert("all");
      if (query + 1 == capture["prompt_tokens"]) rows.insert("last");
      for (const std::string& row : rows) {
        ++queries[row];
        for (const std::string& group : all) {
          double count = 0;
          for (std::size_t key = 0; key <= query; ++key) count += groups[key].contains(group);
          even[row][group] += count / static_cast<double>(query + 1);
          shares[row][group].resize(cells);
          known[row].resize(cells);
        }
      }
      for (std::size_t cell = 0; cell < cells; ++cell) {
        const float* w = map.f32().data() + (cell * kept + place) * keys;
        double total = 0;
        std::map<std::string, double> sums;
        for (std::size_t key = 0; key <= query; ++key) {
          total += std::abs(w[key]);
          for (const std::string& group : groups[key]) sums[group] += std::abs(w[key]);
        }
        for (const std::string& row : rows) {
          if (total == 0) continue;
          ++known[row][cell];
          for (const auto& [group, sum] : sums) shares[row][group][cell] += sum / total;
        }
      }
    }
    for (auto& [row, by_group] : shares) {
      for (auto& [group, values] : by_group) {
        even[row][group] /= static_cast<double>(queries[row]);
        for (std::size_t c = 0; c < cells; ++c) values[c] /= static_cast<double>(known[row][c]);
      }
    }
  }
};

// Returns how many shares were compared.
std::size_t expect_shares(const fs::path& directory, std::size_t arm) {
  const PlainShares plain(directory, arm);
  const Json got = read_json(directory / "statistics.json")["arms"][arm]["origins"];
  std::size_t compared = 0;
  EXPECT_EQ(got["queries"].size(), plain.queries.size());
  for (const auto& [row, by_group] : plain.shares) {
    EXPECT_EQ(got["queries"][row], plain.queries.at(row)) << row;
    EXPECT_EQ(got["shares"][row].size(), by_group.size()) << row;
    for (const auto& [group, values] : by_group) {
      EXPECT_NEAR(got["even"][row][group].get<double>(), plain.even.at(row).at(group), 1e-12);
      std::size_t cell = 0;
      for (const Json& layer : got["shares"][row][group]) {
        for (const Json& value : layer) {
          if (std::isnan(values[cell])) {
            EXPECT_TRUE(value.is_null()) << row << " " << group;
          } else {
            EXPECT_NEAR(value.get<double>(), values[cell], 1e-9) << row << " " << group << " " << cell;
          }
          ++cell;
          ++compared;
        }
      }
      EXPECT_EQ(cell, values.size());
    }
  }
  return compared;
}

TEST(AttentionOrigins, TokensSayWhatTokenizeSays) {
  const TempDir dir;
  write_file(dir / "chat.jinja", kOriginsTemplate);
  const Arguments chat = {
      "--chat-template",         (dir / "chat.jinja").string(), "--system", "Be brief", "-p",
      "who is 2 above Nina Fox?"};
  for (const Arguments& prompt : {chat, Arguments{"-p", "who is\n2?"}}) {
    const Json tokenized = testing::one_json_line(
        testing::refocus(plus({"tokenize", "-m", worlds_model().string(), "--json"}, prompt)));
    const fs::path out = dir / ("out" + std::to_string(prompt.size()));
    run_well(look(out, plus(prompt, {"-n", "3", "--no-page"})));
    const Json capture = read_json(out / "attention.json");
    const auto count = capture["prompt_tokens"].get<std::size_t>();
    ASSERT_EQ(tokenized["origins"].size(), count);
    for (std::size_t t = 0; t < capture["tokens"].size(); ++t) {
      EXPECT_EQ(capture["tokens"][t]["origin"], t < count ? tokenized["origins"][t] : "generated");
    }
  }
  EXPECT_THAT(file_text(dir / "out6/attention.json"), HasSubstr("message 1 (user)"));
}

TEST(AttentionOrigins, SharesAreThoseOfTheWholeMaps) {
  const TempDir dir;
  write_file(dir / "chat.jinja", kOriginsTemplate);
  // Negative weights are among them.
  run_well(look(dir / "out",
                {"--chat-template", (dir / "chat.jinja").string(), "--system", "Be brief", "-p",
                 "who is 2 above <<Nina Fox>>? A. Julia B. Hugo", "--dense", "-n", "4", "--intervene", "none",
                 "--intervene", "rebalance:alpha=-4", "--intervene", "boost:factor=3,keys=marked"}));
  std::size_t compared = 0;
  for (std::size_t arm = 0; arm < 3; ++arm) compared += expect_shares(dir / "out", arm);
  EXPECT_GT(compared, 3 * 20 * 36u);
  const Json arms = read_json(dir / "out/statistics.json")["arms"];
  EXPECT_TRUE(arms[1].contains("negative_rows")) << "choose another alpha";
  EXPECT_EQ(arms[0]["origins"]["groups"], Json({"template", "data", "tokenizer", "generated", "role:system",
                                                "role:user", "field:role", "marked"}));
  // An intervention on keys of an origin moves their share.
  const auto marked = [&](std::size_t arm) {
    return arms[arm]["origins"]["shares"]["last"]["marked"][1][0].get<double>();
  };
  EXPECT_GT(marked(2), marked(0));
}

TEST(AttentionOrigins, ChosenQueriesLayersAndHeadsAreCounted) {
  const TempDir dir;
  run_well(look(dir / "out", {"-p", "who is 2 above Nina Fox? A. Julia B. Hugo", "--dense", "--queries",
                              "4-9", "--layers", "1,3", "--heads", "0,2-3"}));
  EXPECT_GT(expect_shares(dir / "out", 0), 0u);
  EXPECT_FALSE(read_json(dir / "out/statistics.json")["arms"][0]["origins"]["queries"].contains("last"));
}

TEST(AttentionOrigins, TheTableOfNumbersHasTheSameOnes) {
  const TempDir dir;
  const auto result = testing::refocus(look(dir / "out", {"-p", "who is 2?", "--json"}));
  const Json printed = testing::one_json_line(result);
  const Json origins = read_json(dir / "out/statistics.json")["arms"][0]["origins"];
  const std::string csv = file_text(dir / "out/origins.csv");
  EXPECT_TRUE(csv.starts_with("arm,layer,head,queries,keys,share,even\n"));
  const Json& share = origins["shares"]["last"]["template"][2][1];
  EXPECT_THAT(csv, HasSubstr("\nnone,2,1,last,template," + share.dump() + "," +
                             origins["even"]["last"]["template"].dump() + "\n"));
  const Json heads = origins["shares"]["all"]["template"][3];
  double mean = 0;
  for (const Json& value : heads) mean += value.get<double>() / static_cast<double>(heads.size());
  EXPECT_NEAR(printed["arms"][0]["origin_means"]["all"]["template"][3].get<double>(), mean, 1e-12);
}

TEST(AttentionOrigins, IdsHaveNone) {
  const TempDir dir;
  const auto result = testing::refocus(look(dir / "out", {"--tokens", "1,17,5,40"}));
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out.find("origin"), std::string::npos) << result.out;
  EXPECT_FALSE(fs::exists(dir / "out/origins.csv"));
  EXPECT_FALSE(read_json(dir / "out/attention.json")["tokens"][1].contains("origin"));
  EXPECT_FALSE(read_json(dir / "out/statistics.json")["arms"][0].contains("origins"));
}

TEST(AttentionOrigins, DoNotDependOnThreads) {
  const TempDir dir;
  for (const char* threads : {"1", "3"}) {
    run_well(look(dir / threads, {"-p", "who is 2 above Nina Fox?", "--threads", threads, "--intervene",
                                  "rebalance:alpha=2"}));
  }
  for (const char* file : {"origins.csv", "statistics.json", "attention.html"}) {
    EXPECT_EQ(file_text(dir / "1" / file), file_text(dir / "3" / file)) << file;
  }
}

TEST(AttentionOrigins, OfATaskArePooledOverItsItems) {
  const TempDir dir;
  testing::write_tasks(dir / "data");
  write_file(dir / "chat.jinja", kOriginsTemplate);
  const Arguments task = {"--task",  "piqa", "--data",          (dir / "data").string(),
                          "--limit", "2",    "--chat-template", (dir / "chat.jinja").string()};
  run_well(look(dir / "pooled", task));
  std::vector<Json> ones;
  for (const char* item : {"0", "1"}) {
    run_well(look(dir / item, plus(task, {"--item", item, "--dense"})));
    EXPECT_GT(expect_shares(dir / item, 0), 0u);
    ones.push_back(read_json(dir / item / "statistics.json")["arms"][0]["origins"]);
    const Json about = read_json(dir / item / "attention.json")["item"];
    EXPECT_EQ(about["task"], "piqa");
    EXPECT_EQ(about["index"], std::stoi(item));
  }
  const Json pooled = read_json(dir / "pooled/statistics.json")["arms"][0]["origins"];
  for (const char* group : {"template", "data", "role:user", "field:goal"}) {
    for (const char* row : {"all", "last", "field:goal"}) {
      double sum = 0, rows = 0;
      for (const Json& one : ones) {
        const double count = one["queries"][row];
        rows += count;
        sum += count * one["shares"][row][group][2][1].get<double>();
      }
      EXPECT_EQ(pooled["queries"][row], rows);
      EXPECT_NEAR(pooled["shares"][row][group][2][1].get<double>(), sum / rows, 1e-9) << row << " " << group;
    }
  }
  EXPECT_EQ(pooled["queries"]["last"], 2);
}

TEST(AttentionOrigins, AnItemIsAskedAsAnEvaluationAsksIt) {
  const TempDir dir;
  testing::write_tasks(dir / "data");
  write_file(dir / "chat.jinja", kOriginsTemplate);
  const Arguments asking = {
      "--data", (dir / "data").string(), "--chat-template", (dir / "chat.jinja").string(), "--limit", "2"};
  run_well(plus(
      {"eval", "piqa", "-m", worlds_model().string(), "--max-new-tokens", "1", "-o", (dir / "run").string()},
      asking));
  const std::string samples = file_text(dir / "run/arms/cot-none/samples_piqa_refocus.jsonl");
  run_well(look(dir / "out", plus({"--task", "piqa", "--item", "1"}, asking)));
  std::string text;
  const Json capture = read_json(dir / "out/attention.json");
  for (const Json& token : capture["tokens"]) {
    text += token["text"].get<std::string>();
  }
  const Json second = Json::parse(samples.substr(samples.find('\n') + 1));
  EXPECT_EQ(text, second["arguments"]["gen_args_0"]["arg_0"]);
}

TEST(AttentionOrigins, NamesWhatIsWrongWithAnItem) {
  const TempDir dir;
  testing::write_tasks(dir / "data");
  const Arguments task = {"--task", "piqa", "--data", (dir / "data").string(), "--limit", "2"};
  expect_failure(testing::refocus(look(dir / "out", plus(task, {"--item", "2"}))), 2,
                 {"[--item]", "from 0 to 1", "got 2"});
  expect_failure(testing::refocus(look(dir / "out", {"-p", "x", "--item", "0"})), 2, {"--item", "--task"});
  expect_failure(testing::refocus(look(dir / "out", plus(task, {"--lens", "1"}))), 2,
                 {"[--task]", "--item", "--lens"});
  EXPECT_FALSE(fs::exists(dir / "out"));
}

}  // namespace
}  // namespace refocus
