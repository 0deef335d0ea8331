// Reads a directory of `refocus attention` (docs/attention.md), a layer and head at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/npy.h"

namespace refocus {

// Weights of some rows: those of one layer and head.
struct MapRows {
  std::vector<std::int64_t> offsets = {0};  // [rows + 1], into keys and weights
  std::vector<std::int32_t> keys;           // ascending within a row
  std::vector<float> weights;
  std::vector<float> rest;  // [rows], the sum of the row's other weights
};

// One arm's folder.
class ArmMaps {
 public:
  // `arm`: its object in attention.json, `capture`: the whole of it. InputError where a file is missing or
  // has another shape.
  ArmMaps(const std::filesystem::path& directory, const nlohmann::json& arm, const nlohmann::json& capture);

  const std::vector<std::int64_t>& queries() const { return queries_; }
  std::int64_t keys() const { return keys_; }
  bool dense() const { return dense_; }
  bool has_before() const { return before_; }
  // The most weights that the files have of a row.
  std::int64_t kept() const { return kept_; }

  // By places in layers and heads: each row's `most` weights that are largest in size.
  // InputError for a key that is none of the row's.
  MapRows rows(bool before, std::int64_t layer, std::int64_t head, std::int64_t most) const;
  // M of every query: keys, without weights.
  MapRows mask(std::int64_t head) const;
  std::int64_t mask_size() const { return file("mask_indices").size(); }
  // [heads, keys] of a layer.
  std::vector<float> received(std::int64_t layer) const;

 private:
  const NpyFile& file(const std::string& name) const { return files_.at(name); }
  void expect_shape(const std::string& name, std::vector<std::int64_t> shape, bool f32);

  std::filesystem::path directory_;
  std::map<std::string, std::string> names_;  // files of attention.json
  std::map<std::string, NpyFile> files_;
  std::vector<std::int64_t> queries_;
  std::int64_t layers_ = 0, heads_ = 0, keys_ = 0, kept_ = 0;
  bool dense_ = false, before_ = false;
};

}  // namespace refocus
