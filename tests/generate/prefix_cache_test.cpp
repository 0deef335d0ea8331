// The cache of prompts' beginnings: what it finds, what it keeps, and what it gives up first.
#include "generate/prefix_cache.h"

#include "kernels/attention.h"
#include "support.h"

namespace refocus {
namespace {

using Ids = std::vector<std::int32_t>;

ModelConfig small_config() {
  ModelConfig config;
  config.num_hidden_layers = 1;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  return config;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  static Ids tokens(std::int32_t first, std::int64_t blocks) {
    Ids out(static_cast<std::size_t>(blocks * kKeyBlock));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = first + static_cast<std::int32_t>(i);
    return out;
  }
  // Keeps a prefix whose blocks no sequence uses any more.
  Ids keep(const std::string& intervention, const Ids& prefix) {
    Ids blocks(prefix.size() / kKeyBlock);
    for (std::int32_t& block : blocks) block = pool.allocate();
    cache.insert(intervention, prefix, blocks);
    for (const std::int32_t block : blocks) pool.release(block);
    return blocks;
  }
  ModelConfig config = small_config();
  KvPool pool{config, kv_bytes(config, 16 * kKeyBlock)};
  PrefixCache cache{pool};
};

TEST_F(PrefixCacheTest, FindsTheLongestBeginningInFullBlocks) {
  const Ids prefix = tokens(0, 3);
  const Ids blocks = keep("none", prefix);
  EXPECT_EQ(cache.find("none", prefix), blocks);
  Ids longer = prefix;
  longer.push_back(9);
  EXPECT_EQ(cache.find("none", longer), blocks);
  Ids branched = prefix;
  branched[2 * kKeyBlock] += 1;
  EXPECT_EQ(cache.find("none", branched), Ids(blocks.begin(), blocks.begin() + 2));
  EXPECT_TRUE(cache.find("none", std::span(prefix).first(kKeyBlock - 1)).empty());
  branched[0] += 1;
  EXPECT_TRUE(cache.find("none", branched).empty());
}

TEST_F(PrefixCacheTest, KeepsInterventionsApart) {
  const Ids prefix = tokens(0, 1);
  const Ids none = keep("none", prefix);
  EXPECT_TRUE(cache.find("rebalance:alpha=0.2", prefix).empty());
  const Ids other = keep("rebalance:alpha=0.2", prefix);
  EXPECT_EQ(cache.find("none", prefix), none);
  EXPECT_EQ(cache.find("rebalance:alpha=0.2", prefix), other);
}

TEST_F(PrefixCacheTest, ASecondPrefixSharesTheFirstsBlocks) {
  const Ids first = tokens(0, 2);
  const Ids blocks = keep("none", first);
  const std::int64_t free = pool.free_blocks();
  Ids second = first;
  second.back() += 1;
  keep("none", second);
  EXPECT_EQ(pool.free_blocks(), free - 1) << "only the second block is another";
  EXPECT_EQ(cache.find("none", second).front(), blocks.front());
}

TEST_F(PrefixCacheTest, GivesUpTheLeastRecentlyUsedAndItsEndFirst) {
  const Ids a = tokens(0, 2), b = tokens(1000, 2);
  const Ids a_blocks = keep("none", a);
  keep("none", b);
  cache.find("none", a);  // b is the older one now
  EXPECT_TRUE(cache.evict());
  EXPECT_EQ(cache.find("none", b).size(), 1u) << "the beginning of b stays useful";
  cache.find("none", a);
  EXPECT_TRUE(cache.evict());
  EXPECT_TRUE(cache.find("none", b).empty());
  EXPECT_EQ(cache.find("none", a), a_blocks);
  EXPECT_TRUE(cache.evict());
  EXPECT_TRUE(cache.evict());
  EXPECT_FALSE(cache.evict());
  EXPECT_EQ(pool.free_blocks(), pool.max_blocks());
}

TEST_F(PrefixCacheTest, NeverGivesUpWhatASequenceUses) {
  const Ids prefix = tokens(0, 2);
  keep("none", prefix);
  KvSequence sequence(pool);
  sequence.share(cache.find("none", prefix));
  EXPECT_FALSE(cache.evict());
  sequence.clear();
  EXPECT_TRUE(cache.evict());
}

}  // namespace
}  // namespace refocus
