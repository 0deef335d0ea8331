#include "eval/journal/sessions.h"

#include <nlohmann/json.hpp>

#include "eval/recording_support.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// A session that began with `to_ask` answers missing.
ordered_json session(const char* instructions, const char* commit, std::int64_t to_ask = 3,
                     const char* host = "a") {
  ordered_json out = session_json(
      {"0.1.0", commit, "Release, GNU 12.2.0", host, "Some CPU", instructions, "refocus eval", "AMX"}, false);
  out[kToAsk] = to_ask;
  return out;
}

RunRecord record(std::vector<ordered_json> sessions) { return {ordered_json::object(), std::move(sessions)}; }

TEST(Sessions, SayWhoComputes) {
  EXPECT_EQ(session("AVX2", "0123"), ordered_json::parse(R"({
    "version": "0.1.0", "commit": "0123", "build": "Release, GNU 12.2.0",
    "machine": {"host": "a", "processor": "Some CPU", "instruction_set": "AVX2"},
    "command": "refocus eval", "to_ask": 3})"));
  EXPECT_EQ(session_json({"0.1.0", "", "", "", "", "", ""}, false),
            ordered_json::parse(R"({"version": "0.1.0"})"));
}

TEST(Sessions, AnotherComputationIsSaidOnce) {
  EXPECT_EQ(other_computation(record({session("AVX2", "1")})), std::nullopt);
  EXPECT_EQ(other_computation(record({session("AVX2", "1"), session("AVX2", "1")})), std::nullopt);
  EXPECT_EQ(other_computation(record({session("AVX2", "1"), session("AVX-512", "1")})),
            "instruction set AVX2, now AVX-512");
  EXPECT_EQ(other_computation(record({session("AVX2", "1"), session("AVX-512", "2")})),
            "instruction set AVX2, now AVX-512; commit 1, now 2");
  EXPECT_EQ(
      other_computation(record({session("AVX2", "1"), session("AVX-512", "1"), session("AVX-512", "1")})),
      std::nullopt);
  EXPECT_EQ(other_computation(record({session("AVX2", "1"), session("AVX-512", "1"), session("AMX", "1")})),
            "instruction set AVX2 and AVX-512, now AMX");
}

TEST(Sessions, ThoseThatAskedNothingComputedNothing) {
  EXPECT_EQ(other_computation(record({session("AVX2", "1"), session("AMX", "1", 0)})), std::nullopt);
  EXPECT_EQ(other_computation(record({session("AVX2", "1", 0), session("AMX", "1")})), std::nullopt);
  EXPECT_EQ(mixed_computation(record({session("AVX2", "1"), session("AMX", "1", 0)})), "");
  // Sessions of before that do not say it may have asked.
  const ordered_json before = {{"version", "0.0.9"}};
  EXPECT_EQ(other_computation(record({before, session("AVX2", "1")})), "program version 0.0.9, now 0.1.0");
}

TEST(Sessions, AMixedRunSaysOfWhat) {
  EXPECT_EQ(mixed_computation(record({session("AVX2", "1"), session("AVX2", "1", 3, "b")})), "");
  EXPECT_EQ(mixed_computation(record({session("AVX2", "1"), session("AMX", "2", 3, "b")})),
            "Answers differ in how they were computed: instruction set AVX2 and AMX; commit 1 and 2 (on a, "
            "b). The last bits of their numbers may differ.");
}

// Machines that are alike in all else may differ in what multiplies activations in bf16.
TEST(Sessions, Bf16ProductsCountWhereActivationsAreBf16) {
  const auto with = [](const char* products, bool in_bf16) {
    ordered_json out = session_json({"0.1.0", "", "", "a", "", "AVX-512 VNNI", "", products}, in_bf16);
    out[kToAsk] = 3;
    return out;
  };
  EXPECT_EQ(with("AVX-512 BF16", true)["machine"]["bf16_products"], "AVX-512 BF16");
  EXPECT_EQ(other_computation(record({with("float32", true), with("AVX-512 BF16", true)})),
            "bf16 products float32, now AVX-512 BF16");
  EXPECT_EQ(
      mixed_computation(record({with("float32", true), with("AVX-512 BF16", true)})),
      "Answers differ in how they were computed: bf16 products float32 and AVX-512 BF16 (on a). The last "
      "bits of their numbers may differ.");
  EXPECT_EQ(other_computation(record({with("AMX", true), with("AMX", true)})), std::nullopt);
  EXPECT_EQ(other_computation(record({with("float32", false), with("AVX-512 BF16", false)})), std::nullopt);
}

TEST(Sessions, SurviveARecordThatIsNone) {
  EXPECT_EQ(mixed_computation(record({nullptr, 3, ordered_json::array()})), "");
  EXPECT_EQ(other_computation(record({nullptr, {{"machine", 3}}})), std::nullopt);
}

}  // namespace
}  // namespace refocus
