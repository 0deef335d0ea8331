// Hooks that take several rows of a head at once: the same rows as those of single rows, and the same bits.
#include <array>
#include <atomic>
#include <cstring>
#include <limits>

#include "kernels/attention_problem.h"

namespace refocus {
namespace {

using testing::AttentionProblem;
using testing::Meddler;

class AttentionRows : public testing::EveryTarget {};

constexpr float kNoScore = -std::numeric_limits<float>::infinity();

// Does by blocks what Meddler does row by row, and looks whether each row comes once and hides what its query
// does not see.
struct BlockMeddler {
  Meddler meddler;
  std::int64_t rows, heads;
  std::vector<std::atomic<int>> before, after;  // [rows, heads]: calls
  std::atomic<int> seen_too_much = 0;
  std::atomic<bool> several = false;  // whether rows came together

  BlockMeddler(std::int64_t r, std::int64_t h)
      : rows(r), heads(h), before(static_cast<std::size_t>(r * h)), after(static_cast<std::size_t>(r * h)) {}

  void look(const RowBlock& block, std::vector<std::atomic<int>>& calls, float nothing) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const AttentionRow at = block.at(r);
      ++calls[static_cast<std::size_t>(at.row * heads + at.head)];
      const float* values = block.values + r * block.stride;
      const std::int64_t first = block.shape->first_key(at.position);
      for (std::int64_t j = 0; j < block.keys(); ++j) {
        if ((j < first || j > at.position) && values[j] != nothing) ++seen_too_much;
      }
    }
    if (block.rows > 1) several = true;
  }

  AttentionHooks hooks(bool scores, bool weights) {
    AttentionHooks out = meddler.hooks();
    out.context = this;
    if (!scores)
      out.bias = [](void* self, const AttentionRow& at, std::int64_t first, std::span<float> s) {
        of(self).hooks_of_rows().bias(&of(self).meddler, at, first, s);
      };
    if (!weights)
      out.edit = [](void* self, EditableRow& row) {
        return of(self).hooks_of_rows().edit(&of(self).meddler, row);
      };
    if (scores) {
      out.bias = nullptr;
      out.bias_rows = [](void* self, const RowBlock& block) { of(self).bias(block); };
    }
    if (weights) {
      out.edit = nullptr;
      out.edit_rows = [](void* self, const RowBlock& block) { return of(self).edit(block); };
    }
    return out;
  }

 private:
  static BlockMeddler& of(void* self) { return *static_cast<BlockMeddler*>(self); }
  AttentionHooks hooks_of_rows() { return meddler.hooks(); }

  void bias(const RowBlock& block) {
    look(block, before, kNoScore);
    for (std::int64_t r = 0; r < block.rows; ++r) {
      const AttentionRow at = block.at(r);
      const std::int64_t first = block.shape->first_key(at.position);
      hooks_of_rows().bias(
          &meddler, at, first,
          {block.values + r * block.stride + first, static_cast<std::size_t>(at.position + 1 - first)});
    }
  }
  bool edit(const RowBlock& block) {
    look(block, after, 0);
    for (std::int64_t r = 0; r < block.rows; ++r) {
      EditableRow row = block.row(r);
      hooks_of_rows().edit(&meddler, row);
      block.sums[r] = row.sum;
    }
    return true;
  }
};

// Of several groups: fewer heads than a tile has queries, a tile's and more.
struct RowsCase {
  std::int64_t heads, kv_heads, window;
  bool sinks, softcap;
};
constexpr RowsCase kRowsCases[] = {
    {2, 2, 0, false, false},   {6, 2, 0, true, false},  {8, 1, 0, false, true},  {6, 2, 9, true, true},
    {16, 2, 40, false, false}, {20, 1, 7, true, false}, {2, 2, 33, false, false}};

struct RowsProblem : AttentionProblem {
  std::vector<float> sinks;

  RowsProblem(const RowsCase& c, std::int64_t keys)
      : AttentionProblem(c.heads, c.kv_heads, 20, keys, 5),
        sinks(testing::random_floats(static_cast<std::size_t>(c.heads), 3)) {
    shape.window = c.window;
    if (c.sinks) shape.sinks = sinks.data();
    if (c.softcap) shape.softcap = 2;
  }
};

TEST_P(AttentionRows, GiveTheBitsOfSingleRows) {
  ThreadPool two(2);
  for (const RowsCase& c : kRowsCases) {
    const RowsProblem p(c, 100);
    for (ThreadPool* pool : {&two, static_cast<ThreadPool*>(nullptr)}) {
      for (const auto& [first, last] : {std::array{0, 100}, {37, 100}, {99, 100}}) {
        Meddler meddler;
        const std::vector<float> expected = p.run(first, last, meddler.hooks(), pool);
        for (const auto& [scores, weights] : {std::array{true, true}, {true, false}, {false, true}}) {
          BlockMeddler blocks(last - first, c.heads);
          EXPECT_EQ(p.run(first, last, blocks.hooks(scores, weights), pool), expected)
              << c.heads << " heads, window " << c.window << ", from " << first;
          EXPECT_EQ(blocks.seen_too_much, 0) << c.heads << " heads, window " << c.window;
          const auto once = [](const std::atomic<int>& calls) { return calls == 1; };
          EXPECT_TRUE(!scores || std::ranges::all_of(blocks.before, once));
          EXPECT_TRUE(!weights || std::ranges::all_of(blocks.after, once));
          const bool several = pool != nullptr && last - first > 1 && c.heads / c.kv_heads < 16;
          EXPECT_EQ(blocks.several, several) << c.heads << " heads from " << first;
        }
      }
    }
  }
}

