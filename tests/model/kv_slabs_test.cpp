// Parts that share a slab, and memory given back.
#include "model/kv_slabs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <span>

namespace refocus {
namespace {

constexpr std::int64_t kMegabyte = std::int64_t{1} << 20;

bool holds(const std::byte* data, std::int64_t bytes, std::byte value) {
  return std::ranges::all_of(std::span(data, static_cast<std::size_t>(bytes)),
                             [&](std::byte b) { return b == value; });
}

// A part of its own for each of many writers: several to a slab, one to a slab, and slabs smaller than a
// page.
TEST(KvSlabs, PartsBeginAsZerosAndKeepWhatIsWritten) {
  for (const auto& [bytes, most] :
       {std::pair{5 * kMegabyte / 4, 100 * kMegabyte}, std::pair{40 * kMegabyte, 400 * kMegabyte},
        std::pair{std::int64_t{100}, std::int64_t{300}}}) {
    KvSlabs slabs(bytes, most);
    const std::int64_t count = std::min<std::int64_t>(most / bytes, 60);
    std::vector<std::byte*> places;
    for (std::int64_t part = 0; part < count; ++part) {
      slabs.add();
      places.push_back(slabs.data(part));
      ASSERT_EQ(reinterpret_cast<std::uintptr_t>(places.back()) % 64, 0u);
      ASSERT_EQ(places.back()[0], std::byte{0});
      ASSERT_EQ(places.back()[bytes - 1], std::byte{0});
      places.back()[0] = places.back()[bytes - 1] = static_cast<std::byte>(part + 1);
    }
    EXPECT_EQ(slabs.count(), count);
    for (std::int64_t part = 0; part < count; ++part) {
      const std::byte* const at = slabs.data(part);
      EXPECT_EQ(at, places[static_cast<std::size_t>(part)]);
      EXPECT_EQ(at[0], static_cast<std::byte>(part + 1)) << part << " of " << bytes;
      EXPECT_EQ(at[bytes - 1], static_cast<std::byte>(part + 1)) << part << " of " << bytes;
    }
  }
}

// Zeros are what the system gives for a page that it took back.
TEST(KvSlabs, WhatIsDiscardedIsGivenBackAndItsNeighboursStay) {
  constexpr std::int64_t kBytes = 3 * kMegabyte / 2 + 64, kEdge = 64 << 10;  // no whole number of pages
  KvSlabs slabs(kBytes, 30 * kMegabyte);
  for (std::int64_t part = 0; part < 3; ++part) {
    slabs.add();
    std::memset(slabs.data(part), 0xFF, kBytes);
  }
  slabs.discard(1);
  EXPECT_TRUE(holds(slabs.data(0), kBytes, std::byte{0xFF}));
  EXPECT_TRUE(holds(slabs.data(1) + kEdge, kBytes - 2 * kEdge, std::byte{0}));
  EXPECT_TRUE(holds(slabs.data(2), kBytes, std::byte{0xFF}));
  std::memset(slabs.data(1), 1, kBytes);
  EXPECT_TRUE(holds(slabs.data(1), kBytes, std::byte{1}));
  EXPECT_TRUE(holds(slabs.data(2), kBytes, std::byte{0xFF}));
}

}  // namespace
}  // namespace refocus
