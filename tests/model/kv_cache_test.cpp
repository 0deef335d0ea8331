// Blocks of keys and values: counted, shared, given back, and those of windowed layers given up on the way.
#include "model/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>

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

// Layers with these windows; 0: none.
ModelConfig windowed(const std::vector<std::int64_t>& windows) {
  ModelConfig c = small();
  c.num_hidden_layers = std::ssize(windows);
  for (const std::int64_t window : windows) c.layers.push_back({window, LayerConfig::Rope::kGlobal, false});
  return c;
}

TEST(KvCache, BlocksAreCountedSharedAndGivenBack) {
  KvPool pool(small(), kv_bytes(small(), 3 * kKeyBlock));
  const std::int64_t block = pool.layout().block_bytes();
  EXPECT_EQ(block, kv_bytes(small(), 1));
  EXPECT_EQ(pool.max_bytes(), 3 * block);
  KvSequence a(pool);
  ASSERT_TRUE(a.reserve(kKeyBlock + 1));
  a.set_length(kKeyBlock + 1);
  EXPECT_EQ(pool.free_bytes(), block);
  {
    KvSequence b(pool);
    b.share(a.blocks().first(1));
    EXPECT_EQ(b.length(), kKeyBlock);
    EXPECT_EQ(b.pointers(0)[0], a.pointers(0)[0]);
    EXPECT_EQ(pool.references(0, a.blocks()[0].parts[0]), 2);
    EXPECT_TRUE(b.reserve(2 * kKeyBlock));
    EXPECT_EQ(pool.free_bytes(), 0);
    EXPECT_FALSE(b.reserve(4 * kKeyBlock));
    EXPECT_EQ(b.blocks().size(), 2u);
    const KvSequence moved = std::move(b);
    EXPECT_EQ(moved.length(), kKeyBlock);
  }
  EXPECT_EQ(pool.free_bytes(), block);
  EXPECT_EQ(pool.references(0, a.blocks()[0].parts[0]), 1);
  a.clear();
  EXPECT_EQ(pool.used_bytes(), 0);
}

TEST(KvCache, LayersAreGroupedByWhetherTheyHaveAWindow) {
  const KvLayout all(small(), DType::kF32), none(windowed({0, 0}), DType::kF32);
  for (const KvLayout& layout : {all, none}) {
    EXPECT_EQ(layout.groups(), 1u);
    EXPECT_FALSE(layout.has_window());
    EXPECT_EQ(layout.place(1).offset, kv_layer_bytes(small(), DType::kF32));
  }
  const KvLayout windows(windowed({64, 64, 64}), DType::kF32);
  EXPECT_EQ(windows.groups(), 1u);
  EXPECT_EQ(windows.window(0), 64);
  const KvLayout mixed(windowed({64, 0, 40, 0, 64}), DType::kF16);
  const std::int64_t layer = kv_layer_bytes(small(), DType::kF16);
  ASSERT_EQ(mixed.groups(), 2u);
  EXPECT_EQ(mixed.window(0), 0);
  EXPECT_EQ(mixed.window(1), 64) << "the longest";
  EXPECT_EQ(mixed.part_bytes(0), 2 * layer);
  EXPECT_EQ(mixed.part_bytes(1), 3 * layer);
  const std::pair<std::size_t, std::int64_t> places[] = {
      {1, 0}, {0, 0}, {1, layer}, {0, layer}, {1, 2 * layer}};
  for (std::int64_t l = 0; l < 5; ++l) {
    EXPECT_EQ(mixed.place(l).group, places[l].first) << l;
    EXPECT_EQ(mixed.place(l).offset, places[l].second) << l;
  }
}

