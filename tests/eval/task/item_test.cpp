#include "eval/task/item.h"

#include <gtest/gtest.h>

#include <set>

#include "eval/task/file_names.h"

namespace refocus {
namespace {

std::string name(PromptKind prompt, const std::string& intervention) {
  return Arm{prompt, intervention}.name();
}

TEST(ArmName, IsReadable) {
  EXPECT_EQ(name(PromptKind::kCot, "none"), "cot-none");
  EXPECT_EQ(name(PromptKind::kDirect, "rebalance:alpha=0.2,threshold=0.01,depth=31,mode=mask"),
            "direct-rebalance_alpha=0.2_threshold=0.01_depth=31_mode=mask");
  EXPECT_EQ(name(PromptKind::kCot, "rebalance:alpha=-1e+05"), "cot-rebalance_alpha=-1e+05");
}

TEST(ArmName, IsUniqueAndSafeForAnyText) {
  const std::string texts[] = {"none",
                               "a:b",
                               "a,b",
                               "a_b",
                               "a:b=1,c=2",
                               "a:b=1_c=2",
                               "a:b=1:c=2",
                               "a/b",
                               "a\\b",
                               "../a",
                               "..",
                               "",
                               ".",
                               "a b",
                               "a:",
                               "a,",
                               "a_",
                               "A:b",
                               "a~b",
                               "\xc3\xa4",
                               std::string("a\0b", 3),
                               "a\nb",
                               "head_ablation:heads=3",
                               "head:ablation,heads=3",
                               std::string(500, 'x'),
                               std::string(501, 'x')};
  std::set<std::string> names;
  for (const PromptKind prompt : {PromptKind::kCot, PromptKind::kDirect}) {
    for (const std::string& text : texts) {
      const std::string made = name(prompt, text);
      EXPECT_TRUE(is_safe_file_name(made)) << made;
      EXPECT_TRUE(names.insert(made).second) << made;
    }
  }
}

}  // namespace
}  // namespace refocus
