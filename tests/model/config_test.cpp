#include "model/config.h"

#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

const std::string kSizes =
    R"("vocab_size":10,"hidden_size":8,"intermediate_size":16,"num_hidden_layers":2,"num_attention_heads":4)";

LlamaConfig parse(const std::string& more) { return parse_config("{" + kSizes + more + "}", "config.json"); }
std::string error(const std::string& more) {
  return testing::error_of([&] { parse(more); });
}

TEST(LlamaConfig, HasHuggingFacesDefaults) {
  const LlamaConfig c = parse("");
  EXPECT_EQ(c.num_key_value_heads, 4);
  EXPECT_EQ(c.head_dim, 2);
  EXPECT_EQ(c.max_position_embeddings, 2048);
  EXPECT_FLOAT_EQ(c.rms_norm_eps, 1e-6f);
  EXPECT_EQ(c.rope_theta, 10000);
  EXPECT_EQ(c.rope_scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_FALSE(c.tie_word_embeddings);
}

TEST(LlamaConfig, ReadsRopeScalingUnderEveryName) {
  EXPECT_EQ(parse(R"(,"rope_scaling":null)").rope_scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_EQ(parse(R"(,"rope_scaling":{"rope_type":"default"})").rope_scaling.kind, RopeScaling::Kind::kNone);
  EXPECT_EQ(parse(R"(,"rope_scaling":{"type":"linear","factor":4})").context_length(), 8192);
  const LlamaConfig dynamic = parse(R"(,"head_dim":8,"rope_scaling":{"rope_type":"dynamic","factor":2.5})");
  EXPECT_EQ(dynamic.rope_scaling.kind, RopeScaling::Kind::kDynamic);
  EXPECT_EQ(dynamic.context_length(), 5120);
  const LlamaConfig llama3 = parse(
      R"(,"max_position_embeddings":131072,"rope_parameters":{"rope_type":"llama3","rope_theta":500000,"factor":8,"low_freq_factor":1,
         "high_freq_factor":4,"original_max_position_embeddings":4096})");
  EXPECT_EQ(llama3.rope_scaling.kind, RopeScaling::Kind::kLlama3);
  EXPECT_EQ(llama3.rope_theta, 500000);
  EXPECT_EQ(llama3.rope_scaling.original_max_position_embeddings, 4096);
  EXPECT_EQ(llama3.context_length(), 131072);
}

TEST(LlamaConfig, RefusesWhatItWouldComputeWrongly) {
  EXPECT_THAT(error(R"(,"model_type":"qwen3")"),
              HasSubstr("[config.json] expected model_type llama, got qwen3"));
  EXPECT_THAT(error(R"(,"model_type":"mistral","sliding_window":4096)"), HasSubstr("got mistral"));
  EXPECT_NO_THROW(parse(R"(,"model_type":"mistral","sliding_window":null)"));
  EXPECT_THAT(error(R"(,"hidden_act":"gelu")"), HasSubstr("hidden_act silu, got gelu"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"type":"yarn","factor":4})"), HasSubstr("got yarn"));
  EXPECT_THAT(error(R"(,"rope_scaling":{"type":"linear"})"), HasSubstr("factor"));
  EXPECT_THAT(error(R"(,"num_key_value_heads":3)"), HasSubstr("multiple of num_key_value_heads"));
  EXPECT_THAT(error(R"(,"head_dim":3)"), HasSubstr("even head_dim"));
  EXPECT_THAT(error(R"(,"rms_norm_eps":-1)"), HasSubstr("positive number for rms_norm_eps"));
  EXPECT_THAT(error(R"(,"num_key_value_heads":0)"), HasSubstr("positive integer"));
  EXPECT_THAT(testing::error_of([] { parse_config("[1]", "x"); }), HasSubstr("[x] expected a JSON object"));
  EXPECT_THAT(testing::error_of([] { parse_config("{", "x"); }),
              HasSubstr("[x] expected JSON with a key in quotes or '}' at line 1, column 2, got the end"));
  EXPECT_THAT(testing::error_of([] { parse_config(std::string(200'000, '['), "x"); }),
              HasSubstr("[x] expected JSON of at most 64 levels"));
  EXPECT_THAT(testing::error_of([] { parse_config("{}", "x"); }), HasSubstr("vocab_size, got none"));
}

}  // namespace
}  // namespace refocus