// By going through all positions and calls.
TEST(KvCache, ASequenceNeedsWhatItsCallsSee) {
  for (const std::int64_t window : {1, 2, 31, 32, 33, 64, 100}) {
    const ModelConfig config = windowed({0, window});
    const KvLayout layout(config, DType::kF32);
    for (const std::int64_t rows : {1, 2, 7, 32, 33, 64, 300}) {
      std::int64_t most = 0;
      for (std::int64_t position = 0; position < 400; ++position) {
        const std::int64_t first = std::max<std::int64_t>(0, position - window + 1) / kKeyBlock;
        EXPECT_EQ(layout.first_block(1, position), first);
        EXPECT_EQ(layout.first_block(0, position), 0);
        most = std::max(most, (position + rows - 1) / kKeyBlock - first + 1);
      }
      EXPECT_EQ(layout.parts_between(1, 0, 100000, rows), most) << window << " " << rows;
      EXPECT_EQ(layout.parts_between(1, 0, 65, rows), std::min<std::int64_t>(3, most));
      EXPECT_EQ(layout.parts_between(1, 64, 100, rows), std::min<std::int64_t>(2, most));
      EXPECT_EQ(layout.parts_between(0, 0, 100000, rows), 3125);
      EXPECT_EQ(kv_bytes(config, 100000, DType::kF32, rows),
                3125 * layout.part_bytes(0) + most * layout.part_bytes(1));
    }
    EXPECT_EQ(kv_bytes(config, 300), 10 * layout.block_bytes()) << "in one call nothing is left behind";
  }
}

TEST(KvCache, ManySequencesHaveRoomForTheBeginningsThatTheyShare) {
  EXPECT_EQ(kv_bytes_of_many(small(), 5, 1000, DType::kF16, 64), 5 * kv_bytes(small(), 1000, DType::kF16));
  const ModelConfig config = windowed({0, 40});
  const KvLayout layout(config, DType::kF32);
  const std::int64_t one = layout.bytes_between(0, 1000, 64) + 2 * layout.part_bytes(1);
  EXPECT_EQ(kv_bytes_of_many(config, 3, 1000, DType::kF32, 64), 3 * one);
}

TEST(KvCache, ABeginningServesAShorterOneWithinTheWindow) {
  const KvLayout all(small(), DType::kF32), some(windowed({0, 40}), DType::kF32);
  EXPECT_TRUE(all.serves(960, 32));
  EXPECT_FALSE(all.serves(32, 64));
  EXPECT_TRUE(some.serves(64, 32)) << "both see position 25 and before it";
  EXPECT_FALSE(some.serves(96, 64)) << "position 57, and 25";
  EXPECT_TRUE(some.serves(96, 96));
}

// In a pool with room for nothing more, through calls of all lengths.
TEST(KvCache, ARingOfPartsServesALongSequence) {
  for (const std::vector<std::int64_t>& windows : {std::vector<std::int64_t>{0, 40}, {40, 40}, {1, 0}}) {
    const ModelConfig config = windowed(windows);
    for (const std::int64_t rows : {1, 5, 32, 50, 64}) {
      constexpr std::int64_t kEnd = 1000;
      KvPool pool(config, kv_bytes(config, kEnd, DType::kF32, rows));
      const std::size_t group = pool.layout().groups() - 1;
      KvSequence sequence(pool);
      ASSERT_TRUE(sequence.reserve(kEnd, rows));
      const std::int64_t most = pool.layout().parts_between(group, 0, kEnd, rows);
      EXPECT_EQ(pool.used_parts(group), most);
      for (std::int64_t call = 0; sequence.length() < kEnd; ++call) {
        const std::int64_t begin = sequence.length(), end = std::min(kEnd, begin + 1 + call * 7 % rows);
        ASSERT_TRUE(sequence.reserve(end)) << begin << " to " << end;
        const std::int64_t first = pool.layout().first_block(group, begin);
        EXPECT_EQ(sequence.first_block(group), first);
        for (std::int64_t b = 0; b < blocks_for(end); ++b) {
          EXPECT_EQ(sequence.part(group, b) == nullptr, b < first);
          EXPECT_NE(pool.layout().groups() > 1 ? sequence.part(0, b) : pool.data(0, 0), nullptr);
        }
        EXPECT_LE(pool.used_parts(group), most);
        sequence.set_length(end);
      }
      sequence.clear();
      EXPECT_EQ(pool.used_bytes(), 0);
    }
  }
}

