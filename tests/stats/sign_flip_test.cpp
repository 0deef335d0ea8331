// src/stats/sign_flip against every choice of signs, and against McNemar's test.
#include "stats/sign_flip.h"

#include <rapidcheck.h>

#include <cstdlib>

#include "stats/mcnemar.h"
#include "support.h"

namespace refocus {
namespace {

double by_enumeration(const std::vector<std::int64_t>& d) {
  std::int64_t observed = 0, as_far = 0;
  for (const std::int64_t one : d) observed += one;
  for (std::size_t signs = 0; signs < std::size_t{1} << d.size(); ++signs) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < d.size(); ++i) sum += (signs >> i & 1) != 0 ? d[i] : -d[i];
    as_far += std::abs(sum) >= std::abs(observed);
  }
  return static_cast<double>(as_far) / static_cast<double>(std::size_t{1} << d.size());
}

TEST(SignFlip, EqualsEveryChoiceOfSigns) {
  EXPECT_TRUE(rc::check("p is the share of choices at least as far", [] {
    const auto count = *rc::gen::inRange(1, 12);
    const auto d = *rc::gen::container<std::vector<std::int64_t>>(static_cast<std::size_t>(count),
                                                                  rc::gen::inRange<std::int64_t>(-9, 10));
    RC_ASSERT(std::abs(*sign_flip_exact_p(d) - by_enumeration(d)) < 1e-12);
  }));
}

TEST(SignFlip, OfOnesIsMcNemar) {
  for (const auto& [fixed, broken] : {std::pair{0, 7}, {3, 4}, {12, 30}, {0, 0}}) {
    std::vector<std::int64_t> d(static_cast<std::size_t>(fixed), 20);
    d.insert(d.end(), static_cast<std::size_t>(broken), -20);
    d.insert(d.end(), 5, 0);
    EXPECT_NEAR(*sign_flip_exact_p(d), mcnemar_exact_p(fixed, broken), 1e-12);
  }
}

TEST(SignFlip, OfTooManyIsNothing) {
  std::vector<std::int64_t> d(10'000);
  for (std::size_t i = 0; i < d.size(); ++i) d[i] = static_cast<std::int64_t>(i + 1);
  EXPECT_FALSE(sign_flip_exact_p(d));
}

}  // namespace
}  // namespace refocus
