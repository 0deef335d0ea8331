#include "intervene/intervention_pool.h"

#include "base/text_file.h"
#include "model/engine.h"

namespace refocus {
namespace {

// Who asks for ever other interventions must not fill the memory with their buffers.
TEST(InterventionPool, KeepsThoseThatCameBackLastAndNoMore) {
  testing::Engine engine("gqa-f32", read_text_file(testing::golden_engine() / "gqa-f32/config.json"), 1, 16);
  InterventionPool pool(*engine.model, 3);
  const auto spec = [](int i) { return parse_intervention(fmt::format("rebalance:alpha={}", i + 1)); };
  std::vector<const AttentionHooks*> hooks;
  for (int i = 0; i < 10; ++i) {
    auto taken = pool.take(std::to_string(i), spec(i), nullptr);
    hooks.push_back(taken->hooks());
    pool.give_back(std::to_string(i), std::move(taken));
    EXPECT_EQ(pool.idle(), static_cast<std::size_t>(std::min(i + 1, 3)));
  }
  const auto again = pool.take("8", spec(8), nullptr);
  EXPECT_EQ(again->hooks(), hooks[8]);
  EXPECT_EQ(pool.idle(), 2u);
  const auto other = pool.take("8", spec(8), nullptr);
  EXPECT_NE(other->hooks(), hooks[8]);
  EXPECT_EQ(pool.idle(), 2u);
}

}  // namespace
}  // namespace refocus
