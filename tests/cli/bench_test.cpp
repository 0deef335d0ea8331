// refocus bench as a process.
#include <cctype>

#include "cli/cli_support.h"
#include "kernels/instruction_set.h"

namespace refocus {
namespace {

using testing::Arguments;
using testing::Json;
using testing::plus;
using testing::ProcessResult;

const Arguments kBench = {"bench",     "-m", testing::golden_model("gqa-f16"), "--repeats", "1",
                          "--threads", "1"};

TEST(Bench, JsonHasTheContractsKeys) {
  for (const char* kv_type : {"f32", "f16", "q8_0"}) {
    const Json out = testing::one_json_line(testing::refocus(plus(kBench, {"--json", "--kv-type", kv_type})));
    for (const char* key : {"prefill_tps", "decode_tps", "decode_batch16_tps", "read_gb_s", "fma_gflop_s",
                            "prefill_gop_s", "first_token_ms", "memory_bytes"}) {
      ASSERT_TRUE(out.contains(key)) << key;
      EXPECT_GT(out[key].get<double>(), 0) << key;
    }
    for (const char* key : {"prefill_tps", "decode_tps", "decode_batch16_tps"}) {
      EXPECT_GT(out[std::string(key) + "_rebalance"].get<double>(), 0) << key;
      EXPECT_DOUBLE_EQ(out[std::string(key) + "_ratio"].get<double>(),
                       out[std::string(key) + "_rebalance"].get<double>() / out[key].get<double>())
          << key;  // of one repeat
    }
    EXPECT_EQ(out["threads"], 1);
    EXPECT_EQ(out["kv_type"], kv_type);
    EXPECT_EQ(out["activations"], "int8");
  }
}

TEST(Bench, MeasuresAnyIntervention) {
  const Json out = testing::one_json_line(
      testing::refocus(plus(kBench, {"--json", "--intervene", "boost:keys=positions:1-9|generated"})));
  EXPECT_EQ(out["intervention"], "boost:factor=3,keys=positions:1-9|generated");
  EXPECT_GT(out["decode_tps_intervened"].get<double>(), 0);
  EXPECT_FALSE(out.contains("decode_tps_rebalance"));
}

TEST(Bench, MeasuresInterventionsThatLookAtTheWholePrompt) {
  const Json out = testing::one_json_line(
      testing::refocus(plus(kBench, {"--json", "--intervene", "act:theta=0.01,layers=every:1"})));
  EXPECT_GT(out["prefill_tps_intervened"].get<double>(), 0);
  EXPECT_GT(out["decode_batch16_tps_intervened"].get<double>(), 0);
}

TEST(Bench, TakesPromptsOfAnyLengthThatTheModelAllows) {
  const Arguments model = {"bench", "-m",    testing::golden_model("gqa-f16"), "--repeats", "1", "--threads",
                           "1",     "--json"};
  const Json out = testing::one_json_line(testing::refocus(plus(model, {"--prompt-tokens", "21"})));
  EXPECT_EQ(out["prompt_tokens"], 21);
  EXPECT_GT(out["prefill_tps"].get<double>(), 0);
  const ProcessResult bad = testing::refocus(plus(model, {"--prompt-tokens", "999999"}));
  EXPECT_EQ(bad.status, 1);
  EXPECT_NE(bad.err.find("[--prompt-tokens] expected at most"), std::string::npos) << bad.err;
}

TEST(Bench, AnInstructionSetThatIsNotThereIsRefused) {
  const ProcessResult bad = testing::refocus(plus(kBench, {"--simd", "avx9000"}));
  EXPECT_NE(bad.status, 0);
  EXPECT_NE(bad.err.find("avx9000"), std::string::npos) << bad.err;
}

// For the same bits on machines that differ.
TEST(BenchSimd, IsLimitedByTheEnvironment) {
  ::setenv("REFOCUS_SIMD", "mmx", 1);
  const ProcessResult refused = testing::refocus({"info", "-m", testing::golden_model("gqa-f16")});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, ::testing::HasSubstr("[REFOCUS_SIMD] expected one"));
  std::string lowest = instruction_sets().back();
  ::setenv("REFOCUS_SIMD", lowest.c_str(), 1);
  const Json limited = testing::one_json_line(testing::refocus(plus(kBench, {"--json"})));
  ::unsetenv("REFOCUS_SIMD");
  for (char& c : lowest) c = static_cast<char>(std::toupper(c));
  EXPECT_EQ(limited["instruction_set"], lowest);
  EXPECT_EQ(testing::one_json_line(testing::refocus(plus(kBench, {"--json"})))["instruction_set"],
            instruction_set());
}

}  // namespace
}  // namespace refocus
