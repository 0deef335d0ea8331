#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include "kernels/attention.h"

namespace refocus {
namespace {

ModelConfig small() {
  ModelConfig c;
  c.num_hidden_layers = 2;
  c.num_key_value_heads = 1;
  c.head_dim = 16;
  return c;
}

TEST(KvCache, BlocksAreCountedSharedAndGivenBack) {
  KvPool pool(small(), kv_bytes(small(), 3 * kKeyBlock));
  EXPECT_EQ(pool.max_blocks(), 3);
  KvSequence a(pool);
  ASSERT_TRUE(a.reserve(kKeyBlock + 1));
  a.set_length(kKeyBlock + 1);
  EXPECT_EQ(pool.free_blocks(), 1);
  {
    KvSequence b(pool);
    b.share(a.blocks().first(1));
    EXPECT_EQ(b.length(), kKeyBlock);
    EXPECT_EQ(b.pointers()[0], a.pointers()[0]);
    EXPECT_EQ(pool.references(a.blocks()[0]), 2);
    EXPECT_TRUE(b.reserve(2 * kKeyBlock));
    EXPECT_EQ(pool.free_blocks(), 0);
    EXPECT_FALSE(b.reserve(4 * kKeyBlock));
    EXPECT_EQ(b.blocks().size(), 2u);
    const KvSequence moved = std::move(b);
    EXPECT_EQ(moved.length(), kKeyBlock);
  }
  EXPECT_EQ(pool.free_blocks(), 1);
  EXPECT_EQ(pool.references(a.blocks()[0]), 1);
  a.clear();
  EXPECT_EQ(pool.free_blocks(), 3);
}

}  // namespace
}  // namespace refocus
