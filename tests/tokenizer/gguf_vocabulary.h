// The vocabulary in the metadata of a GGUF file, whatever its model and the types of its tensors are: so that
// tokenizers of real files can be tested where the program cannot run the model.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "base/stored_vocabulary.h"

namespace refocus::testing {

class GgufMetadataReader {
 public:
  explicit GgufMetadataReader(const std::filesystem::path& path) : in_(path, std::ios::binary) {
    if (text(4) != "GGUF") throw std::runtime_error("no GGUF file");
    number<std::uint32_t>();
    number<std::uint64_t>();
    for (auto pairs = number<std::uint64_t>(); pairs > 0; --pairs) {
      const std::string key = text(number<std::uint64_t>());
      values_[key] = value(number<std::uint32_t>());
    }
    if (!in_) throw std::runtime_error("cut short");
  }
  const nlohmann::json& values() const { return values_; }

 private:
  template <class T>
  T number() {
    T value{};
    in_.read(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  std::string text(std::uint64_t size) {
    std::string out(size, ' ');
    in_.read(out.data(), static_cast<std::streamsize>(size));
    return out;
  }
  nlohmann::json value(std::uint32_t type) {
    switch (type) {
      case 0:
        return number<std::uint8_t>();
      case 1:
        return number<std::int8_t>();
      case 2:
        return number<std::uint16_t>();
      case 3:
        return number<std::int16_t>();
      case 4:
        return number<std::uint32_t>();
      case 5:
        return number<std::int32_t>();
      case 6:
        return number<float>();
      case 7:
        return number<std::uint8_t>() != 0;
      case 8:
        return text(number<std::uint64_t>());
      case 9:
        break;
      default:
        throw std::runtime_error("a type of eight bytes");
    }
    nlohmann::json list = nlohmann::json::array();
    const auto element = number<std::uint32_t>();
    for (auto count = number<std::uint64_t>(); count > 0; --count) list.push_back(value(element));
    return list;
  }

  std::ifstream in_;
  nlohmann::json values_ = nlohmann::json::object();
};

inline StoredVocabulary gguf_vocabulary(const std::filesystem::path& path) {
  const GgufMetadataReader reader(path);
  const auto get = [&](const char* key, auto& out) {
    const auto found = reader.values().find(std::string("tokenizer.ggml.") + key);
    if (found != reader.values().end()) out = found->get<std::decay_t<decltype(out)>>();
  };
  const auto maybe = [&](const char* key, auto& out) {
    typename std::decay_t<decltype(out)>::value_type value{};
    if (!reader.values().contains(std::string("tokenizer.ggml.") + key)) return;
    get(key, value);
    out = value;
  };
  StoredVocabulary out;
  get("model", out.model);
  get("pre", out.pre);
  get("tokens", out.tokens);
  get("scores", out.scores);
  get("token_type", out.types);
  get("merges", out.merges);
  maybe("bos_token_id", out.bos_id);
  maybe("eos_token_id", out.eos_id);
  maybe("eot_token_id", out.eot_id);
  maybe("unknown_token_id", out.unknown_id);
  maybe("add_bos_token", out.add_bos);
  maybe("add_eos_token", out.add_eos);
  maybe("add_space_prefix", out.add_space_prefix);
  maybe("remove_extra_whitespaces", out.remove_extra_whitespaces);
  return out;
}

}  // namespace refocus::testing
