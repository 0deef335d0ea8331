#include "eval/journal/fingerprint.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "eval/text/sha256.h"

namespace refocus {

namespace {

// Hashes texts one after the other, each with its length, so that no two lists look alike.
class Accumulator {
 public:
  void add(std::string_view text) { state_ = sha256_hex(fmt_length(text) + state_ + std::string(text)); }
  std::string hex() const { return state_; }

 private:
  static std::string fmt_length(std::string_view text) { return std::to_string(text.size()) + ":"; }
  std::string state_;
};

}  // namespace

std::string model_fingerprint(const std::filesystem::path& directory, const std::string& config_json,
                              const WeightMap& weights, const Adapter* adapter) {
  constexpr std::size_t kSample = 4096;
  Accumulator hash;
  hash.add(config_json);
  for (const char* name :
       {"tokenizer.model", "tokenizer.json", "tokenizer_config.json", "generation_config.json"}) {
    hash.add(name);
    if (std::filesystem::exists(directory / name)) hash.add(read_binary_file(directory / name));
  }
  for (const auto& [name, entry] : weights.entries()) {
    hash.add(name);
    hash.add(name_of(entry.view.dtype));
    hash.add(shape_text(entry.view.shape));
    const std::size_t bytes = entry.view.bytes(), sample = std::min(bytes, kSample);
    const char* data = reinterpret_cast<const char*>(entry.view.data);
    hash.add({data, sample});
    hash.add({data + bytes - sample, sample});
  }
  const auto values = [](const std::vector<float>& v) {
    return std::string_view(reinterpret_cast<const char*>(v.data()), v.size() * sizeof(float));
  };
  if (adapter != nullptr) {
    for (const auto& [name, change] : adapter->matrices) {
      hash.add(name + " " + shape_text({change.rank, change.inputs, change.outputs}));
      hash.add(values(change.a));
      hash.add(values(change.b));
    }
  }
  return hash.hex().substr(0, 16);
}

std::string data_fingerprint(const std::vector<Task>& tasks) {
  Accumulator hash;
  for (const Task& task : tasks) {
    std::string all = task.name;
    for (const Item& item : task.items) {
      const nlohmann::json line = {item.subject, item.index, item.fields, item.choices,
                                   item.label ? std::string(1, *item.label) : ""};
      all += json_text(line) + "\n";
    }
    hash.add(all);
  }
  return hash.hex().substr(0, 16);
}

}  // namespace refocus
