// What a request for attention takes, and what it is refused for, before anything is computed.
#include "server/api/attention_keeping.h"

#include <gmock/gmock.h>
#include "server/openai/api_error.h"

namespace refocus::server {
namespace {

using Queries = openai::AttentionRequest::Queries;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const KeeperModel kModel{4, 6, 512, 2};

AttentionSubject subject(std::vector<std::int64_t> prompts, std::int64_t max_tokens, std::int64_t n = 1,
                         const char* spec = "none") {
  return {std::move(prompts), max_tokens, n, parse_intervention(spec)};
}

std::string refused(const openai::AttentionRequest& request, const AttentionSubject& of,
                    const AttentionLimits& limits = {}) {
  try {
    plan_attention(request, of, kModel, limits);
    return "not refused";
  } catch (const openai::ApiError& e) {
    return fmt::format("{} {} {} {}", e.status(), e.fault().code, e.fault().param, e.what());
  }
}

TEST(AttentionPlan, AllLayersAndHeadsAndTheRowsOfTheAnswerUnlessSaid) {
  const AttentionPlan plan = plan_attention({}, subject({5, 9}, 3), kModel, {});
  ASSERT_EQ(plan.prompts.size(), 2u);
  EXPECT_THAT(plan.prompts[0].layers, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(plan.prompts[0].heads, ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(plan.prompts[0].queries, ElementsAre(4, 5, 6));
  EXPECT_THAT(plan.prompts[1].queries, ElementsAre(8, 9, 10));
  EXPECT_EQ(plan.prompts[1].keys, 12);
  EXPECT_EQ(plan.prompts[0].top_k, 32);
  EXPECT_THAT(plan.whole_prompts, ElementsAre(0, 0));
}

TEST(AttentionPlan, ListsAreAscendingAndEachOnce) {
  openai::AttentionRequest request;
  request.layers = {3, 0, 3};
  request.heads = {5};
  request.queries = Queries::kListed;
  request.rows = {7, 2, 2, 100};
  const AttentionPlan plan = plan_attention(request, subject({5}, 4), kModel, {});
  EXPECT_THAT(plan.prompts[0].layers, ElementsAre(0, 3));
  EXPECT_THAT(plan.prompts[0].heads, ElementsAre(5));
  EXPECT_THAT(plan.prompts[0].queries, ElementsAre(2, 7)) << "100 is not reached";
}

TEST(AttentionPlan, AllRowsAreThoseThatAreComputed) {
  openai::AttentionRequest request;
  request.queries = Queries::kAll;
  EXPECT_THAT(plan_attention(request, subject({3}, 2), kModel, {}).prompts[0].queries,
              ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(plan_attention(request, subject({3}, 0), kModel, {}).prompts[0].queries, ElementsAre(0, 1, 2));
}

TEST(AttentionPlan, TakesThresholdAndFactorFromTheIntervention) {
  const AttentionPlan plan =
      plan_attention({}, subject({3}, 2, 1, "rebalance:alpha=3,threshold=0.05"), kModel, {});
  EXPECT_DOUBLE_EQ(plan.prompts[0].threshold, 0.05);
  EXPECT_DOUBLE_EQ(plan.prompts[0].largest_factor, 3);
}

TEST(AttentionPlan, WhatTheModelLacksIsRefusedByName) {
  openai::AttentionRequest request;
  request.layers = {4};
  EXPECT_THAT(
      refused(request, subject({3}, 2)),
      HasSubstr("400  refocus.attention.layers [request] expected layers below 4, which the model has"));
  request.layers = {};
  request.heads = {0, 6};
  EXPECT_THAT(refused(request, subject({3}, 2)), HasSubstr("400  refocus.attention.heads "));
}

TEST(AttentionPlan, NoRowsAreRefused) {
  EXPECT_THAT(refused({}, subject({3}, 0)), HasSubstr("400  refocus.attention.queries "));
  openai::AttentionRequest request;
  request.queries = Queries::kListed;
  request.rows = {9};
  EXPECT_THAT(refused(request, subject({3}, 2)), HasSubstr("positions below 4"));
}

TEST(AttentionPlan, MoreThanARequestMayKeepIsRefusedWithItsSize) {
  // A row: 24 maps of 32 keys and weights and a rest, masks of at most 100 keys of 6 heads; and what 106 keys
  // receive in 24 maps.
  const std::int64_t bytes = 7 * (24 * (32 * 8 + 4) + 6 * 100 * 4) + 24 * 107 * 4;
  EXPECT_EQ(refused({}, subject({100}, 7), {.bytes = std::max<std::int64_t>(bytes, 60000)}), "not refused");
  const std::string said = refused({}, subject({100}, 7, 2), {.bytes = 2 * bytes - 1});
  EXPECT_THAT(said, HasSubstr("400 attention_too_large refocus.attention "));
  EXPECT_THAT(said, HasSubstr("7 rows of 4 layers and 6 heads"));
  EXPECT_EQ(refused({}, subject({100}, 7, 2), {.bytes = 2 * bytes}), "not refused");
}

TEST(AttentionPlan, WhatIsTooLongForTheAnswerItselfIsRefused) {
  openai::AttentionRequest request;
  request.inline_rows = true;
  EXPECT_EQ(refused(request, subject({100}, 7)), "not refused");
  EXPECT_THAT(refused(request, subject({100}, 200)), HasSubstr("refocus.attention.inline"));
}

TEST(AttentionKeeping, RoomIsForAllChoicesOrRefused) {
  AttentionStore store(1 << 20, 60);
  const AttentionPlan plan = plan_attention({}, subject({10}, 4), kModel, {});
  const std::int64_t each = most_bytes(plan.prompts[0]) + keeper_bytes(plan.prompts[0], kModel, 0);
  {
    const AttentionKeeping four(plan, 4, kModel, store);
    EXPECT_FALSE(store.reserve((1 << 20) - 4 * each + 1).has_value());
    EXPECT_TRUE(store.reserve((1 << 20) - 4 * each).has_value());
  }
  EXPECT_TRUE(store.reserve(1 << 20).has_value()) << "given back";
  try {
    const AttentionKeeping many(plan, (1 << 20) / each + 1, kModel, store);
    FAIL();
  } catch (const openai::ApiError& e) {
    EXPECT_EQ(e.status(), 429);
    EXPECT_EQ(e.fault().code, "attention_full");
  }
  EXPECT_TRUE(store.reserve(1 << 20).has_value());
}

}  // namespace
}  // namespace refocus::server
