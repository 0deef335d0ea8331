// Statistics from rows, against NumPy's from whole maps: golden/attention/make_goldens.py.
#include "analyze/attention_statistics.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>

#include "base/text_file.h"
#include "io/npy.h"
#include "kernels/matmul.h"
#include "kernels/weight_row.h"
#include "support.h"

namespace refocus {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

fs::path folder() { return testing::golden("attention"); }

const json& cases() {
  static const json all = json::parse(read_text_file(folder() / "cases.json")).at("cases");
  return all;
}

// A golden text: maps of [layers, heads, queries, keys].
struct Text {
  NpyArray before, after;
  std::vector<std::int64_t> queries;
  std::vector<TokenClass> classes;

  explicit Text(const json& text)
      : before(read_npy(folder() / text.at("before").get<std::string>())),
        after(read_npy(folder() / text.at("after").get<std::string>())),
        queries(text.at("queries").get<std::vector<std::int64_t>>()) {
    for (const json& name : text.at("classes")) {
      std::size_t c = 0;
      while (token_class_name(static_cast<TokenClass>(c)) != name) ++c;
      classes.push_back(static_cast<TokenClass>(c));
    }
  }
  std::int64_t layers() const { return before.shape[0]; }
  std::int64_t heads() const { return before.shape[1]; }
  std::int64_t keys() const { return before.shape[3]; }

