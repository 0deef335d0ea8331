#include "comm/local_group.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>

namespace refocus {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string text_of_bytes(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(LocalGroup, MessagesArriveInOrderTagByTag) {
  run_local_group(3, [](Communicator& comm) {
    if (comm.rank() > 0) {
      for (int i = 0; i < 50; ++i) {
        comm.send(0, i % 2, bytes_of(std::to_string(comm.rank()) + ":" + std::to_string(i)));
      }
      EXPECT_EQ(text_of_bytes(comm.receive(0, 7).bytes), "end");
      return;
    }
    for (int tag : {1, 0}) {
      for (int from : {2, 1}) {
        for (int i = tag; i < 50; i += 2) {
          const Message message = comm.receive(from, tag);
          EXPECT_EQ(message.from, from);
          EXPECT_EQ(text_of_bytes(message.bytes), std::to_string(from) + ":" + std::to_string(i));
        }
      }
    }
    EXPECT_FALSE(comm.try_receive(Communicator::kAnyRank, 0));
    for (int to : {1, 2}) comm.send(to, 7, bytes_of("end"));
  });
}

TEST(LocalGroup, CollectiveCalls) {
  for (const int ranks : {1, 2, 5}) {
    run_local_group(ranks, [&](Communicator& comm) {
      std::vector<std::size_t> sizes(static_cast<std::size_t>(ranks));
      std::iota(sizes.begin(), sizes.end(), std::size_t{0});  // rank 0 has nothing
      std::string expected;
      for (int r = 0; r < ranks; ++r)
        expected += std::string(static_cast<std::size_t>(r), static_cast<char>('a' + r));
      for (int round = 0; round < 20; ++round) {
        std::string all(expected.size(), '?');
        const std::string own(static_cast<std::size_t>(comm.rank()), static_cast<char>('a' + comm.rank()));
        comm.gather_all(reinterpret_cast<const std::byte*>(own.data()), sizes,
                        reinterpret_cast<std::byte*>(all.data()));
        EXPECT_EQ(all, expected);
        const int root = round % ranks;
        EXPECT_EQ(
            broadcast_text(comm, root, comm.rank() == root ? "from " + std::to_string(root) : "nothing"),
            "from " + std::to_string(root));
        comm.barrier();
      }
      const std::vector<std::string> texts =
          gather_texts(comm, std::string(static_cast<std::size_t>(comm.rank()), 'x'));
      ASSERT_EQ(texts.size(), static_cast<std::size_t>(ranks));
      for (std::size_t r = 0; r < texts.size(); ++r) EXPECT_EQ(texts[r], std::string(r, 'x'));
    });
  }
}

TEST(LocalGroup, SplitsIntoGroupsInOrder) {
  run_local_group(5, [](Communicator& comm) {
    const auto part = comm.split(comm.rank() % 2);
    EXPECT_EQ(part->size(), comm.rank() % 2 == 0 ? 3 : 2);
    EXPECT_EQ(part->rank(), comm.rank() / 2);
    const std::vector<std::string> texts = gather_texts(*part, std::to_string(comm.rank()));
    for (std::size_t r = 0; r < texts.size(); ++r) {
      EXPECT_EQ(texts[r], std::to_string(2 * static_cast<int>(r) + comm.rank() % 2));
    }
  });
}

TEST(LocalGroup, AFailureEndsTheOthersWaiting) {
  for (const bool meets : {false, true}) {
    try {
      run_local_group(3, [&](Communicator& comm) {
        if (comm.rank() == 1) throw std::runtime_error("the first");
        if (meets) comm.barrier();
        comm.receive(1, 0);
      });
      FAIL();
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "the first");
    }
  }
}

}  // namespace
}  // namespace refocus
