// Rank correlations against SciPy (tests/golden/stats/make_goldens_spearman.py) and by hand.
#include "stats/spearman.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "support.h"

namespace refocus {
namespace {

TEST(Spearman, EqualsScipy) {
  std::ifstream in(testing::golden("stats") / "spearman.json");
  const nlohmann::json cases = nlohmann::json::parse(in);
  ASSERT_FALSE(cases.empty());
  for (const nlohmann::json& one : cases) {
    const std::vector<double> first = one["first"], second = one["second"];
    const auto found = spearman(first, second);
    ASSERT_TRUE(found);
    EXPECT_NEAR(found->rho, one["rho"].get<double>(), 1e-12) << first.size();
    EXPECT_NEAR(found->p, one["p"].get<double>(), 1e-9) << first.size();
    EXPECT_EQ(found->pairs, std::ssize(first));
  }
}

TEST(Spearman, OfOrdersAlikeAndOpposite) {
  const std::vector<double> up = {1, 2, 4, 8}, down = {3, 2, 1, -7};
  EXPECT_EQ(spearman(up, up)->rho, 1);
  EXPECT_EQ(spearman(up, up)->p, 0);
  EXPECT_EQ(spearman(up, down)->rho, -1);
  // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
  const std::vector<double> equal = {1, 2, 2, 3};
  EXPECT_NEAR(spearman(equal, up)->rho, 0.9486832980505138, 1e-12);
}

TEST(Spearman, OfNothingThatVariesIsNone) {
  const std::vector<double> same = {5, 5, 5, 5}, up = {1, 2, 3, 4}, two = {1, 2};
  EXPECT_FALSE(spearman(same, up));
  EXPECT_FALSE(spearman(up, same));
  EXPECT_FALSE(spearman(two, two));
}

}  // namespace
}  // namespace refocus
