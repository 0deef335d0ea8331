// Cache blocks of prompts' beginnings, kept for later sequences that begin the same way under the same
// intervention.
//
// Keys and values of layers >= 1 depend on the intervention and on what it acts on, so its canonical text and
// its marks on the tokens are part of the key. Only
// full blocks are kept; of layers with a window only what rows after the end of a kept beginning see, so that
// a shorter beginning of it may be of no use. What no running sequence uses is given up, least recently used
// first, when memory is short.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "intervene/target.h"
#include "model/kv_cache.h"

namespace refocus {

// A token of a prompt, and in the upper half what its intervention does at it: equal beginnings have equal
// keys and values.
using PrefixToken = std::uint64_t;

// Of tokens at the beginning of a prompt that `target`, or null, is aimed at.
std::vector<PrefixToken> prefix_tokens(std::span<const std::int32_t> tokens,
                                       const InterventionTarget* target);

class PrefixCache {
 public:
  explicit PrefixCache(KvPool& pool) : pool_(pool) {}
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  // The cached blocks of the longest beginning of `tokens` after which a sequence can go on: with all parts
  // that rows after it see, and no others.
  std::vector<KvBlock> find(const std::string& intervention, std::span<const PrefixToken> tokens);

  // Keeps `blocks`, which hold the first blocks.size() * kKeyBlock of `tokens`, with all parts that rows
  // after them see.
  void insert(const std::string& intervention, std::span<const PrefixToken> tokens,
              std::span<const KvBlock> blocks);

  // Gives up what no sequence uses of one block. False where there is nothing.
  bool evict();

 private:
  using Key = std::pair<std::string, std::vector<PrefixToken>>;  // intervention, tokens up to the block's end
  struct Entry {
    KvBlock block;
    std::uint64_t used = 0;  // time of the last use
  };

  bool in_use(std::size_t group, std::int32_t part) const { return pool_.references(group, part) > 1; }
  bool has_unused(const KvBlock& block) const;

  KvPool& pool_;
  std::map<Key, Entry> entries_;
  std::uint64_t time_ = 0;
};

}  // namespace refocus
