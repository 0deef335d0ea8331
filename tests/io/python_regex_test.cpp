// Python's regular expressions by PCRE2: what Python itself says (tests/golden/adapters/make_goldens.py), and
// what is refused.
#include "io/peft/python_regex.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/text_file.h"
#include "support.h"

namespace refocus {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using testing::error_of;
using ::testing::HasSubstr;

PythonRegex regex(const std::string& pattern) { return {"f.json", "rank_pattern", pattern, pattern}; }

TEST(PythonRegex, MatchesWhatPythonMatchesAndRefusesWhatItRefuses) {
  const json golden = json::parse(read_text_file(testing::golden("adapters") / "regex.json"));
  const auto texts = golden["texts"].get<std::vector<std::string>>();
  const std::set<std::string> not_carried_over = {"(?x) m o d e l", R"(\N{DIGIT ONE})"};
  int compiled = 0;
  for (const json& row : golden["expressions"]) {
    const std::string pattern = row[0];
    if (row[1].is_null() || not_carried_over.contains(pattern)) {
      EXPECT_THROW(regex(pattern), InputError) << pattern;
      continue;
    }
    ++compiled;
    const PythonRegex own = regex(pattern);
    std::string match, full;
    json groups = json::array();
    for (const std::string& text : texts) {
      match += own.match(text) ? '1' : '0';
      full += own.full_match(text) ? '1' : '0';
      const auto group = own.match_group(text, "idx");
      groups.push_back(group ? json(*group) : json());
    }
    EXPECT_EQ(match, row[1]) << pattern;
    EXPECT_EQ(full, row[2]) << pattern;
    if (row.size() > 3) {
      EXPECT_EQ(groups, row[3]) << pattern;
    }
  }
  EXPECT_GT(compiled, 100);
}

TEST(PythonRegex, RefusalsNameTheFileTheKeyAndTheExpression) {
  EXPECT_THAT(
      error_of([] { regex("q_proj("); }),
      AllOf(HasSubstr("[f.json]"), HasSubstr("in rank_pattern, got 'q_proj('"), HasSubstr("write out")));
  EXPECT_THAT(error_of([] { regex(R"(\Qx\E)"); }), HasSubstr(R"(\Q is not supported)"));
  EXPECT_THAT(error_of([] { regex("x(?i)y"); }), HasSubstr("(?i) behind the beginning is not supported"));
}

TEST(PythonRegex, ExpressionsThatNeverEndAreRefused) {
  const PythonRegex slow = regex("(a|aa)+$");
  EXPECT_THAT(error_of([&] { (void)slow.match(std::string(60, 'a') + "b"); }), HasSubstr("in few steps"));
}

TEST(PythonRegex, DeepNestingIsRefusedAndDoesNotCrash) {
  const std::string deep = std::string(200000, '(') + "a" + std::string(200000, ')');
  EXPECT_THROW(regex(deep), InputError);
  EXPECT_THROW(regex(std::string(200000, '[')), InputError);
}

}  // namespace
}  // namespace refocus
