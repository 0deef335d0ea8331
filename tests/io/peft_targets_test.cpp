// Which matrices an adapter's configuration means, with which rank and scale: what PEFT says of some two
// hundred configurations (tests/golden/adapters/make_goldens.py), and what it does not warn of.
#include "io/peft/peft_targets.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/text_file.h"
#include "support.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Golden {
  json all = json::parse(read_text_file(testing::golden("adapters") / "configs.json"));
  AdapterBase base{"the model", {}, &weights};
  std::vector<std::string> linear;
  WeightMap weights;

  Golden() {
    using Kind = ModelModule::Kind;
    const std::map<std::string, Kind> kinds = {
        {"linear", Kind::kLinear}, {"embedding", Kind::kEmbedding}, {"other", Kind::kOther}};
    for (const json& m : all["modules"]) {
      base.modules.push_back({m[0], kinds.at(m[1])});
      if (m[1] == "linear") linear.push_back(m[0]);
    }
  }
};

// What was made of a configuration: the change of each matrix, and warnings.
struct Made {
  std::map<std::string, PeftChange> changes;
  PeftSettings settings;
};
Made make(const std::string& config, const AdapterBase& base) {
  Made out;
  out.settings = read_peft_settings(config, "c.json");
  out.changes = peft_changes(out.settings, base);
  return out;
}

TEST(PeftTargets, RanksAndScalesAreThoseOfPeft) {
  const Golden golden;
  ASSERT_EQ(golden.linear.size(), 85u);
  std::set<std::string> results;
  for (const json& c : golden.all["cases"]) {
    SCOPED_TRACE(c["name"].get<std::string>() + ": " + c["config"].get<std::string>());
    if (c.contains("error")) {
      const std::string error = error_of([&] { make(c["config"], golden.base); });
      EXPECT_EQ(error.find("json.exception"), std::string::npos) << error;
      continue;
    }
    const Made made = make(c["config"], golden.base);
    std::string layers;
    for (std::size_t i = 0; i < golden.linear.size(); ++i) {
      const char expected = c["layers"].get<std::string>().at(i);
      const auto found = made.changes.find(golden.linear[i]);
      ASSERT_EQ(found != made.changes.end(), expected != '.') << golden.linear[i];
      if (expected == '.') continue;
      const json& value = c["values"][static_cast<std::size_t>(expected - 'a')];
      EXPECT_EQ(found->second.rank, value[0]) << golden.linear[i];
      const auto r = static_cast<double>(found->second.rank);
      EXPECT_DOUBLE_EQ(found->second.alpha / (made.settings.rank_stabilised ? std::sqrt(r) : r), value[1])
          << golden.linear[i];
    }
    results.insert(c["layers"]);
    // Entries that PEFT warns of are named.
    std::string warnings;
    for (const std::string& w : made.settings.warnings) warnings += w + "\n";
    for (const json& key : c.value("unmatched", json::array())) {
      EXPECT_THAT(warnings, HasSubstr("'" + printable(key.get<std::string>()) + "'"));
    }
    EXPECT_EQ(warnings.find("matches no matrix") != std::string::npos, c.contains("unmatched")) << warnings;
  }
  EXPECT_GT(results.size(), 30u);
}

// Of small-worlds' kind: two layers.
class Warnings : public ::testing::Test {
 protected:
  std::vector<std::string> of(const json& changes, bool tied = false) {
    json config = {
        {"peft_type", "LORA"}, {"r", 8}, {"lora_alpha", 16}, {"target_modules", {"q_proj", "v_proj"}}};
    if (!changes.is_null()) config.update(changes);
    golden.base.tied = tied;
    return make(config.dump(), golden.base).settings.warnings;
  }
  std::string error(const json& changes, bool tied = false) {
    return error_of([&] { of(changes, tied); });
  }
  Golden golden;
};

