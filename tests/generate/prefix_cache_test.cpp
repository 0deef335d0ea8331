// The cache of prompts' beginnings: what it finds, what it keeps, and what it gives up first.
#include "generate/prefix_cache.h"

#include "kernels/attention.h"
#include "support.h"

namespace refocus {
namespace {

using Keys = std::vector<PrefixToken>;
using Blocks = std::vector<KvBlock>;

ModelConfig small_config() {
  ModelConfig config;
  config.num_hidden_layers = 1;
  config.num_key_value_heads = 1;
  config.head_dim = 8;
  return config;
}

class PrefixCacheTest : public ::testing::Test {
 protected:
  static Keys tokens(std::int32_t first, std::int64_t blocks) {
    Keys out(static_cast<std::size_t>(blocks * kKeyBlock));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = first + static_cast<std::int32_t>(i);
    return out;
  }
  // Keeps a prefix whose blocks no sequence uses any more.
  Blocks keep(const std::string& intervention, const Keys& prefix) {
    KvSequence sequence(pool);
    EXPECT_TRUE(sequence.reserve(std::ssize(prefix)));
    const Blocks blocks(sequence.blocks().begin(), sequence.blocks().end());
    cache.insert(intervention, prefix, blocks);
    return blocks;
  }
  ModelConfig config = small_config();
  KvPool pool{config, kv_bytes(config, 16 * kKeyBlock)};
  PrefixCache cache{pool};
};

TEST_F(PrefixCacheTest, FindsTheLongestBeginningInFullBlocks) {
  const Keys prefix = tokens(0, 3);
  const Blocks blocks = keep("none", prefix);
  EXPECT_EQ(cache.find("none", prefix), blocks);
  Keys longer = prefix;
  longer.push_back(9);
  EXPECT_EQ(cache.find("none", longer), blocks);
  Keys branched = prefix;
  branched[2 * kKeyBlock] += 1;
  EXPECT_EQ(cache.find("none", branched), Blocks(blocks.begin(), blocks.begin() + 2));
  EXPECT_TRUE(cache.find("none", std::span(prefix).first(kKeyBlock - 1)).empty());
  branched[0] += 1;
  EXPECT_TRUE(cache.find("none", branched).empty());
}

TEST_F(PrefixCacheTest, KeepsInterventionsApart) {
  const Keys prefix = tokens(0, 1);
  const Blocks none = keep("none", prefix);
  EXPECT_TRUE(cache.find("rebalance:alpha=0.2", prefix).empty());
  const Blocks other = keep("rebalance:alpha=0.2", prefix);
  EXPECT_EQ(cache.find("none", prefix), none);
  EXPECT_EQ(cache.find("rebalance:alpha=0.2", prefix), other);
}

TEST_F(PrefixCacheTest, ASecondPrefixSharesTheFirstsBlocks) {
  const Keys first = tokens(0, 2);
  const Blocks blocks = keep("none", first);
  const std::int64_t free = pool.free_bytes();
  Keys second = first;
  second.back() += 1;
  keep("none", second);
  EXPECT_EQ(pool.free_bytes(), free - pool.layout().block_bytes()) << "only the second block is another";
  EXPECT_EQ(cache.find("none", second).front(), blocks.front());
}

TEST_F(PrefixCacheTest, GivesUpTheLeastRecentlyUsedAndItsEndFirst) {
  const Keys a = tokens(0, 2), b = tokens(1000, 2);
  const Blocks a_blocks = keep("none", a);
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
  EXPECT_EQ(pool.used_bytes(), 0);
}

TEST_F(PrefixCacheTest, NeverGivesUpWhatASequenceUses) {
  const Keys prefix = tokens(0, 2);
  keep("none", prefix);
  KvSequence sequence(pool);
  sequence.share(cache.find("none", prefix));
  EXPECT_FALSE(cache.evict());
  sequence.clear();
  EXPECT_TRUE(cache.evict());
}

// One layer without a window, and one that sees 40 positions: after n blocks a row sees the last two, but all
// of the first one or two.
class WindowedPrefixCacheTest : public ::testing::Test {
 protected:
  static ModelConfig config_with_a_window() {
    ModelConfig config = small_config();
    config.num_hidden_layers = 2;
    config.layers = {{0, LayerConfig::Rope::kGlobal, false}, {40, LayerConfig::Rope::kGlobal, false}};
    return config;
  }
  static Keys prefix_of(std::int64_t blocks) {
    Keys out(static_cast<std::size_t>(blocks * kKeyBlock));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::int32_t>(i);
    return out;
  }
  // As a sequence comes to the end of so many blocks in short calls.
  KvSequence computed(std::int64_t blocks) {
    KvSequence sequence(pool);
    while (sequence.length() < blocks * kKeyBlock) {
      EXPECT_TRUE(sequence.reserve(sequence.length() + 16));
      sequence.set_length(sequence.length() + 16);
    }
    return sequence;
  }
  void keep(std::int64_t blocks) {
    const KvSequence sequence = computed(blocks);
    cache.insert("none", prefix_of(blocks), sequence.blocks());
  }
  std::size_t found(std::int64_t blocks) { return cache.find("none", prefix_of(blocks)).size(); }

