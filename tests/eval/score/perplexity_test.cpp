// Windows, likelihoods, divergences and their summaries, against NumPy in float64; golden/perplexity has how
// the numbers were made.
#include "eval/score/perplexity.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/text_file.h"
#include "eval/run/perplexity_report.h"
#include "io/npy.h"
#include "kernels/argmax.h"
#include "kernels/distribution.h"
#include "support.h"

namespace refocus {

static bool operator==(const TextWindow& a, const TextWindow& b) {
  return a.begin == b.begin && a.first_counted == b.first_counted && a.end == b.end;
}
static void PrintTo(const TextWindow& w, std::ostream* out) {
  *out << "{" << w.begin << ", " << w.first_counted << ", " << w.end << "}";
}

namespace {

using nlohmann::ordered_json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(SlidingWindows, ScoreEachTokenButTheFirstOnce) {
  EXPECT_THAT(sliding_windows(10, 4, 2), ElementsAre(TextWindow{0, 1, 4}, TextWindow{2, 4, 6},
                                                     TextWindow{4, 6, 8}, TextWindow{6, 8, 10}));
  EXPECT_THAT(sliding_windows(9, 6, 4), ElementsAre(TextWindow{0, 1, 6}, TextWindow{4, 6, 9}));
  EXPECT_THAT(sliding_windows(5, 3, 1),
              ElementsAre(TextWindow{0, 1, 3}, TextWindow{1, 3, 4}, TextWindow{2, 4, 5}));
}

TEST(SlidingWindows, MayBeLongerThanTheText) {
  EXPECT_THAT(sliding_windows(2, 64, 32), ElementsAre(TextWindow{0, 1, 2}));
  EXPECT_THAT(sliding_windows(64, 64, 1), ElementsAre(TextWindow{0, 1, 64}));
}

TEST(SlidingWindows, LeaveOutTheirFirstTokensWhereTheyShareNothing) {
  const std::vector<TextWindow> windows = sliding_windows(10, 4, 4);
  EXPECT_THAT(windows, ElementsAre(TextWindow{0, 1, 4}, TextWindow{4, 5, 8}, TextWindow{8, 9, 10}));
  EXPECT_EQ(counted_tokens(windows), 7);
  // A window of one token would score nothing.
  EXPECT_THAT(sliding_windows(9, 4, 4), ElementsAre(TextWindow{0, 1, 4}, TextWindow{4, 5, 8}));
}

TEST(SlidingWindows, HaveTheContextBeforeWhatTheyScore) {
  for (std::int64_t tokens = 2; tokens < 40; ++tokens) {
    for (std::int64_t context = 2; context < 12; ++context) {
      for (std::int64_t stride = 1; stride < context; ++stride) {
        std::int64_t scored = 1;
        for (const TextWindow& w : sliding_windows(tokens, context, stride)) {
          ASSERT_EQ(w.first_counted, scored);
          ASSERT_LT(w.begin, w.first_counted);
          ASSERT_LT(w.first_counted, w.end);
          ASSERT_LE(w.end - w.begin, context);
          ASSERT_TRUE(w.begin == 0 || w.end - w.first_counted <= stride);
          scored = w.end;
        }
        ASSERT_EQ(scored, tokens);
      }
    }
  }
}

ordered_json golden_rows() {
  return ordered_json::parse(read_text_file(testing::golden("perplexity") / "rows.json"));
}

void expect_near(double got, double want) { EXPECT_NEAR(got, want, 1e-11 * std::max(1.0, std::abs(want))); }

void expect_near(const Estimate& got, const ordered_json& want) {
  expect_near(got.value, want["value"].get<double>());
  ASSERT_TRUE(got.standard_error);
  expect_near(*got.standard_error, want["standard_error"].get<double>());
}

// The golden rows through divergence.h.
struct Rows {
  ordered_json golden = golden_rows();
  TokenScores reference, other;

