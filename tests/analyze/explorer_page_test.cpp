// The explorer's blocks hold what the .npy files say, in the most exact format that fits.
#include "analyze/explorer_page.h"

#include <bit>
#include <cmath>
#include <fstream>
#include <random>

#include "analyze/attention_maps.h"
#include "analyze/explorer_blocks.h"
#include "analyze/explorer_title.h"
#include "base/text_file.h"
#include "io/npy_slabs.h"
#include "support.h"
#include "tensor/half.h"
#include "web/page.h"

namespace refocus {
namespace {

using nlohmann::json;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;

constexpr std::int64_t kLayers = 2, kHeads = 3, kKeys = 150, kTop = 7;

template <class T>
void write_array(const std::filesystem::path& path, NpyType type, const std::vector<std::int64_t>& shape,
                 const std::vector<T>& values) {
  NpySlabs file(path, type, shape);
  file.write(0, std::span<const T>(values));
  file.finish();
}

// A made-up capture of one arm, with rows for all positions; weights are in `dense`, [layers, heads, keys,
// keys].
struct WrittenCapture {
  TempDir dir;
  json attention;
  std::vector<float> dense;

  // `negative`: every fourth key's weights are.
  explicit WrittenCapture(bool whole, bool negative = false) {
    std::filesystem::create_directory(dir / "none");
    std::mt19937 random(7);
    std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
    dense.resize(static_cast<std::size_t>(kLayers * kHeads * kKeys * kKeys));
    json files = {{"mask_offsets", "none/mask_offsets.npy"},
                  {"mask_indices", "none/mask_indices.npy"},
                  {"received", "none/received.npy"}};
    std::vector<std::int32_t> indices;
    std::vector<float> weights, rest;
    for (std::int64_t row = 0; row < kLayers * kHeads * kKeys; ++row) {
      const std::int64_t query = row % kKeys;
      float* values = &dense[static_cast<std::size_t>(row * kKeys)];
      for (std::int64_t key = 0; key <= query; ++key) {
        values[key] = std::pow(uniform(random), 9.0f) / (negative && key % 4 == 1 ? -3.0f : 3.0f);
      }
      add_top(values, query, indices, weights, rest);
    }
    if (whole) {
      write_array(dir / "none/attention.npy", NpyType::kF32, {kLayers, kHeads, kKeys, kKeys}, dense);
      files["attention"] = "none/attention.npy";
    } else {
      write_array(dir / "none/top_indices.npy", NpyType::kI32, {kLayers, kHeads, kKeys, kTop}, indices);
      write_array(dir / "none/top_weights.npy", NpyType::kF32, {kLayers, kHeads, kKeys, kTop}, weights);
      write_array(dir / "none/rest.npy", NpyType::kF32, {kLayers, kHeads, kKeys}, rest);
      for (const char* name : {"top_indices", "top_weights", "rest"}) {
        files[name] = fmt::format("none/{}.npy", name);
      }
    }
    std::vector<std::int64_t> offsets = {0};
    std::vector<std::int32_t> mask;
    for (std::int64_t i = 0; i < kKeys * kHeads; ++i) {
      for (std::int64_t key = i % 3; key < i / kHeads; key += 5)
        mask.push_back(static_cast<std::int32_t>(key));
      offsets.push_back(std::ssize(mask));
    }
    write_array(dir / "none/mask_offsets.npy", NpyType::kI64, {kKeys * kHeads + 1}, offsets);
    write_array(dir / "none/mask_indices.npy", NpyType::kI32, {std::ssize(mask)}, mask);
    write_array(dir / "none/received.npy", NpyType::kF32, {kLayers, kHeads, kKeys},
                std::vector<float>(static_cast<std::size_t>(kLayers * kHeads * kKeys), 0.25f));
    describe(whole, files);
  }