TEST_F(Warnings, EntriesWithoutEffectAreNamed) {
  EXPECT_THAT(of({}), IsEmpty());
  EXPECT_THAT(of({{"target_modules", {"q_proj", "k_porj"}}}),
              ElementsAre(AllOf(HasSubstr("[c.json] target_modules 'k_porj': names no matrix"),
                                HasSubstr("no effect"))));
  EXPECT_THAT(of({{"exclude_modules", {"q_proj", "up_porj"}}}),
              ElementsAre(HasSubstr("target_modules 'q_proj'"), HasSubstr("exclude_modules 'up_porj'")));
  EXPECT_THAT(of({{"exclude_modules", "q_proj"}}), ElementsAre(HasSubstr("exclude_modules 'q_proj'")));
  EXPECT_THAT(of({{"layers_to_transform", {0, 99}}}), ElementsAre(HasSubstr("layers_to_transform '99'")));
  EXPECT_THAT(of({{"lora_aplha", 64}}), ElementsAre(HasSubstr("got lora_aplha, which has no effect")));
  EXPECT_THAT(of({{"fan_in_fan_out", true}}), ElementsAre(HasSubstr("fan_in_fan_out")));
  EXPECT_THAT(of({{"bias", "all"}}), ElementsAre(HasSubstr("bias other than none has no effect")));
  EXPECT_THAT(of({{"ensure_weight_tying", true}}), ElementsAre(HasSubstr("ensure_weight_tying")));
  EXPECT_THAT(of({{"a", nullptr}, {"b", false}, {"c", json::array()}}), IsEmpty());
  EXPECT_THAT(of({{"alpha_pattern", {{"a1", 1}, {"a2", 1}, {"a3", 1}, {"a4", 1}, {"a5", 1}}}}),
              ElementsAre(HasSubstr("alpha_pattern 'a1', 'a2', 'a3' and 2 more: matches no")));
}

TEST_F(Warnings, LayersThatLeaveNothingAreNamed) {
  EXPECT_THAT(error({{"layers_to_transform", {98, 99}}}),
              AllOf(HasSubstr("[c.json] expected layers_to_transform with layers of"),
                    HasSubstr("got ['98', '99'] that leaves none")));
  EXPECT_THAT(error({{"layers_to_transform", 0}, {"layers_pattern", "h"}}),
              HasSubstr("got ['0'] with layers_pattern that leaves none"));
  EXPECT_THAT(error({{"layers_to_transform", {99}}, {"target_modules", {"k_porj"}}}),
              HasSubstr("expected target_modules that name matrices"));
}

TEST_F(Warnings, AnEntryBehindTheFirstThatMatchesIsNamed) {
  const std::string late = R"({"peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj"],
    "alpha_pattern": {"q_proj": 64, "layers.1.self_attn.q_proj": 8, "layers.2.self_attn.q_proj": 64}})";
  EXPECT_THAT(make(late, golden.base).settings.warnings,
              ElementsAre(AllOf(HasSubstr("alpha_pattern 'layers.1.self_attn.q_proj': stands behind"))));
}

TEST_F(Warnings, DefaultsInPlaceOfWhatPeftAlwaysWritesAreNamed) {
  PeftSettings s = read_peft_settings(R"({"peft_type": "LORA"})", "c.json");
  EXPECT_THAT(s.warnings,
              ElementsAre(HasSubstr("expected r, got none; it is 8"), HasSubstr("expected lora_alpha")));
}

TEST_F(Warnings, UnsupportedFeaturesComeWithARemedyThatWorks) {
  const auto merge = HasSubstr("merge the adapter into its base model with PEFT");
  const auto train = HasSubstr("train an adapter without embed_tokens and lm_head");
  EXPECT_THAT(error({{"use_dora", true}}), merge);
  EXPECT_THAT(error({{"use_dora", true}}, true), merge);
  for (const bool tied : {false, true}) {
    EXPECT_THAT(error({{"modules_to_save", {"lm_head"}}}, tied), AllOf(HasSubstr("modules_to_save"), merge));
    EXPECT_THAT(error({{"trainable_token_indices", {5, 6}}}, tied), merge);
    EXPECT_THAT(error({{"init_lora_weights", "pissa_niter_4"}}, tied), merge);
    EXPECT_THAT(error({{"init_lora_weights", "corda"}}, tied), HasSubstr("PEFT cannot merge it"));
    EXPECT_THAT(error({{"lora_bias", true}}, tied), HasSubstr("PEFT cannot merge it"));  // without biases
  }
  for (const json& feature : {json{{"trainable_token_indices", {{"lm_head", {5}}}}},
                              json{{"target_parameters", {"embed_tokens.weight"}}}}) {
    EXPECT_THAT(error(feature), merge);
    EXPECT_THAT(error(feature, true), AllOf(HasSubstr("the model is its output"), train));
  }
  EXPECT_THAT(error({{"target_modules", {"q_proj", "embed_tokens"}}}),
              AllOf(HasSubstr("model.embed_tokens"), merge));
  EXPECT_THAT(error({{"target_modules", {"q_proj", "embed_tokens"}}}, true), train);
  EXPECT_THAT(error({{"use_dora", true}, {"target_modules", {"lm_head"}}}, true), train);
  EXPECT_THAT(error({{"ensure_weight_tying", true}, {"target_modules", {"lm_head"}}}, true), train);
  EXPECT_THAT(error({{"alora_invocation_tokens", {5}}}), HasSubstr("PEFT cannot merge it"));
}