  Rows() {
    const NpyArray array = read_npy(testing::golden("perplexity") / "logits.npy");
    const auto count = static_cast<std::size_t>(array.shape[1]);
    const auto vocab = static_cast<std::size_t>(array.shape[2]);
    const std::span<const float> all = array.f32();
    for (std::size_t r = 0; r < count; ++r) {
      const std::span<const float> x = all.subspan(r * vocab, vocab);
      const std::span<const float> y = all.subspan((count + r) * vocab, vocab);
      const auto target = golden["targets"][r].get<std::int32_t>();
      const double x_sum = log_sum_exp(x), y_sum = log_sum_exp(y);
      reference.nll.push_back(negative_log_likelihood(x, x_sum, target));
      other.nll.push_back(negative_log_likelihood(y, y_sum, target));
      other.divergence.push_back(kl_divergence(x, x_sum, y, y_sum));
      other.same_top += argmax(x.data(), std::ssize(x)) == argmax(y.data(), std::ssize(y));
    }
  }
};

TEST(Divergence, OfRowsEqualsNumPy) {
  const Rows rows;
  ASSERT_GE(rows.other.nll.size(), 40u);
  ASSERT_EQ(rows.other.nll.size(), rows.golden["nll"].size());
  for (std::size_t r = 0; r < rows.other.nll.size(); ++r) {
    SCOPED_TRACE(r);
    expect_near(rows.reference.nll[r], rows.golden["reference_nll"][r].get<double>());
    expect_near(rows.other.nll[r], rows.golden["nll"][r].get<double>());
    expect_near(rows.other.divergence[r], rows.golden["kl"][r].get<double>());
  }
  EXPECT_EQ(rows.other.same_top, rows.golden["same_top"].get<std::int64_t>());
}

TEST(Divergence, OfARowFromItselfIsNothing) {
  for (const std::vector<float>& row : {std::vector<float>{1, -3, 0.25f, 700}, {0, 0, 0}, {-1e30f, 1e30f}}) {
    EXPECT_EQ(kl_divergence(row, log_sum_exp(row), row, log_sum_exp(row)), 0);
  }
}

TEST(Divergence, HasADirection) {
  // KL(p || q) with p = (1/2, 1/2), q = (1/4, 3/4), and the other way round.
  const std::vector<float> p = {0, 0}, q = {0, std::log(3.0f)};
  const double p_sum = log_sum_exp(p), q_sum = log_sum_exp(q);
  EXPECT_NEAR(kl_divergence(p, p_sum, q, q_sum), 0.5 * std::log(2) + 0.5 * std::log(2.0 / 3), 1e-7);
  EXPECT_NEAR(kl_divergence(q, q_sum, p, p_sum), 0.25 * std::log(0.5) + 0.75 * std::log(1.5), 1e-7);
}

TEST(Summaries, EqualNumPy) {
  const Rows rows;
  const ordered_json& want = rows.golden["summary"];
  const PerplexitySummary perplexity = summarize_perplexity(rows.other);
  expect_near(perplexity.nll, want["nll"]);
  expect_near(perplexity.perplexity, want["perplexity"]);
  expect_near(perplexity.bits.value, want["bits"].get<double>());
  const DivergenceSummary divergence = summarize_divergence(rows.reference, rows.other);
  expect_near(divergence.nll_difference, want["nll_difference"]);
  expect_near(divergence.perplexity_ratio, want["perplexity_ratio"]);
  expect_near(divergence.kl, want["kl"]);
  expect_near(divergence.kl_median, want["kl_median"].get<double>());
  expect_near(divergence.kl_p99, want["kl_p99"].get<double>());
  expect_near(divergence.kl_max, want["kl_max"].get<double>());
  expect_near(divergence.top1_agreement, want["top1_agreement"].get<double>());
}

TEST(Summaries, OfOneTokenHaveNoError) {
  const PerplexitySummary one = summarize_perplexity({{std::log(4.0)}, {}, 0});
  EXPECT_NEAR(one.perplexity.value, 4, 1e-12);
  EXPECT_NEAR(one.bits.value, 2, 1e-12);
  EXPECT_FALSE(one.nll.standard_error || one.perplexity.standard_error || one.bits.standard_error);
}

PerplexityReport report_of(std::size_t arms) {
  PerplexityReport report{"a.txt", 5, 4, 16, 8, 4, 1, {}};
  const TokenScores reference{{1, 2, 3, 2}, {}, 0}, arm{{1, 2, 4, 2}, {0, 0.5, 0.25, 0.25}, 3};
  report.arms.push_back({"m", "none", summarize_perplexity(reference), {}});
  while (report.arms.size() < arms)
    report.arms.push_back({"m", "other", summarize_perplexity(arm), summarize_divergence(reference, arm)});
  return report;
}

TEST(PerplexityReport, JsonHasEveryNumber) {
  const ordered_json out = perplexity_json(report_of(2));
  EXPECT_EQ(out["counted_tokens"], 4);
  EXPECT_FALSE(out["arms"][0].contains("kl_divergence"));
  const ordered_json& arm = out["arms"][1];
  EXPECT_EQ(arm["mean_nll"], 2.25);
  EXPECT_NEAR(arm["bits_per_byte"].get<double>(), 9 / std::log(2) / 16, 1e-12);
  EXPECT_EQ(arm["nll_difference"], 0.25);
  EXPECT_EQ(arm["nll_difference_standard_error"], 0.25);  // of 0, 0, 1, 0
  EXPECT_NEAR(arm["perplexity_ratio"].get<double>(), std::exp(0.25), 1e-12);
  EXPECT_EQ(arm["kl_divergence"]["mean"], 0.25);
  EXPECT_EQ(arm["kl_divergence"]["max"], 0.5);
  EXPECT_EQ(arm["top1_agreement"], 0.75);
}

TEST(PerplexityReport, WithoutBytesHasNoBitsPerByte) {
  PerplexityReport report = report_of(1);
  report.bytes = 0;
  EXPECT_TRUE(perplexity_json(report)["arms"][0]["bits_per_byte"].is_null());
  EXPECT_THAT(perplexity_table(report), HasSubstr("bits per byte                                -\n"));
}

TEST(PerplexityReport, TableKeepsWithinItsColumns) {
  const std::string one = perplexity_table(report_of(1));
  EXPECT_THAT(one, HasSubstr("perplexity of a.txt: 4 of 5 tokens scored in 1 window\n"));
  EXPECT_THAT(one, HasSubstr("mean NLL, nats                 2.0000 ± 0.4082\n"));
  EXPECT_THAT(one, ::testing::Not(HasSubstr("KL")));
  std::istringstream lines(perplexity_table(report_of(5)));
  int headers = 0;
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), 110u) << line;  // in bytes: ± is two
    headers += line.starts_with("mean NLL");
  }
  EXPECT_EQ(headers, 2);
}

}  // namespace
}  // namespace refocus