// Few rows of many keys: a tile in parts.
TEST_P(AttentionRows, GiveThemInPartsOfATileToo) {
  ThreadPool one(1), three(3);
  for (const RowsCase& c : {RowsCase{6, 1, 0, true, false}, {3, 3, 300, false, true}}) {
    const RowsProblem p(c, 700);
    for (const std::int64_t rows : {1, 2, 4}) {
      Meddler meddler;
      AttentionHooks hooks = meddler.hooks();
      hooks.output = nullptr;  // with which there are no parts
      const std::vector<float> expected = p.run(700 - rows, 700, hooks, &one);
      BlockMeddler blocks(rows, c.heads);
      AttentionHooks by_blocks = blocks.hooks(true, true);
      by_blocks.output = nullptr;
      EXPECT_EQ(p.run(700 - rows, 700, by_blocks, &three), expected);
      EXPECT_EQ(blocks.seen_too_much, 0);
      for (const auto& calls : blocks.after) EXPECT_EQ(calls, 1);
    }
  }
}

// What an observer is shown, in the order of rows and heads.
struct RowsWitness {
  struct Seen {
    std::vector<float> before, after;
    float sum_before = 0, sum_after = 0;
    bool changed = false;
    bool operator==(const Seen&) const = default;
  };
  std::int64_t heads;
  std::vector<Seen> seen;

  RowsWitness(std::int64_t rows, std::int64_t h) : heads(h), seen(static_cast<std::size_t>(rows * h)) {}
  AttentionHooks beside(AttentionHooks hooks) {
    hooks.observer = this;
    hooks.observe = [](void* observer, const SoftmaxRow& before, const SoftmaxRow& after) {
      auto& self = *static_cast<RowsWitness*>(observer);
      self.seen[static_cast<std::size_t>(before.at.row * self.heads + before.at.head)] = {
          {before.weights.begin(), before.weights.end()},
          {after.weights.begin(), after.weights.end()},
          before.sum,
          after.sum,
          &before != &after};
    };
    return hooks;
  }
};

TEST_P(AttentionRows, AnObserverSeesWhatItSeesOfSingleRows) {
  ThreadPool two(2);
  for (const RowsCase& c : kRowsCases) {
    const RowsProblem p(c, 70);
    for (ThreadPool* pool : {&two, static_cast<ThreadPool*>(nullptr)}) {
      Meddler meddler;
      RowsWitness single(70, c.heads);
      const std::vector<float> expected = p.run(0, 70, single.beside(meddler.hooks()), pool);
      for (const auto& [scores, weights] : {std::array{true, true}, {true, false}, {false, true}}) {
        BlockMeddler blocks(70, c.heads);
        RowsWitness witness(70, c.heads);
        EXPECT_EQ(p.run(0, 70, witness.beside(blocks.hooks(scores, weights)), pool), expected);
        EXPECT_TRUE(witness.seen == single.seen) << c.heads << " heads, window " << c.window;
        EXPECT_FALSE(blocks.several);
      }
    }
  }
}

TEST_P(AttentionRows, ARowThatIsOnlyLookedAtIsNotShownAsChanged) {
  ThreadPool two(2);
  const RowsProblem p(kRowsCases[1], 40);
  AttentionHooks looks;
  looks.edit_rows = [](void*, const RowBlock&) { return true; };
  for (ThreadPool* pool : {&two, static_cast<ThreadPool*>(nullptr)}) {
    RowsWitness plain(40, 6), witness(40, 6);
    EXPECT_EQ(p.run(0, 40, witness.beside(looks), pool), p.run(0, 40, plain.beside({}), pool));
    EXPECT_TRUE(witness.seen == plain.seen);
    EXPECT_TRUE(std::ranges::none_of(witness.seen, &RowsWitness::Seen::changed));
    AttentionHooks divides;
    divides.edit_rows = [](void*, const RowBlock& block) {
      for (std::int64_t r = 0; r < block.rows; ++r) block.sums[r] *= 2;
      return true;
    };
    p.run(0, 40, witness.beside(divides), pool);
    EXPECT_TRUE(std::ranges::all_of(witness.seen, &RowsWitness::Seen::changed));
  }
}

// Where everything is hidden nothing is put out, also beside rows that see something.
TEST_P(AttentionRows, ABlockMayHideAllKeysOfARow) {
  ThreadPool two(2);
  const RowsProblem p({6, 2, 0, false, false}, 40);
  AttentionHooks hides;
  hides.bias_rows = [](void*, const RowBlock& block) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      if (block.at(r).position % 2 == 1) std::fill_n(block.values + r * block.stride, block.keys(), kNoScore);
    }
  };
  hides.edit_rows = [](void* context, const RowBlock& block) {
    for (std::int64_t r = 0; r < block.rows; ++r) {
      if ((block.sums[r] == 0) != (block.at(r).position % 2 == 1)) *static_cast<bool*>(context) = false;
    }
    return false;
  };
  bool right = true;
  hides.context = &right;
  const std::vector<float> plain = p.run(0, 40, {}, &two), hidden = p.run(0, 40, hides, &two);
  EXPECT_TRUE(right);
  for (std::int64_t i = 0; i < std::ssize(plain); ++i) {
    const auto at = static_cast<std::size_t>(i);
    ASSERT_EQ(hidden[at], i / p.width() % 2 == 1 ? 0.0f : plain[at]);
  }
}

REFOCUS_EVERY_TARGET(AttentionRows);

}  // namespace
}  // namespace refocus
