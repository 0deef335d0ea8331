#include "server/api/attention_store.h"

#include <fmt/core.h>

#include <set>
#include <vector>

#include <gmock/gmock.h>

namespace refocus::server {
namespace {

using Clock = AttentionStore::Clock;

// So many tokens of 4 bytes and no rows.
StoredAttention attention_of(std::size_t tokens) {
  KeepSettings settings{{0}, {0}, {0}, static_cast<std::int64_t>(tokens)};
  return {std::make_unique<KeptRows>(settings), {"none", std::vector<std::int32_t>(tokens), 1}};
}

class Store : public ::testing::Test {
 protected:
  AttentionStore store_{1000, 60, [this] { return now_; }};
  Clock::time_point now_{};

  std::string keep(std::size_t tokens, std::int64_t room = 400) {
    auto reserved = store_.reserve(room);
    EXPECT_TRUE(reserved.has_value());
    return store_.keep(std::move(*reserved), attention_of(tokens));
  }
  void pass(double seconds) {
    now_ += std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  }
};

TEST_F(Store, FindsWhatWasKeptByAnIdThatTellsNothing) {
  const std::string a = keep(10), b = keep(20);
  EXPECT_EQ(a.size(), 32u);
  EXPECT_EQ(a.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_NE(a.substr(0, 16), b.substr(0, 16));
  EXPECT_EQ(store_.find(a)->text.tokens.size(), 10u);
  EXPECT_EQ(store_.find(b)->text.tokens.size(), 20u);
  EXPECT_EQ(store_.bytes(), 120);
  EXPECT_EQ(store_.find(a.substr(1)), nullptr);
  EXPECT_FALSE(store_.was_there(a.substr(1)));
}

TEST_F(Store, WhatWasAskedForLeastRecentlyMakesRoom) {
  const std::string a = keep(75), b = keep(75), c = keep(75);  // 300 bytes each
  EXPECT_NE(store_.find(a), nullptr);
  const auto room = store_.reserve(400);
  ASSERT_TRUE(room.has_value());
  EXPECT_NE(store_.find(a), nullptr);
  EXPECT_EQ(store_.find(b), nullptr);
  EXPECT_TRUE(store_.was_there(b));
  EXPECT_NE(store_.find(c), nullptr);
}

TEST_F(Store, WhatIsReservedIsNotGivenTwice) {
  auto first = store_.reserve(600);
  ASSERT_TRUE(first.has_value());
  EXPECT_FALSE(store_.reserve(401).has_value());
  auto second = store_.reserve(400);
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(store_.reserve(1).has_value());
  second.reset();
  EXPECT_TRUE(store_.reserve(400).has_value()) << "given back";
  EXPECT_FALSE(store_.reserve(1001).has_value());
}

TEST_F(Store, ForgetsWhatWasNotAskedForInTime) {
  const std::string a = keep(10), b = keep(10);
  pass(50);
  EXPECT_NE(store_.find(a), nullptr);
  pass(50);
  store_.on_time();
  EXPECT_EQ(store_.count(), 1u);
  EXPECT_EQ(store_.find(b), nullptr);
  EXPECT_TRUE(store_.was_there(b));
  EXPECT_NE(store_.find(a), nullptr);
  pass(61);
  EXPECT_EQ(store_.find(a), nullptr);
  EXPECT_EQ(store_.bytes(), 0);
}

// Who is being answered keeps what is dropped meanwhile.
TEST_F(Store, WhatWasFoundOutlivesItsPlace) {
  const std::string a = keep(10);
  const auto found = store_.find(a);
  pass(100);
  store_.on_time();
  EXPECT_EQ(store_.count(), 0u);
  EXPECT_EQ(found->text.tokens.size(), 10u);
}

}  // namespace
}  // namespace refocus::server
