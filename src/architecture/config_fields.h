// Reads typed settings of a config.json, and keeps where each is from.
#pragma once

#include <fmt/core.h>

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "architecture/model_config.h"

namespace refocus {

// A setting's names, the usual one first: {"hidden_size", "n_embd"}. Where a file has several, they must
// agree.
using Keys = std::initializer_list<const char*>;

// One JSON object's settings. null counts as absent, as in transformers. Every read writes a fact to the
// config; every message names the file and the key. The object must outlive this.
class ConfigFields {
 public:
  ConfigFields(const nlohmann::json& object, std::string where, ModelConfig& config, std::string inside = "");

  bool has(const char* key) const;     // there, and not null
  bool states(const char* key) const;  // there, or null
  bool any(Keys keys) const;

  // Whole numbers from 1 to 2^31.
  std::int64_t size(Keys keys) const;
  std::int64_t size_or(Keys keys, std::int64_t fallback) const;
  std::optional<std::int64_t> optional_size(Keys keys) const;
  // Positive, finite numbers.
  double positive(Keys keys) const;
  double positive_or(Keys keys, double fallback) const;
  std::optional<double> optional_positive(Keys keys) const;
  bool flag_or(Keys keys, bool fallback) const;
  std::string text_or(Keys keys, std::string fallback) const;
  std::vector<double> positive_list(const char* key) const;
  std::optional<std::vector<std::string>> text_list(const char* key) const;
  std::optional<std::vector<std::int64_t>> integer_list(const char* key) const;

  // The settings of an object within this one, which must be there.
  ConfigFields object(const char* key) const;

  [[noreturn]] void refuse(const char* key, std::string_view expected,
                           std::string_view remedy = "correct the file, or download it again") const;
  void fact(std::string name, std::string value, std::string source) const;
  void warn(std::string text) const;  // `[where] ` is put before it

  const std::string& where() const { return where_; }
  const std::string& inside() const { return inside_; }
  ModelConfig& config() const { return config_; }

  // The keys of this object.
  std::vector<std::string> keys() const;
  // A value as it stands in the file, for messages; "none" where there is none.
  std::string shown(const char* key) const;

 private:
  const nlohmann::json* find(const char* key) const;
  // The value under the first of the names that is there, or null.
  const nlohmann::json* find(Keys keys, const char*& key) const;
  void read(const char* key, const std::string& value) const;  // a fact from the file
  void assumed(Keys keys, const std::string& value) const;     // a fact that the file does not state
  std::string path(const char* key) const;
  std::int64_t as_size(const char* key, const nlohmann::json* value) const;
  double as_positive(const char* key, const nlohmann::json* value) const;

  const nlohmann::json& object_;
  std::string where_, inside_;
  ModelConfig& config_;
};

}  // namespace refocus
