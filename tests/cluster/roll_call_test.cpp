#include "cluster/roll_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "comm/local_group.h"

namespace refocus {
namespace {

using testing::HasSubstr;
using testing::StrEq;

RollAnswer answer_of(int rank) {
  return {"node" + std::to_string(rank),
          {{"program", "1.0.0", "start one program"}, {"instruction set", "AVX2", "set REFOCUS_SIMD=avx2"}}};
}

// What the leader throws; the others must be refused too, or none.
std::string roll(int ranks, const std::function<void(int rank, RollAnswer&)>& change) {
  std::string said;
  run_local_group(ranks, [&](Communicator& comm) {
    RollAnswer own = answer_of(comm.rank());
    change(comm.rank(), own);
    if (!own.failure.empty()) {
      EXPECT_NO_THROW(call_roll(comm, own));
      return;
    }
    std::string text;
    bool refused = false;
    try {
      call_roll(comm, own);
    } catch (const RollRefused&) {
      refused = true;
    } catch (const InputError& error) {
      text = error.what();
    }
    if (comm.rank() == 0) {
      EXPECT_FALSE(refused);
      said = text;
    }
    // Told afterwards, so that every rank knows what the leader did.
    const std::string leaders = broadcast_text(comm, 0, text);
    if (comm.rank() != 0) {
      EXPECT_EQ(refused, !leaders.empty());
    }
  });
  return said;
}

TEST(RollCall, AllAlike) {
  EXPECT_EQ(roll(1, [](int, RollAnswer&) {}), "");
  EXPECT_EQ(roll(4, [](int, RollAnswer&) {}), "");
}

TEST(RollCall, NamesWhoDiffersAndInWhat) {
  EXPECT_THAT(roll(4,
                   [](int rank, RollAnswer& own) {
                     if (rank >= 2) own.facts[1].value = "AVX-512";
                   }),
              StrEq("[rank 2 (node2)] expected the instruction set of rank 0 (node0), AVX2, got AVX-512; set "
                    "REFOCUS_SIMD=avx2"));
  EXPECT_THAT(
      roll(2,
           [](int rank, RollAnswer& own) {
             own.facts[0].tells = false;
             if (rank == 1) own.facts[0].value = "f00d";
           }),
      StrEq("[rank 1 (node1)] expected the program of rank 0 (node0), got another; start one program"));
  EXPECT_THAT(roll(2,
                   [](int rank, RollAnswer& own) {
                     if (rank == 1) own.facts.pop_back();
                   }),
              HasSubstr("expected the instruction set of rank 0 (node0), AVX2, got none"));
  EXPECT_THAT(roll(2,
                   [](int rank, RollAnswer& own) {
                     if (rank == 1) own.facts.push_back({"model file b", "1", "remove it"});
                   }),
              StrEq("[rank 1 (node1)] expected no model file b, as rank 0 (node0), got 1; remove it"));
}

TEST(RollCall, AFailureIsToldBeforeDifferences) {
  run_local_group(3, [](Communicator& comm) {
    RollAnswer own = answer_of(comm.rank());
    if (comm.rank() == 1) own.facts[0].value = "2.0.0";
    if (comm.rank() == 2) own.failure = "[m.gguf] expected a file, got none; check the path";
    if (comm.rank() == 2) return call_roll(comm, own);
    if (comm.rank() == 1) {
      EXPECT_THROW(call_roll(comm, own), RollRefused);
      return;
    }
    try {
      call_roll(comm, own);
      ADD_FAILURE();
    } catch (const InputError& error) {
      EXPECT_STREQ(error.what(), "[rank 2 (node2)] [m.gguf] expected a file, got none; check the path");
    }
  });
}

TEST(RollCall, TheLeadersFailureRefusesTheOthers) {
  run_local_group(3, [](Communicator& comm) {
    RollAnswer own = answer_of(comm.rank());
    if (comm.rank() == 0) {
      own.failure = "no";
      EXPECT_NO_THROW(call_roll(comm, own));
      return;
    }
    EXPECT_THROW(call_roll(comm, own), RollRefused);
  });
}

}  // namespace
}  // namespace refocus