  static void add_top(const float* values, std::int64_t query, std::vector<std::int32_t>& indices,
                      std::vector<float>& weights, std::vector<float>& rest) {
    std::vector<std::int32_t> order;
    for (std::int64_t key = 0; key <= query; ++key) order.push_back(static_cast<std::int32_t>(key));
    std::ranges::stable_sort(
        order, [&](std::int32_t a, std::int32_t b) { return std::abs(values[a]) > std::abs(values[b]); });
    double others = 0;
    for (std::size_t i = kTop; i < order.size(); ++i) others += values[order[i]];
    for (std::size_t i = 0; i < kTop; ++i) {
      indices.push_back(i < order.size() ? order[i] : -1);
      weights.push_back(i < order.size() ? values[order[i]] : 0);
    }
    rest.push_back(static_cast<float>(others));
  }

  void describe(bool whole, const json& files) {
    std::vector<std::int64_t> queries(kKeys);
    for (std::int64_t q = 0; q < kKeys; ++q) queries[static_cast<std::size_t>(q)] = q;
    json tokens = json::array();
    for (std::int64_t i = 0; i < kKeys; ++i) {
      tokens.push_back({{"id", i}, {"text", "</script><b>"}, {"piece", "x"}, {"class", "content"}});
    }
    attention = {{"format", "refocus-attention"},
                 {"version", 1},
                 {"model", {{"path", "a <model>"}}},
                 {"prompt_tokens", kKeys},
                 {"tokens", tokens},
                 {"layers", {0, 1}},
                 {"heads", {0, 1, 2}},
                 {"queries", queries},
                 {"keys", kKeys},
                 {"kind", whole ? "dense" : "sparse"},
                 {"top_k", kTop},
                 {"before", false},
                 {"arms", {{{"name", "none"}, {"directory", "none"}, {"files", files}}}}};
    save();
    write_file_atomically(dir / "statistics.json",
                          R"({"arms": [{"statistics": {"entropy": {"all": [[1, 2, null]]}}}]})");
  }

  void save() { write_file_atomically(dir / "attention.json", attention.dump()); }
  ArmMaps maps() const { return {dir.path(), attention.at("arms")[0], attention}; }
  float weight(std::int64_t layer, std::int64_t head, std::int64_t query, std::int64_t key) const {
    return dense[static_cast<std::size_t>(((layer * kHeads + head) * kKeys + query) * kKeys + key)];
  }
};

// Reads planes back as web/src/attention/data.js does.
struct PlaneReader {
  std::string_view bytes;

