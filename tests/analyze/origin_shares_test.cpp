// Shares by origin from rows that are given by hand; tests/cli/attention_origins_test.cpp compares whole
// maps.
#include "analyze/origin_shares.h"

#include <algorithm>
#include <cmath>

#include "support.h"

namespace refocus {
namespace {

using ::testing::ElementsAre;

const OriginGroup kTemplateGroup{OriginKind::kTemplate}, kDataGroup{OriginKind::kData},
    kQuestion{OriginKind::kField, -1, "question"};

// Two tokens of a template, three of a question.
const std::vector<OriginRun> kRuns = {{0, 2, {kTemplateGroup}}, {2, 5, {kDataGroup, kQuestion}}};

struct GivenRow {
  std::int64_t position;
  std::vector<float> weights;
};

// One layer and head, calls of two rows; the rows of a call from the last to the first where `backwards`.
OriginShareTable table_of(const std::vector<OriginRun>& runs, const std::vector<GivenRow>& rows,
                          bool backwards = false) {
  const std::vector<OriginRun>* texts[] = {&runs};
  OriginShares shares(1, 1, 2, texts);
  ThreadPool pool(2);
  std::vector<std::int64_t> queries;
  for (const GivenRow& row : rows) queries.push_back(row.position);
  shares.begin_text(runs, queries, 4);
  for (std::int64_t first = 0; first < runs.back().end; first += 2) {
    std::vector<GivenRow> call;
    for (const GivenRow& row : rows) {
      if (row.position >= first && row.position < first + 2) call.push_back(row);
    }
    if (backwards) std::ranges::reverse(call);
    for (const GivenRow& given : call) {
      CapturedRow row;
      row.position = given.position;
      row.row = given.position - first;
      row.after = row.before = row.layer0 = given.weights.data();
      row.negative = std::ranges::any_of(given.weights, [](float w) { return w < 0; });
      shares.take(row);
    }
    shares.end_call(pool, first, std::min<std::int64_t>(2, runs.back().end - first));
  }
  return shares.table();
}

TEST(OriginShares, AreOfSizesAndOverTheRowsThatHaveAny) {
  const std::vector<GivenRow> rows = {
      {1, {0.25f, 0.75f}}, {2, {0.5f, 0.25f, -0.25f}}, {3, {0, 0, 0, 0}}, {4, {0.5f, 0, 0, 1, 0.5f}}};
  const OriginShareTable table = table_of(kRuns, rows);
  ASSERT_THAT(table.groups, ElementsAre("template", "data", "field:question"));
  EXPECT_THAT(table.keys, ElementsAre(2, 3, 3));
  EXPECT_THAT(table.queries, ElementsAre(4, 1, 1, 3, 3)) << "all, last and the groups";
  const auto share = [&](std::size_t row, std::size_t group) { return table.share(row, group)[0]; };
  EXPECT_DOUBLE_EQ(share(kAllRows, 0), (1 + 0.75 + 0.25) / 3) << "a row of zeros has no shares";
  EXPECT_DOUBLE_EQ(share(kAllRows, 1), (0 + 0.25 + 0.75) / 3);
  EXPECT_DOUBLE_EQ(share(kLastRow, 0), 0.25);
  EXPECT_DOUBLE_EQ(share(kFirstGroupRow, 0), 1) << "of the template's one row";
  EXPECT_DOUBLE_EQ(share(kFirstGroupRow + 2, 2), (0.25 + 0.75) / 2);
  EXPECT_DOUBLE_EQ(table.even_share(kAllRows, 0), (1 + 2 / 3.0 + 2 / 4.0 + 2 / 5.0) / 4);
  EXPECT_DOUBLE_EQ(table.even_share(kLastRow, 2), 3 / 5.0);
  EXPECT_EQ(table.row_name(kLastRow), "last");
  EXPECT_EQ(table.row_name(4), "field:question");
}

TEST(OriginShares, OfRowsOfZerosAloneAreUnknown) {
  const OriginShareTable table = table_of(kRuns, {{1, {0, 0}}, {4, {1, 0, 0, 0, 0}}});
  EXPECT_TRUE(std::isnan(table.share(kFirstGroupRow, 0)[0]));
  EXPECT_EQ(table.share(kAllRows, 0)[0], 1);
  EXPECT_TRUE(std::isnan(table_of(kRuns, {{1, {0, 0}}}).even_share(kLastRow, 0)))
      << "a row that was not kept";
}

TEST(OriginShares, DoNotDependOnTheOrderInWhichRowsCome) {
  const std::vector<GivenRow> rows = {{0, {0.1f}},
                                      {1, {0.3f, 0.1f}},
                                      {2, {0.1f, 0.7f, 0.3f}},
                                      {3, {0.2f, 0.1f, 0.3f, 0.9f}},
                                      {4, {0.1f, 0.1f, 0.7f, 0.3f, 0.3f}}};
  EXPECT_EQ(table_of(kRuns, rows).shares, table_of(kRuns, rows, true).shares);
}

}  // namespace
}  // namespace refocus
