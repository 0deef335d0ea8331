#include "analyze/attention_maps.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/json_node.h"
#include "io/weight_file.h"
#include "tensor/tensor_view.h"

namespace refocus {
namespace {

template <class List>
std::int64_t length(const List& list) {
  return static_cast<std::int64_t>(list.size());
}

// Puts the entries of one row after the other, each row's given in any order, behind others by rising key.
class RowsByKey {
 public:
  RowsByKey(std::int64_t keys, MapRows& out)
      : given_(static_cast<std::size_t>(keys / 64 + 1)),
        weights_(static_cast<std::size_t>(keys)),
        out_(out) {}

  // False where the row has the key already.
  bool add(std::int64_t key, float weight) {
    std::uint64_t& word = given_[static_cast<std::size_t>(key / 64)];
    const std::uint64_t bit = std::uint64_t{1} << (key % 64);
    if ((word & bit) != 0) return false;
    word |= bit;
    weights_[static_cast<std::size_t>(key)] = weight;
    return true;
  }

  // Of keys up to `query`.
  void end_row(std::int64_t query, float rest) {
    for (std::int64_t first = 0; first <= query; first += 64) {
      for (std::uint64_t& word = given_[static_cast<std::size_t>(first / 64)]; word != 0; word &= word - 1) {
        const std::int64_t key = first + std::countr_zero(word);
        out_.keys.push_back(static_cast<std::int32_t>(key));
        out_.weights.push_back(weights_[static_cast<std::size_t>(key)]);
      }
    }
    out_.rest.push_back(rest);
    out_.offsets.push_back(length(out_.keys));
  }

 private:
  std::vector<std::uint64_t> given_;  // a bit for each key of the row
  std::vector<float> weights_;        // by key
  MapRows& out_;
};

// A row's `most` weights that are largest in size.
void add_dense_row(const std::vector<float>& row, std::int64_t query, std::int64_t most, RowsByKey& out) {
  std::vector<std::int32_t> order(static_cast<std::size_t>(query + 1));
  std::iota(order.begin(), order.end(), 0);
  const auto kept = static_cast<std::ptrdiff_t>(std::min<std::int64_t>(most, query + 1));
  const auto larger = [&](std::int32_t a, std::int32_t b) {
    const float x = std::abs(row[static_cast<std::size_t>(a)]),
                y = std::abs(row[static_cast<std::size_t>(b)]);
    return x != y ? x > y : a < b;
  };
  if (kept < length(order)) std::ranges::nth_element(order, order.begin() + kept, larger);
  double others = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const float weight = row[static_cast<std::size_t>(order[i])];
    if (static_cast<std::ptrdiff_t>(i) < kept) {
      out.add(order[i], weight);
    } else {
      others += weight;
    }
  }
  out.end_row(query, static_cast<float>(others));
}

}  // namespace

ArmMaps::ArmMaps(const std::filesystem::path& directory, const nlohmann::json& arm,
                 const nlohmann::json& capture)
    : directory_(directory) {
  using Node = JsonNode<nlohmann::json>;
  const JsonSource source{where_of(directory / "attention.json"), "capture again"};
  const Node whole(capture, source), one(arm, source);
  const auto own = [&](const char* name) {
    const auto found = one.find(name);
    return found ? *found : whole.at(name);
  };
  for (const auto& member : one.at("files").object().items()) {
    names_[member.key()] = one.at("files").at(member.key()).text();
  }
  for (const Node& query : own("queries").items()) queries_.push_back(query.whole());
  keys_ = own("keys").whole();
  layers_ = length(whole.at("layers").items());
  heads_ = length(whole.at("heads").items());
  dense_ = whole.at("kind").text() == "dense";
  before_ = whole.at("before").flag();
  for (const std::int64_t query : queries_) {
    if (query < 0 || query >= keys_) {
      throw input_error(where_of(directory / "attention.json"),
                        "expected queries below keys ({}), got {}; capture again", keys_, query);
    }
  }
  const std::int64_t queries = length(queries_);
  kept_ = dense_ ? keys_ : std::min(whole.at("top_k").whole(), keys_);
  for (const std::string& end :
       before_ ? std::vector<std::string>{"", "_before"} : std::vector<std::string>{""}) {
    if (dense_) {
      expect_shape("attention" + end, {layers_, heads_, queries, keys_}, true);
    } else {
      expect_shape("top_indices" + end, {layers_, heads_, queries, kept_}, false);
      expect_shape("top_weights" + end, {layers_, heads_, queries, kept_}, true);
      expect_shape("rest" + end, {layers_, heads_, queries}, true);
    }
  }
  expect_shape("received", {layers_, heads_, keys_}, true);
  expect_shape("mask_offsets", {queries * heads_ + 1}, false);
  expect_shape("mask_indices", {-1}, false);
}