  std::vector<std::uint32_t> take(std::size_t count, int width) {
    std::vector<std::uint32_t> out(count);
    for (int b = 0; b < width; ++b) {
      for (std::size_t i = 0; i < count; ++i) {
        out[i] |= std::uint32_t{static_cast<unsigned char>(bytes[static_cast<std::size_t>(b) * count + i])}
                  << (8 * b);
      }
    }
    bytes.remove_prefix(count * static_cast<std::size_t>(width));
    return out;
  }
};

class Maps : public ::testing::TestWithParam<bool> {};

TEST_P(Maps, HaveTheLargestWeightsOfARowByKey) {
  const WrittenCapture capture(GetParam());
  const MapRows rows = capture.maps().rows(false, 1, 2, 4);
  ASSERT_EQ(rows.offsets.size(), std::size_t{kKeys + 1});
  for (std::int64_t query = 0; query < kKeys; ++query) {
    const std::int64_t begin = rows.offsets[static_cast<std::size_t>(query)];
    const std::int64_t end = rows.offsets[static_cast<std::size_t>(query) + 1];
    ASSERT_EQ(end - begin, std::min<std::int64_t>(4, query + 1));
    double sum = rows.rest[static_cast<std::size_t>(query)], all = 0;
    float least = 1;
    std::int32_t last = -1;
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t key = rows.keys[static_cast<std::size_t>(i)];
      EXPECT_GT(key, last);
      last = key;
      EXPECT_EQ(rows.weights[static_cast<std::size_t>(i)], capture.weight(1, 2, query, key));
      least = std::min(least, rows.weights[static_cast<std::size_t>(i)]);
      sum += rows.weights[static_cast<std::size_t>(i)];
    }
    std::int64_t larger = 0;
    for (std::int64_t key = 0; key <= query; ++key) {
      all += capture.weight(1, 2, query, key);
      larger += capture.weight(1, 2, query, key) > least;
    }
    EXPECT_LT(larger, 4);
    EXPECT_NEAR(sum, all, 1e-6);
  }
}

TEST_P(Maps, KeepNegativeWeightsByTheirSize) {
  const WrittenCapture capture(GetParam(), true);
  const MapRows rows = capture.maps().rows(false, 1, 0, 3);
  int negative = 0;
  for (std::int64_t query = 0; query < kKeys; ++query) {
    std::vector<float> sizes;
    for (std::int64_t key = 0; key <= query; ++key)
      sizes.push_back(std::abs(capture.weight(1, 0, query, key)));
    std::ranges::sort(sizes, std::greater());
    std::vector<float> kept;
    for (auto i = static_cast<std::size_t>(rows.offsets[static_cast<std::size_t>(query)]);
         i < static_cast<std::size_t>(rows.offsets[static_cast<std::size_t>(query) + 1]); ++i) {
      EXPECT_EQ(rows.weights[i], capture.weight(1, 0, query, rows.keys[i])) << "with its sign";
      kept.push_back(std::abs(rows.weights[i]));
      negative += rows.weights[i] < 0;
    }
    std::ranges::sort(kept, std::greater());
    sizes.resize(kept.size());
    EXPECT_EQ(kept, sizes) << query;
  }
  EXPECT_GT(negative, 20);
}

TEST_P(Maps, BlocksReadBackAsTheyWere) {
  const WrittenCapture capture(GetParam());
  const MapRows rows = capture.maps().rows(false, 0, 1, 5);
  for (const int width : {4, 2}) {
    for (const int key_bytes : {2, 4}) {
      const std::string block = rows_block(rows, {width, key_bytes, 5, false});
      PlaneReader reader{block};
      const auto counts = reader.take(kKeys, key_bytes);
      const auto steps = reader.take(rows.keys.size(), key_bytes);
      const auto weights = reader.take(rows.weights.size(), width);
      EXPECT_EQ(reader.take(kKeys, width).size(), rows.rest.size());
      EXPECT_TRUE(reader.bytes.empty());
      std::size_t at = 0;
      for (const std::uint32_t count : counts) {
        std::uint32_t key = 0;
        for (std::uint32_t i = 0; i < count; ++i, ++at) {
          key += steps[at];
          EXPECT_EQ(key, static_cast<std::uint32_t>(rows.keys[at]));
          const float weight = width == 4 ? std::bit_cast<float>(weights[at])
                                          : f16_to_f32(static_cast<std::uint16_t>(weights[at]));
          EXPECT_NEAR(weight, rows.weights[at], width == 4 ? 0 : rows.weights[at] / 2048 + 3e-8);
        }
      }
      EXPECT_EQ(at, rows.keys.size());
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DenseAndSparse, Maps, ::testing::Bool());

TEST(Maps, HaveTheMaskOfAHead) {
  const WrittenCapture capture(false);
  const MapRows mask = capture.maps().mask(1);
  for (std::size_t query = 0; query < kKeys; ++query) {
    std::vector<std::int32_t> expected;
    for (std::size_t key = (query * kHeads + 1) % 3; key < query; key += 5) {
      expected.push_back(static_cast<std::int32_t>(key));
    }
    EXPECT_EQ(std::vector<std::int32_t>(mask.keys.begin() + mask.offsets[query],
                                        mask.keys.begin() + mask.offsets[query + 1]),
              expected);
  }
}

TEST(Thumbnails, ShowTheLargestWeightOfTheirCells) {
  MapRows map;
  map.offsets = {0, 1, 2, 4, 5};
  map.keys = {0, 1, 0, 2, 3};
  map.weights = {1.0f, 0.01f, 0.00001f, 0.01f, 0.0f};
  const std::vector<std::int64_t> queries = {0, 1, 2, 3};
  const std::string cells = thumbnail(map, queries, {2, 2, 4});
  const auto cell = [](const std::string& text, std::size_t i) {
    return int{static_cast<unsigned char>(text[i])};
  };
  EXPECT_EQ(cell(cells, 0), 255);      // of 1 and 0.01
  EXPECT_EQ(cell(cells, 1), 0);        // keys after their queries
  EXPECT_EQ(cell(cells, 2), 1);        // less than the scale begins with
  EXPECT_EQ(cell(cells, 3), 1 + 127);  // half of the way from 0.0001 to 1
  MapRows base = map;
  base.weights = {0.9375f, 0.01f, 0.00001f, 0.0725f, 0.0f};
  const std::string less = difference_thumbnail(map, base, queries, {2, 2, 4});
  EXPECT_EQ(cell(less, 0), 128 + 32);  // the root of 0.0625 is a quarter
  EXPECT_EQ(cell(less, 1), 0);
  EXPECT_EQ(cell(less, 2), 128);
  EXPECT_EQ(cell(less, 3), 128 - 32);
}

TEST(Thumbnails, HaveTwoSidesWhereWeightsMayBeNegative) {
  MapRows map;
  map.offsets = {0, 1, 2, 4, 5};
  map.keys = {0, 1, 0, 2, 3};
  map.weights = {-1.0f, 0.01f, 0.00001f, -0.01f, 0.001f};
  const std::vector<std::int64_t> queries = {0, 1, 2, 3};
  const std::string cells = signed_thumbnail(map, queries, {2, 2, 4});
  const auto cell = [&](std::size_t i) { return int{static_cast<unsigned char>(cells[i])}; };
  EXPECT_EQ(cell(0), 1);         // -1, which is larger than 0.01
  EXPECT_EQ(cell(1), 0);         // keys after their queries
  EXPECT_EQ(cell(2), 128);       // less than the scale begins with
  EXPECT_EQ(cell(3), 128 - 64);  // half of the way from -0.0001 to -1
  map.weights = {3.0f, 0, 0, 0.01f, -0.001f};
  const std::string above = signed_thumbnail(map, queries, {2, 2, 4});
  EXPECT_EQ(int{static_cast<unsigned char>(above[0])}, 255) << "no more than the scale has";
  EXPECT_EQ(int{static_cast<unsigned char>(above[3])}, 128 + 64);
}

TEST(ExplorerPage, TakesTheMostExactFormatThatFits) {
  if (!has_page("attention")) GTEST_SKIP() << "the program was built without the pages of web/";
  const WrittenCapture capture(true);
  const ExplorerSize all = write_explorer_page(capture.dir.path());
  EXPECT_EQ(all.weight_bytes, 4);
  EXPECT_EQ(all.entries, kKeys);
  EXPECT_EQ(all.bytes, static_cast<std::int64_t>(std::filesystem::file_size(capture.dir / "attention.html")));
  std::int64_t last = kKeys;
  for (const std::int64_t bytes : {1'100'000, 1'080'000, 1'075'000}) {
    const ExplorerSize less = write_explorer_page(capture.dir.path(), {bytes});
    EXPECT_EQ(less.weight_bytes, 2) << bytes;
    EXPECT_LE(less.entries, last) << bytes;
    EXPECT_LE(less.bytes, bytes);
    last = less.entries;
  }
  EXPECT_LT(last, kKeys);
  EXPECT_GE(write_explorer_page(capture.dir.path(), {1}).entries, 1);
}

TEST(ExplorerPage, HoldsNoTextOfAModelAsHtml) {
  const WrittenCapture capture(false);
  write_explorer_page(capture.dir.path());
  const std::string html = read_text_file(capture.dir / "attention.html");
  EXPECT_THAT(html, HasSubstr("<title>&lt;/script&gt;&lt;b&gt;&lt;/script&gt;"));
  EXPECT_THAT(html, HasSubstr(" – attention of a &lt;model&gt;</title>"));
  EXPECT_THAT(html, Not(HasSubstr("</script><b>")));
}

TEST(ExplorerPage, IsCalledByTheBeginningOfItsPrompt) {
  const auto title = [](json tokens, std::int64_t prompt_tokens) {
    const json capture = {
        {"model", {{"path", "m"}}}, {"prompt_tokens", prompt_tokens}, {"tokens", std::move(tokens)}};
    return explorer_title({capture, {"attention.json", "capture again"}});
  };
  const auto tokens = [](const std::vector<json>& texts) {
    json out = json::array();
    for (const json& text : texts) out.push_back({{"text", text}});
    return out;
  };
  EXPECT_EQ(title(tokens({"", "\n who is", "\t it?", " Ana"}), 3), "who is it? – attention of m")
      << "without what was generated";
  EXPECT_EQ(title(tokens({"", ""}), 2), "Attention of m");
  EXPECT_EQ(title(tokens({std::string(100, 'x')}), 1), std::string(80, 'x') + "... – attention of m");
  EXPECT_THAT(error_of([&] { title(tokens({3}), 1); }),
              HasSubstr("expected a text as 'tokens[0].text', got a number 3"));
  const json task = {{"model", {{"path", "m"}}}};
  EXPECT_EQ(explorer_title({task, {"attention.json", ""}}), "Attention of m");
}

TEST(ExplorerPage, SaysWhatIsWrongWithADirectoryAndLeavesNoPage) {
  const auto error = [](WrittenCapture& capture) {
    capture.save();
    const std::string text = error_of([&] { write_explorer_page(capture.dir.path()); });
    EXPECT_FALSE(std::filesystem::exists(capture.dir / "attention.html"));
    return text;
  };
  WrittenCapture other(false);
  other.attention["format"] = "something";
  EXPECT_THAT(error(other), HasSubstr("expected refocus-attention version 1, got \"something\" 1"));
  WrittenCapture missing(false);
  missing.attention.erase("keys");
  EXPECT_THAT(error(missing), HasSubstr("expected 'keys', got none"));
  WrittenCapture shape(false);
  shape.attention["top_k"] = kTop + 1;
  EXPECT_THAT(
      error(shape),
      HasSubstr("top_indices.npy] expected integers of shape [2, 3, 150, 8], got shape [2, 3, 150, 7]"));
  WrittenCapture keys(false);
  std::filesystem::remove(keys.dir / "none/top_indices.npy");
  write_array(keys.dir / "none/top_indices.npy", NpyType::kI32, {kLayers, kHeads, kKeys, kTop},
              std::vector<std::int32_t>(static_cast<std::size_t>(kLayers * kHeads * kKeys * kTop), 5));
  EXPECT_THAT(error(keys), HasSubstr("expected keys up to 0 for query 0, got 5"));
  WrittenCapture twice(false);
  std::filesystem::remove(twice.dir / "none/top_indices.npy");
  write_array(twice.dir / "none/top_indices.npy", NpyType::kI32, {kLayers, kHeads, kKeys, kTop},
              std::vector<std::int32_t>(static_cast<std::size_t>(kLayers * kHeads * kKeys * kTop), 0));
  EXPECT_THAT(error(twice), HasSubstr("top_indices.npy] expected each key of query 0 once, got 0 twice"));
}

TEST(ExplorerPage, SaysWhichPartOfTheOriginsIsDamaged) {
  const WrittenCapture capture(true);
  const auto write = [&](const std::string& origins) {
    write_file_atomically(
        capture.dir / "statistics.json",
        R"({"arms": [{"statistics": {"entropy": {"all": [[1]]}}, "origins": )" + origins + "}]}");
    write_explorer_page(capture.dir.path());
  };
  using ::testing::HasSubstr;
  using ::testing::ThrowsMessage;
  EXPECT_THAT([&] { write("3"); }, ThrowsMessage<InputError>(HasSubstr("origins")));
  EXPECT_THAT([&] { write(R"({"groups": {}})"); }, ThrowsMessage<InputError>(HasSubstr("origins.groups")));
  EXPECT_THAT([&] { write(R"({"groups": [], "queries": {}, "keys": {}, "even": {}})"); },
              ThrowsMessage<InputError>(HasSubstr("origins.shares")));
  EXPECT_NO_THROW(write(R"({"groups": [], "queries": {}, "keys": {}, "even": {}, "shares": {}})"));
  EXPECT_NO_THROW(write("null"));
}

}  // namespace
}  // namespace refocus
