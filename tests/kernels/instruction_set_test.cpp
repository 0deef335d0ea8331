#include "kernels/instruction_set.h"

#include "kernels/targets.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;

TEST(InstructionSet, IsLimitedAndStaysSo) {
  const std::vector<std::string> all = instruction_sets();
  ASSERT_FALSE(all.empty());
  const std::string best = instruction_set(), lowest = all.back();
  limit_instruction_set(lowest, "--simd");
  const auto chosen = hwy::GetChosenTarget().GetIndex();
  EXPECT_EQ(instruction_sets(), std::vector<std::string>{lowest});
  EXPECT_EQ(instruction_set() == best, all.size() == 1);
  EXPECT_EQ(hwy::GetChosenTarget().GetIndex(), chosen) << "asking made Highway choose anew";
  testing::use_best_target();
  EXPECT_EQ(instruction_set(), best);
}

// On any processor: a limit takes away what is above it, and keeps what is not.
TEST(InstructionSet, LimitsProductsInBf16) {
  const bool amx = amx_bf16_in_use(), avx512 = avx512_bf16_in_use();
  const std::string of_avx512 = avx512 ? "AVX-512 BF16" : "float32";
  EXPECT_EQ(bf16_products(), amx ? "AMX" : of_avx512);
  for (const std::string& name : instruction_sets()) {
    limit_instruction_set(name, "--simd");
    const std::string expected = name == "amx"      ? (amx ? "AMX" : of_avx512)
                                 : name == "avx512" ? of_avx512
                                                    : "float32";
    EXPECT_EQ(bf16_products(), expected) << name;
    testing::use_best_target();
  }
}

TEST(InstructionSet, RefusesAnUnknownOne) {
  const std::string error = testing::error_of([] { limit_instruction_set("mmx", "REFOCUS_SIMD"); });
  EXPECT_THAT(error, HasSubstr("choose one of them"));
  EXPECT_THAT(error, HasSubstr("REFOCUS_SIMD"));
}

}  // namespace
}  // namespace refocus