// Opens the file of that name; a negative size is any.
void ArmMaps::expect_shape(const std::string& name, std::vector<std::int64_t> shape, bool f32) {
  const auto named = names_.find(name);
  if (named == names_.end()) {
    throw input_error(where_of(directory_ / "attention.json"),
                      "expected '{}' among the files, got none; capture again", name);
  }
  const std::filesystem::path path = directory_ / named->second;
  const NpyFile& opened = files_.try_emplace(name, path).first->second;
  bool same = opened.shape().size() == shape.size() && opened.is_f32() == f32;
  for (std::size_t i = 0; same && i < shape.size(); ++i) same = shape[i] < 0 || shape[i] == opened.shape()[i];
  if (!same) {
    throw input_error(where_of(path), "expected {} of shape {}, got shape {}; capture again",
                      f32 ? "float32" : "integers", shape_text(shape), printable(shape_text(opened.shape())));
  }
}

MapRows ArmMaps::rows(bool before, std::int64_t layer, std::int64_t head, std::int64_t most) const {
  const std::string end = before ? "_before" : "";
  const std::int64_t rows = length(queries_), place = layer * heads_ + head;
  MapRows out;
  RowsByKey by_key(keys_, out);
  if (dense_) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t query = queries_[static_cast<std::size_t>(r)];
      add_dense_row(file("attention" + end).f32((place * rows + r) * keys_, query + 1), query, most, by_key);
    }
    return out;
  }
  const auto indices = file("top_indices" + end).i64(place * rows * kept_, rows * kept_);
  const auto weights = file("top_weights" + end).f32(place * rows * kept_, rows * kept_);
  const auto rest = file("rest" + end).f32(place * rows, rows);
  const auto entries = static_cast<std::size_t>(rows * std::min(most, kept_));
  out.keys.reserve(entries);
  out.weights.reserve(entries);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t query = queries_[static_cast<std::size_t>(r)];
    double others = rest[static_cast<std::size_t>(r)];
    for (std::int64_t k = 0; k < kept_; ++k) {
      const auto at = static_cast<std::size_t>(r * kept_ + k);
      if (indices[at] == -1) break;
      if (indices[at] < 0 || indices[at] > query) {
        throw input_error(where_of(directory_ / names_.at("top_indices" + end)),
                          "expected keys up to {} for query {}, got {}; capture again", query, query,
                          indices[at]);
      }
      if (k >= most) {
        others += weights[at];
      } else if (!by_key.add(indices[at], weights[at])) {
        throw input_error(where_of(directory_ / names_.at("top_indices" + end)),
                          "expected each key of query {} once, got {} twice; capture again", query,
                          indices[at]);
      }
    }
    by_key.end_row(query, static_cast<float>(others));
  }
  return out;
}

MapRows ArmMaps::mask(std::int64_t head) const {
  const std::string where = where_of(directory_ / names_.at("mask_offsets"));
  MapRows out;
  for (std::int64_t r = 0; r < length(queries_); ++r) {
    const auto range = file("mask_offsets").i64(r * heads_ + head, 2);
    if (range[0] < 0 || range[1] < range[0] || range[1] > mask_size()) {
      throw input_error(where, "expected rising offsets up to {}, got {} and {}; capture again", mask_size(),
                        range[0], range[1]);
    }
    for (const std::int64_t key : file("mask_indices").i64(range[0], range[1] - range[0])) {
      const std::int64_t query = queries_[static_cast<std::size_t>(r)];
      if (key < 0 || key > query || (out.offsets.back() < length(out.keys) && key <= out.keys.back())) {
        throw input_error(where, "expected rising keys up to {} for query {}, got {}; capture again", query,
                          query, key);
      }
      out.keys.push_back(static_cast<std::int32_t>(key));
    }
    out.offsets.push_back(length(out.keys));
  }
  return out;
}

std::vector<float> ArmMaps::received(std::int64_t layer) const {
  return file("received").f32(layer * heads_ * keys_, heads_ * keys_);
}

}  // namespace refocus