TEST_F(Warnings, WrongTypesAreRefusedByName) {
  const json text = "true", number = 3, list = json::array({"x"}), object = {{"x", 1}};
  const std::map<std::string, std::vector<json>> wrong = {
      {"use_rslora", {text, number, list, 1}},
      {"use_dora", {text, 0, list}},
      {"fan_in_fan_out", {text, 1}},
      {"lora_bias", {text}},
      {"inference_mode", {text}},
      {"r", {"8", 8.5, 8.0, -8, 0, nullptr, true, list, 99999999, 1e300}},
      {"lora_alpha", {"16", nullptr, true, list, object}},
      {"lora_dropout", {"0", 2, -0.5, list}},
      {"bias", {"everything", true, list}},
      {"target_modules", {number, object, json::array({1}), json::array({nullptr})}},
      {"exclude_modules", {number, object, json::array({1})}},
      {"layers_to_transform", {"1", json::array({"1"}), json::array({1.0}), true, object}},
      {"rank_pattern",
       {text, list, {{"q_proj", "4"}}, {{"q_proj", 4.5}}, {{"q_proj", -1}}, {{"q_porj", true}}}},
      {"alpha_pattern", {text, list, {{"q_proj", "4"}}, {{"q_proj", nullptr}}, {{"q_porj", object}}}},
      {"modules_to_save", {"lm_head", object}},
      {"init_lora_weights", {number, list}},
      {"task_type", {number, "SEQ_CLS"}},
      {"peft_type", {number, "lora", "IA3", nullptr}},
      {"base_model_name_or_path", {number, list}},
      {"eva_config", {text, list}},
      {"loftq_config", {text, list}},
      {"layer_replication", {number, text}},
      {"trainable_token_indices", {number, text}},
      {"megatron_core", {number}},
      {"qalora_group_size", {text, 1.5}},
  };
  for (const auto& [key, values] : wrong) {
    for (const json& value : values) {
      EXPECT_THAT(error({{key, value}}), AllOf(HasSubstr("[c.json] expected"), HasSubstr(key)))
          << key << value;
    }
  }
  EXPECT_THAT(error({{"use_rslora", "true"}}),
              HasSubstr("expected true or false for use_rslora, got \"true\""));
}

TEST_F(Warnings, SubConfigurationsAreOnWithTheirDefaultsToo) {
  for (const char* key :
       {"kasa_config", "arrow_config", "velora_config", "use_bdlora", "monteclora_config"}) {
    EXPECT_THAT(error({{key, json::object()}}), HasSubstr(std::string(key) + " {} is not supported"));
  }
  EXPECT_THAT(of({{"megatron_config", json::object()}, {"eva_config", json::object()}}), IsEmpty());
}

TEST(PeftConfigText, HostileTextsGiveOneLine) {
  const std::string deep(200000, '[');
  for (const std::string& text :
       {std::string(), std::string("[]"), deep, "{\"r\": " + deep,
        "{\"alpha_pattern\": " + deep + std::string(200000, ']') + "}", std::string("{\"r\": 1, \"r\": 2}"),
        std::string("{\"lora_alpha\": 1e999}"), std::string("{\"r\": NaN}")}) {
    const std::string error = error_of([&] { read_peft_settings(text, "c.json"); });
    EXPECT_THAT(error, HasSubstr("[c.json]"));
    EXPECT_EQ(error.find("json.exception"), std::string::npos) << error;
    EXPECT_LT(error.size(), 400u);
  }
}

}  // namespace
}  // namespace refocus