TEST(KvCache, MemoryThatOneGroupHasNoUseForIsTheOthers) {
  const ModelConfig config = windowed({0, 32, 32});
  KvPool pool(config, 2 * kv_bytes(config, 320, DType::kF32, 1));
  const KvLayout& layout = pool.layout();
  for (int turn = 0; turn < 3; ++turn) {
    for (std::size_t g = 0; g < 2; ++g) {
      std::vector<std::int32_t> parts;
      for (std::int32_t part = pool.allocate(g); part != kNoPart; part = pool.allocate(g)) {
        *pool.data(g, part) = std::byte{1};
        parts.push_back(part);
      }
      EXPECT_EQ(std::ssize(parts), pool.max_bytes() / layout.part_bytes(g));
      EXPECT_LT(pool.free_bytes(), layout.part_bytes(g));
      for (const std::int32_t part : parts) pool.release(g, part);
      EXPECT_EQ(pool.used_bytes(), 0);
    }
  }
  EXPECT_LE(pool.peak_bytes(), pool.max_bytes());
}

TEST(KvCache, WhatDoesNotFitChangesNothing) {
  const ModelConfig config = windowed({0, 32});
  KvPool pool(config, 5 * kv_bytes(config, 1));
  KvSequence sequence(pool);
  ASSERT_TRUE(sequence.reserve(70));
  sequence.set_length(70);
  const std::int64_t used = pool.used_bytes();
  EXPECT_FALSE(sequence.reserve(6 * kKeyBlock));
  EXPECT_EQ(sequence.blocks().size(), 3u);
  EXPECT_EQ(pool.used_bytes(), used - pool.layout().part_bytes(1)) << "70 sees from 39 on, block 1";
  ASSERT_TRUE(sequence.reserve(5 * kKeyBlock));
  // Room for ten parts: three are the most that a call of 32 rows sees of a window of 32.
  EXPECT_EQ(pool.most_tokens(32), 7 * kKeyBlock);
}

TEST(KvCache, AForkGoesOnBesideItsOrigin) {
  const ModelConfig config = windowed({0, 40});
  KvPool pool(config, 100 * kv_bytes(config, 1));
  for (const std::int64_t length : {40, 64, 70, 200}) {
    KvSequence from(pool);
    while (from.length() < length) {
      const std::int64_t end = std::min(length, from.length() + 10);
      ASSERT_TRUE(from.reserve(end));
      from.set_length(end);
    }
    const std::int64_t full = length / kKeyBlock, first = pool.layout().first_block(1, length);
    if (length % kKeyBlock != 0) *from.part(1, full) = std::byte{7};
    const std::int64_t used = pool.used_bytes();
    KvSequence to(pool);
    ASSERT_TRUE(to.fork(from, length + 50, 1));
    EXPECT_EQ(to.length(), length);
    EXPECT_EQ(pool.used_bytes() - used, pool.layout().bytes_between(length, length + 50, 1));
    for (std::int64_t b = first; b < full; ++b) EXPECT_EQ(to.part(1, b), from.part(1, b));
    if (length % kKeyBlock != 0) {
      EXPECT_NE(to.part(1, full), from.part(1, full));
      EXPECT_EQ(*to.part(1, full), std::byte{7});
    }
    from.clear();
    for (std::int64_t at = length; at < length + 50; ++at) {
      ASSERT_TRUE(to.reserve(at + 1));
      to.set_length(at + 1);
    }
    to.clear();
    EXPECT_EQ(pool.used_bytes(), 0);
  }
}

TEST(KvCacheDeathTest, ASequenceDoesNotBeginWithoutWhatItSees) {
  const ModelConfig config = windowed({0, 40});
  KvPool pool(config, 100 * kv_bytes(config, 1));
  KvSequence from(pool);
  for (std::int64_t at = 0; at < 200; at += 50) {
    ASSERT_TRUE(from.reserve(at + 50));
    from.set_length(at + 50);
  }
  // The last call began at 150, which sees from 111 on, block 3.
  KvSequence to(pool);
  to.share(from.blocks().first(6));
  EXPECT_EQ(to.first_block(1), 3);
  KvSequence early(pool);
  EXPECT_DEATH(early.share(from.blocks().first(4)), "first_block");
}

}  // namespace
}  // namespace refocus
