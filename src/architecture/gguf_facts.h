// What the GGUF files of a family say beside what those of all families do, in terms of its config.json.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// The metadata of one file. Keys are without the architecture's name that stands before them; InputError
// where one has another type or value than is asked for.
class GgufSettings {
 public:
  virtual ~GgufSettings() = default;
  virtual bool has_tensor(std::string_view name) const = 0;
  virtual std::optional<std::int64_t> count(
      const std::string& key) const = 0;  // positive; 0 counts as absent
  virtual std::optional<double> positive(const std::string& key) const = 0;
  virtual std::optional<bool> flag(const std::string& key) const = 0;
  [[noreturn]] virtual void refuse(const std::string& key, std::string_view expected,
                                   std::string_view got) const = 0;
};

// A number of the metadata that the family computes with.
struct GgufNumber {
  const char* gguf;
  const char* config;                           // its name in config.json
  std::optional<double> absent = std::nullopt;  // what files without it mean; nothing: null
};

struct GgufFacts {
  // Where several families share an architecture: whether a file is of this one.
  bool (*is_of)(const GgufSettings& settings) = nullptr;
  enum class Windows {
    kNone,
    kAllLayers,  // sliding_window
    kSomeLayers  // sliding_window and layer_types; the family's own pattern where a file has none
  };
  Windows windows = Windows::kNone;
  bool local_theta = false;  // rope.freq_base_swa is one; `add` says where it stands in config.json
  std::vector<GgufNumber> numbers = {};
  const char* expert_size = "intermediate_size";
  bool parallel_flag = false;  // use_parallel_residual counts, under the same name
  // Adds the family's other settings to a config.json that has all the above.
  void (*add)(const GgufSettings& settings, nlohmann::ordered_json& config) = nullptr;
};

}  // namespace refocus
