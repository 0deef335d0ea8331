#include "architecture/model_config.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

const std::string kSizes =
    R"("vocab_size":10,"hidden_size":8,"intermediate_size":16,"num_hidden_layers":2,"num_attention_heads":4)";

ModelConfig parse(const std::string& more) { return parse_config("{" + kSizes + more + "}", "config.json"); }
// The sizes with one key replaced or added.
std::string with(const std::string& key, const std::string& value) {
  std::string text = "{" + kSizes + "}";
  const std::size_t at = text.find("\"" + key + "\":");
  if (at == std::string::npos)
    return text.substr(0, text.size() - 1) + fmt::format(",\"{}\":{}}}", key, value);
  const std::size_t begin = at + key.size() + 3;
  return text.replace(begin, text.find_first_of(",}", begin) - begin, value);
}
std::string error(const std::string& more) {
  return testing::error_of([&] { parse(more); });
}

TEST(ModelConfig, HasHuggingFacesDefaults) {
  const ModelConfig c = parse("");
  EXPECT_EQ(c.num_key_value_heads, 4);
  EXPECT_EQ(c.head_dim, 2);
  EXPECT_EQ(c.max_position_embeddings, 2048);
  EXPECT_FLOAT_EQ(c.norm_eps, 1e-6f);
  EXPECT_EQ(c.rope.theta, 10000);
  EXPECT_EQ(c.rope.scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_FALSE(c.tie_word_embeddings);
}

TEST(ModelConfig, ReadsRopeScalingUnderEveryName) {
  EXPECT_EQ(parse(R"(,"rope_scaling":null)").rope.scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_EQ(parse(R"(,"rope_scaling":{"rope_type":"default"})").rope.scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_EQ(parse(R"(,"rope_scaling":{"type":"linear","factor":4})").context_length(), 8192);
  const ModelConfig dynamic = parse(R"(,"head_dim":8,"rope_scaling":{"rope_type":"dynamic","factor":2.5})");
  EXPECT_EQ(dynamic.rope.scaling.kind, RopeScaling::Kind::kDynamic);
  EXPECT_EQ(dynamic.context_length(), 5120);
  const ModelConfig llama3 = parse(
      R"(,"max_position_embeddings":131072,"rope_parameters":{"rope_type":"llama3","rope_theta":500000,"factor":8,"low_freq_factor":1,
         "high_freq_factor":4,"original_max_position_embeddings":4096})");
  EXPECT_EQ(llama3.rope.scaling.kind, RopeScaling::Kind::kLlama3);
  EXPECT_EQ(llama3.rope.theta, 500000);
  EXPECT_EQ(llama3.rope.scaling.original_max_position_embeddings, 4096);
  EXPECT_EQ(llama3.context_length(), 131072);
}

TEST(ModelConfig, RefusesWhatItWouldComputeWrongly) {
  EXPECT_THAT(error(R"(,"model_type":"mamba")"),
              HasSubstr(R"([config.json] expected one of llama, granite, smollm3)"));
  EXPECT_THAT(error(R"(,"model_type":"mamba")"),
              HasSubstr(R"(for model_type, got "mamba"; use a model of one of these families)"));
  EXPECT_THAT(error(R"(,"model_type":"gemma3","text_config":{})"),
              HasSubstr("expected a model of text alone for model_type, got \"gemma3\""));
  EXPECT_THAT(error(R"(,"hidden_act":"mish")"), HasSubstr(R"(relu or relu2 for hidden_act, got "mish")"));
  EXPECT_THAT(error(R"(,"is_causal":false)"), HasSubstr("expected true for is_causal, got false"));
  EXPECT_THAT(error(R"(,"use_bidirectional_attention":true)"),
              HasSubstr("use_bidirectional_attention, got true"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"type":"mrope","factor":4})"),
              HasSubstr(R"(yarn or longrope for rope_scaling.type, got "mrope")"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"ropetype":"linear","factor":4})"),
              HasSubstr("expected no such setting of rotary embeddings for rope_scaling.ropetype"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"factor":4})"),
              HasSubstr("beside a factor for rope_scaling.rope_type, got none"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"rope_type":"linear","factor":4},"partial_rotary_factor":0.5)"),
              HasSubstr("partial_rotary_factor, got 0.5"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"type":"linear"})"), HasSubstr("factor"));
  EXPECT_THAT(error(R"(,"num_key_value_heads":3)"),
              HasSubstr("expected a divisor of num_attention_heads (4) for num_key_value_heads, got 3"));
  EXPECT_THAT(error(R"(,"head_dim":3)"), HasSubstr("even head_dim"));
  EXPECT_THAT(error(R"(,"rms_norm_eps":-1)"), HasSubstr("positive number for rms_norm_eps"));
  EXPECT_THAT(error(R"(,"num_key_value_heads":0)"),
              HasSubstr("a whole number from 1 to 2147483648 for num_key_value_heads, got 0"));
  EXPECT_THAT(testing::error_of([] { parse_config("[1]", "x"); }), HasSubstr("[x] expected a JSON object"));
  EXPECT_THAT(testing::error_of([] { parse_config("{", "x"); }),
              HasSubstr("[x] expected JSON with a key in quotes or '}' at line 1, column 2, got the end"));
  EXPECT_THAT(testing::error_of([] { parse_config(std::string(200'000, '['), "x"); }),
              HasSubstr("[x] expected JSON of at most 64 levels"));
  EXPECT_THAT(testing::error_of([] { parse_config("{}", "x"); }), HasSubstr("vocab_size, got none"));
}

TEST(ModelConfig, NamesKeyExpectationAndValueOfAWrongType) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> wrong = {
      {"a whole number from 1 to 2147483648",
       {"\"8\"", "8.5", "-8", "0", "true", "[8]", "{}", "1e99", "2147483649", "18446744073709551615"}},
      {"a positive number", {"\"1\"", "-1", "0", "false", "[1]", "{}"}},
      {"a string", {"1", "true", "[\"a\"]", "{}"}},
      {"true or false", {"\"true\"", "1", "0", "[]", "{}"}},
      {"an object or null", {"\"linear\"", "1", "true", "[1]"}}};
  const std::vector<std::pair<std::string, std::vector<std::string>>> keys = {
      {"a whole number from 1 to 2147483648",
       {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
        "num_key_value_heads", "head_dim", "max_position_embeddings"}},
      {"a positive number", {"rms_norm_eps", "rope_theta"}},
      {"a string", {"model_type", "hidden_act"}},
      {"true or false", {"tie_word_embeddings"}},
      {"an object or null", {"rope_scaling", "rope_parameters"}}};
  const auto values = [&](const std::string& expected) {
    return std::find_if(wrong.begin(), wrong.end(), [&](const auto& w) { return w.first == expected; })
        ->second;
  };
  for (const auto& [expected, names] : keys) {
    for (const std::string& key : names) {
      for (const std::string& value : values(expected)) {
        const std::string text = with(key, value);
        EXPECT_THAT(testing::error_of([&] { parse_config(text, "c.json"); }),
                    HasSubstr(fmt::format("[c.json] expected {} for {}, got ", expected, key)))
            << text;
      }
    }
  }
  for (const char* inside :
       {"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}) {
    std::string other;  // valid ones
    for (const char* key : {"factor", "low_freq_factor", "high_freq_factor"}) {
      if (std::string(key) != inside)
        other += fmt::format(R"("{}":{},)", key, key == std::string("high_freq_factor") ? 4 : 2);
    }
    EXPECT_THAT(
        error(fmt::format(R"(,"rope_scaling":{{"type":"llama3",{}"{}":"x"}})", other, inside)),
        HasSubstr(fmt::format("a positive number for rope_scaling.{}, got \"x\"; correct the file", inside)));
  }
  EXPECT_THAT(error(R"(,"rope_parameters":{"rope_type":1})"),
              HasSubstr("expected a string for rope_parameters.rope_type, got 1"));
  EXPECT_THAT(error(R"(,"rope_parameters":{"rope_theta":"x"})"),
              HasSubstr("a positive number for rope_parameters.rope_theta, got \"x\""));
}

}  // namespace
}  // namespace refocus