  ModelConfig config = config_with_a_window();
  KvPool pool{config, kv_bytes(config, 16 * kKeyBlock)};
  PrefixCache cache{pool};
};

TEST_F(WindowedPrefixCacheTest, KeepsWhatRowsAfterTheEndSee) {
  keep(6);
  EXPECT_EQ(pool.used_parts(0), 6);
  EXPECT_EQ(pool.used_parts(1), 2);
  const std::vector<KvBlock> blocks = cache.find("none", prefix_of(8));
  ASSERT_EQ(blocks.size(), 6u);
  for (std::size_t b = 0; b < 6; ++b) {
    EXPECT_NE(blocks[b].parts[0], kNoPart) << b;
    EXPECT_EQ(blocks[b].parts[1] == kNoPart, b < 4) << b;
  }
  for (const std::int64_t shorter : {1, 2, 3, 4, 5}) EXPECT_EQ(found(shorter), 0u) << shorter;
  keep(3);
  EXPECT_EQ(found(3), 3u);
  EXPECT_EQ(found(4), 3u);
  EXPECT_EQ(found(6), 6u);
  EXPECT_EQ(found(2), 0u);
  keep(1);
  EXPECT_EQ(found(2), 2u) << "1 of the first, 2 of the third";
  EXPECT_EQ(pool.used_parts(0), 6);
  EXPECT_EQ(pool.used_parts(1), 5);
}

TEST_F(WindowedPrefixCacheTest, GivesUpWindowedPartsBesideWhatIsInUse) {
  keep(6);
  KvSequence sequence(pool);
  sequence.share(cache.find("none", prefix_of(6)));
  EXPECT_FALSE(cache.evict());
  while (sequence.length() < 9 * kKeyBlock) {
    ASSERT_TRUE(sequence.reserve(sequence.length() + 16));
    sequence.set_length(sequence.length() + 16);
  }
  EXPECT_EQ(pool.used_parts(1), 2 + 2);
  EXPECT_TRUE(cache.evict());
  EXPECT_TRUE(cache.evict());
  EXPECT_FALSE(cache.evict());
  EXPECT_EQ(pool.used_parts(1), 2);
  EXPECT_EQ(pool.used_parts(0), 9);
  EXPECT_EQ(found(6), 0u) << "never without its window";
  keep(6);
  EXPECT_EQ(found(6), 6u) << "it takes what it lacks";
  sequence.clear();
  while (cache.evict()) {
  }
  EXPECT_EQ(pool.used_bytes(), 0);
}

}  // namespace
}  // namespace refocus
