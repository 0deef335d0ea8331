// Maps in files: dense and sparse ones tell the same, and no file depends on calls.
#include "analyze/map_files.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "analyze/attention_run.h"
#include "base/text_file.h"
#include "io/atomic_directory.h"
#include "io/npy.h"
#include "model/engine.h"

namespace refocus {
namespace {

using testing::Engine;
using testing::TempDir;
namespace fs = std::filesystem;

constexpr std::int64_t kTokens = 60;

AttentionText text() {
  AttentionText out;
  for (int i = 0; i < kTokens; ++i) out.tokens.push_back(1 + i * 41 % 53);
  out.prompt_tokens = 50;  // the others were generated
  out.classes.assign(kTokens, TokenClass::kUnknown);
  for (std::int64_t i = 5; i < kTokens; ++i) out.queries.push_back(i);
  out.lens = {49};
  return out;
}

AttentionSettings settings(const MapSettings& maps) {
  AttentionSettings out;
  out.layers = {0, 2, 3};
  out.heads = {1, 2};
  out.maps = maps;
  return out;
}

// Captures the text in calls of at most so many rows.
AttentionResult capture(const fs::path& folder, const MapSettings& maps, std::int64_t max_rows = 512,
                        const char* intervention = "rebalance:alpha=0.8") {
  Engine engine("gqa-f32", read_text_file(testing::golden_engine() / "gqa-f32/config.json"), 2, max_rows);
  fs::create_directory(folder);
  return capture_text(*engine.model, settings(maps), {"arm", parse_intervention(intervention), 0.01}, text(),
                      folder);
}

// The sparse maps of `dir` are those weights of the dense ones that are largest in size. Returns how many of
// the kept weights are negative.
int expect_largest(const TempDir& dir) {
  int negative = 0;
  for (const std::string suffix : {"", "_before"}) {
    const NpyArray dense = read_npy(dir / ("dense/attention" + suffix + ".npy")),
                   indices = read_npy(dir / ("sparse/top_indices" + suffix + ".npy")),
                   weights = read_npy(dir / ("sparse/top_weights" + suffix + ".npy")),
                   rest = read_npy(dir / ("sparse/rest" + suffix + ".npy"));
    EXPECT_EQ(dense.shape, (std::vector<std::int64_t>{3, 2, 55, kTokens}));
    EXPECT_EQ(indices.shape, (std::vector<std::int64_t>{3, 2, 55, 7}));
    EXPECT_EQ(rest.shape, (std::vector<std::int64_t>{3, 2, 55}));
    for (std::size_t row = 0; row < 3 * 2 * 55; ++row) {
      const std::size_t position = row % 55 + 5;
      const std::span<const float> all(dense.f32().data() + row * kTokens, kTokens);
      for (std::size_t j = position + 1; j < all.size(); ++j) EXPECT_EQ(all[j], 0) << "causal";
      std::vector<std::int64_t> order(position + 1);
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) {
        return std::abs(all[static_cast<std::size_t>(a)]) > std::abs(all[static_cast<std::size_t>(b)]);
      });
      double others = 0;
      for (std::size_t i = 0; i < order.size(); ++i) {
        const float weight = all[static_cast<std::size_t>(order[i])];
        if (i >= 7) {
          others += weight;
          continue;
        }
        EXPECT_EQ(indices.i64()[row * 7 + i], order[i]);
        EXPECT_EQ(weights.f32()[row * 7 + i], weight);
        negative += weight < 0;
      }
      for (std::size_t i = order.size(); i < 7; ++i) EXPECT_EQ(indices.i64()[row * 7 + i], -1);
      EXPECT_NEAR(rest.f32()[row], others, 1e-6);
    }
  }
  return negative;
}

TEST(MapFiles, SparseMapsAreTheDenseOnesLargest) {
  const TempDir dir;
  capture(dir / "dense", {true, 0, true});
  capture(dir / "sparse", {false, 7, true});
  EXPECT_EQ(expect_largest(dir), 0);
  EXPECT_NE(read_text_file(dir / "dense/attention.npy"), read_text_file(dir / "dense/attention_before.npy"));
}

TEST(MapFiles, SparseMapsKeepNegativeWeightsByTheirSize) {
  for (const char* intervention : {"rebalance:alpha=-9", "rebalance:alpha=3,depth=1,mode=self"}) {
    const TempDir dir;
    capture(dir / "dense", {true, 0, true}, 512, intervention);
    capture(dir / "sparse", {false, 7, true}, 512, intervention);
    EXPECT_GT(expect_largest(dir), 200) << intervention;
  }
}