  std::vector<float> row(const NpyArray& map, std::int64_t layer, std::int64_t head,
                         std::int64_t place) const {
    const std::int64_t at = ((layer * heads() + head) * std::ssize(queries) + place) * keys();
    std::vector<float> out(map.f32().begin() + at, map.f32().begin() + at + keys());
    out.resize(static_cast<std::size_t>(padded(keys())));
    return out;
  }
};

// How a text is cut into calls, and in which order a call's rows come.
struct Order {
  std::int64_t call = 1000;
  bool shuffled = false;
};

// One call's rows of one layer, as a capture would hand them on.
void give_rows(const Text& text, float threshold, std::int64_t layer, const std::vector<std::int64_t>& places,
               std::int64_t first, AttentionStatistics& to) {
  for (const std::int64_t place : places) {
    for (std::int64_t head = 0; head < text.heads(); ++head) {
      const std::vector<float> before = text.row(text.before, layer, head, place),
                               after = text.row(text.after, layer, head, place),
                               layer0 = text.row(text.after, 0, head, place),
                               mask_row = text.row(text.before, 0, head, place);
      std::vector<std::int32_t> mask;
      CapturedRow row;
      row.position = text.queries[static_cast<std::size_t>(place)];
      for (std::int32_t j = 0; j < row.position; ++j) {
        if (mask_row[static_cast<std::size_t>(j)] > threshold) mask.push_back(j);
      }
      row.layer = row.layer_place = layer;
      row.head_place = head;
      row.query_place = place;
      row.row = row.position - first;
      row.rewritten = before != after;
      row.negative = any_negative(after.data(), text.keys());
      row.before = before.data();
      row.after = row.rewritten ? after.data() : before.data();
      row.layer0 = layer0.data();
      row.mask = mask;
      to.take(row);
    }
  }
}

void give_text(const Text& text, float threshold, const Order& order, ThreadPool& pool,
               AttentionStatistics& to) {
  std::mt19937 engine(5);
  to.begin_text(text.classes, text.queries);
  for (std::int64_t first = 0; first < text.keys(); first += order.call) {
    std::vector<std::int64_t> places;
    for (std::size_t q = 0; q < text.queries.size(); ++q) {
      if (text.queries[q] >= first && text.queries[q] < first + order.call) {
        places.push_back(static_cast<std::int64_t>(q));
      }
    }
    for (std::int64_t layer = 0; layer < text.layers(); ++layer) {
      if (order.shuffled) std::shuffle(places.begin(), places.end(), engine);
      give_rows(text, threshold, layer, places, first, to);
    }
    to.end_call(pool, first, std::min(order.call, text.keys() - first));
  }
  to.end_text(pool);
}

AttentionStatistics statistics_of(const json& one, const Order& order, int threads = 2) {
  ThreadPool pool(threads);
  std::vector<Text> texts;
  for (const json& text : one.at("texts")) texts.emplace_back(text);
  std::int64_t keys = 0;
  for (const Text& text : texts) keys = std::max(keys, text.keys());
  const float threshold = one.at("threshold").get<float>();
  AttentionStatistics out(texts[0].layers(), texts[0].heads(), std::min(order.call, keys), keys,
                          {one.at("window").get<std::int64_t>(), threshold});
  for (const Text& text : texts) give_text(text, threshold, order, pool, out);
  return out;
}

// {statistic: {class: [layers, heads] in one list}}, NaN as null.
json flat(const AttentionStatistics& statistics) {
  json out;
  for (const StatisticGrid& grid : statistics.grids()) {
    out[grid.name] = json::object();
    for (std::size_t c = 0; c < kClassRows; ++c) {
      const bool any =
          std::any_of(grid.values[c].begin(), grid.values[c].end(), [](double v) { return !std::isnan(v); });
      if (any) out[grid.name][std::string(class_row_name(c))] = grid.values[c];
    }
  }
  return out;
}

TEST(AttentionStatistics, EqualNumPysOnDenseMaps) {
  for (const json& one : cases()) {
    const json got = flat(statistics_of(one, {}));
    std::size_t compared = 0;
    for (const auto& [name, by_class] : one.at("statistics").items()) {
      for (const auto& [token_class, layers] : by_class.items()) {
        std::vector<json> expected;
        for (const json& layer : layers) expected.insert(expected.end(), layer.begin(), layer.end());
        const bool known = std::ranges::any_of(expected, [](const json& v) { return !v.is_null(); });
        if (!known) continue;
        const std::string what = one.at("name").get<std::string>() + " " + name + " " + token_class;
        ASSERT_TRUE(got.contains(name) && got[name].contains(token_class)) << what;
        for (std::size_t i = 0; i < expected.size(); ++i) {
          if (expected[i].is_null()) {
            ASSERT_TRUE(std::isnan(got[name][token_class][i].get<double>())) << what;
            continue;
          }
          const double want = expected[i].get<double>();
          ASSERT_NEAR(got[name][token_class][i].get<double>(), want, 1e-6 * std::max(0.1, std::abs(want)))
              << what;
        }
        ++compared;
      }
    }
    EXPECT_GE(compared, 100u);
    EXPECT_EQ(got.size(), one.at("statistics").size());
    const AttentionStatistics statistics = statistics_of(one, {});
    const auto rows = [&](const char* name) {
      std::vector<std::int64_t> out;
      for (const json& layer : one.at(name)) out.insert(out.end(), layer.begin(), layer.end());
      return out;
    };
    EXPECT_EQ(statistics.negative_rows(), rows("negative_rows")) << one.at("name");
    EXPECT_EQ(statistics.zero_rows(), rows("zero_rows")) << one.at("name");
  }
}

TEST(AttentionStatistics, NegativeWeightsAreAmongTheGoldens) {
  std::int64_t negative = 0, zeros = 0, missing = 0;
  for (const json& one : cases()) {
    const AttentionStatistics statistics = statistics_of(one, {});
    for (const std::int64_t rows : statistics.negative_rows()) negative += rows;
    for (const std::int64_t rows : statistics.zero_rows()) zeros += rows;
    for (const StatisticGrid& grid : statistics.grids()) {
      if (grid.name == "entropy") {
        missing += std::ranges::count_if(grid.values[kAllClasses], [](double v) { return std::isnan(v); });
      }
      const bool any = std::ranges::any_of(statistics.negative_rows(), [](auto rows) { return rows > 0; });
      EXPECT_TRUE(any || grid.name != "mass_negative") << "else there is no such statistic";
    }
  }
  EXPECT_GT(negative, 100);
  EXPECT_EQ(zeros, 40);
  EXPECT_EQ(missing, 2) << "of both heads of the layer of zeros";
}

TEST(AttentionStatistics, FindsNumPysOutliers) {
  std::size_t compared = 0;
  for (const json& one : cases()) {
    const AttentionStatistics statistics = statistics_of(one, {});
    const json& expected = one.at("outliers");
    ASSERT_EQ(statistics.outliers().size(), expected.size()) << one.at("name");
    for (std::size_t i = 0; i < expected.size(); ++i, ++compared) {
      const LayerHeadOutlier& got = statistics.outliers()[i];
      EXPECT_EQ(got.layer_place, expected[i].at("layer"));
      EXPECT_EQ(got.head_place, expected[i].at("head"));
      EXPECT_EQ(got.key.key, expected[i].at("key"));
      EXPECT_NEAR(got.key.received, expected[i].at("received").get<double>(), 1e-7);
      EXPECT_NEAR(got.key.ratio / expected[i].at("ratio").get<double>(), 1, 1e-6);
      EXPECT_NEAR(got.key.z / expected[i].at("z").get<double>(), 1, 1e-6);
    }
  }
  EXPECT_GE(compared, 10u);
}

TEST(AttentionStatistics, DependOnNeitherCallsNorOrderNorThreads) {
  for (const json& one : cases()) {
    const AttentionStatistics whole = statistics_of(one, {});
    for (const Order& order : {Order{1, false}, Order{7, true}, Order{16, false}, Order{1000, true}}) {
      const AttentionStatistics other = statistics_of(one, order, order.shuffled ? 1 : 3);
      EXPECT_EQ(flat(whole).dump(), flat(other).dump()) << one.at("name");
      EXPECT_EQ(whole.received(), other.received());
    }
  }
}

TEST(AttentionStatistics, ReceivedIsTheMeanOverTheQueriesThatSeeAKey) {
  const json& one = cases().at(2);
  const Text text(one.at("texts")[0]);
  const std::vector<float> received = statistics_of(one, {}).received();
  for (std::int64_t key = 0; key < text.keys(); ++key) {
    double sum = 0;
    int seen = 0;
    for (std::size_t q = 0; q < text.queries.size(); ++q) {
      if (text.queries[q] < key) continue;
      sum += text.row(text.after, 1, 1, static_cast<std::int64_t>(q))[static_cast<std::size_t>(key)];
      ++seen;
    }
    const float got = received[static_cast<std::size_t>((1 * text.heads() + 1) * text.keys() + key)];
    EXPECT_NEAR(got, seen == 0 ? 0 : sum / seen, 1e-7) << key;
  }
}

TEST(PositionBuckets, BeginAtPowersOfFour) {
  const std::pair<std::int64_t, std::size_t> places[] = {{0, 0},  {1, 1},  {3, 1},   {4, 2},
                                                         {63, 3}, {64, 4}, {5000, 6}};
  for (const auto& [position, bucket] : places) EXPECT_EQ(position_bucket(position), bucket) << position;
}

}  // namespace
}  // namespace refocus
