// Cache blocks of prompts' beginnings, kept for later sequences that begin the same way under the same
// intervention.
//
// Keys and values of layers >= 1 depend on the intervention, so its canonical text is part of the key. Only
// full blocks are kept. What no running sequence uses is given up, least recently used first, when memory is
// short.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "model/kv_cache.h"

namespace refocus {

class PrefixCache {
 public:
  explicit PrefixCache(KvPool& pool) : pool_(pool) {}
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The cached blocks of the longest known beginning of `tokens`.
  std::vector<std::int32_t> find(const std::string& intervention, std::span<const std::int32_t> tokens);

  // Keeps `blocks`, which hold the first blocks.size() * kKeyBlock of `tokens`.
  void insert(const std::string& intervention, std::span<const std::int32_t> tokens,
              std::span<const std::int32_t> blocks);

  // Gives up one block that no sequence uses. False where there is none.
  bool evict();

 private:
  using Key =
      std::pair<std::string, std::vector<std::int32_t>>;  // intervention, tokens up to the block's end
  struct Entry {
    std::int32_t block;
    std::uint64_t used;  // time of the last use
  };

  KvPool& pool_;
  std::map<Key, Entry> entries_;
  std::uint64_t time_ = 0;
};

}  // namespace refocus