TEST(MapFiles, MasksAreLayerZerosWeightsAboveTheThreshold) {
  const TempDir dir;
  capture(dir / "arm", {true, 0, false});
  const NpyArray dense = read_npy(dir / "arm/attention.npy"),
                 offsets = read_npy(dir / "arm/mask_offsets.npy"),
                 indices = read_npy(dir / "arm/mask_indices.npy");
  ASSERT_EQ(offsets.shape, (std::vector<std::int64_t>{55 * 2 + 1}));
  EXPECT_EQ(indices.shape[0], offsets.i64().back());
  for (std::size_t q = 0; q < 55; ++q) {
    for (std::size_t h = 0; h < 2; ++h) {
      std::vector<std::int64_t> expected;
      for (std::size_t j = 0; j < q + 5; ++j) {
        if (dense.f32()[(h * 55 + q) * kTokens + j] > 0.01f) expected.push_back(static_cast<std::int64_t>(j));
      }
      const auto begin = indices.i64().begin() + offsets.i64()[q * 2 + h],
                 end = indices.i64().begin() + offsets.i64()[q * 2 + h + 1];
      EXPECT_EQ(std::vector(begin, end), expected);
    }
  }
}

TEST(MapFiles, NoFileDependsOnTheCalls) {
  for (const auto& [maps, intervention] :
       {std::pair{MapSettings{true, 0, true}, "rebalance:alpha=0.8"},
        {MapSettings{false, 9, true}, "rebalance:alpha=0.8"},
        {MapSettings{false, 9, true}, "rebalance:alpha=-900,threshold=0.001"}}) {
    const TempDir dir;
    const AttentionResult whole = capture(dir / "whole", maps, 512, intervention);
    for (const std::int64_t rows : {1, 16, 33}) {
      const fs::path part = dir / std::to_string(rows);
      const AttentionResult cut = capture(part, maps, rows, intervention);
      EXPECT_EQ(cut.files, whole.files);
      for (const std::string& name : whole.files) {
        EXPECT_EQ(read_text_file(part / (name + ".npy")), read_text_file(dir / ("whole/" + name + ".npy")))
            << name;
      }
      for (std::size_t g = 0; g < whole.grids.size(); ++g) {
        for (std::size_t i = 0; i < whole.grids[g].values[kAllClasses].size(); ++i) {
          const double a = cut.grids[g].values[kAllClasses][i], b = whole.grids[g].values[kAllClasses][i];
          EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b)))
              << whole.grids[g].name << " " << a << " " << b;
        }
      }
    }
  }
}

TEST(MapFiles, AFullDiskIsAnErrorOfInput) {
  const TempDir dir;
  EXPECT_THAT(testing::error_of([&] { NpySlabs("/dev/full/x.npy", NpyType::kF32, {3}); }),
              ::testing::HasSubstr("cannot be written"));
  NpySlabs slabs(dir / "a.npy", NpyType::kI32, {NpySlabs::kAsWritten, 2});
  slabs.write(2, std::vector<std::int32_t>{3, 4});
  slabs.write(0, std::vector<std::int32_t>{1, 2});
  slabs.finish();
  const NpyArray read = read_npy(dir / "a.npy");
  EXPECT_EQ(read.shape, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(read.i64(), (std::vector<std::int64_t>{1, 2, 3, 4}));
}

TEST(AtomicDirectory, AppearsWholeOrNotAtAll) {
  const TempDir dir;
  const fs::path path = dir / "out";
  {
    AtomicDirectory abandoned(path, "", "rename");
    write_file_atomically(abandoned.path() / "a", "1");
  }
  EXPECT_TRUE(fs::is_empty(dir.path())) << "nothing is left";
  const auto write = [&](const std::string& text, const std::string& replaced_if) {
    AtomicDirectory directory(path.string() + "/", replaced_if, "use another");
    write_file_atomically(directory.path() / "marker", text);
    EXPECT_NE(fs::exists(path) ? read_text_file(path / "marker") : "", text);
    directory.commit();
  };
  write("first", "");
  EXPECT_THAT(testing::error_of([&] { write("second", ""); }), ::testing::HasSubstr("use another"));
  EXPECT_THAT(testing::error_of([&] { write("second", "another_marker"); }),
              ::testing::HasSubstr("another_marker"));
  EXPECT_EQ(read_text_file(path / "marker"), "first");
  write("second", "marker");
  EXPECT_EQ(read_text_file(path / "marker"), "second");
  EXPECT_EQ(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator()), 1)
      << "the old one is gone";
}

}  // namespace
}  // namespace refocus
