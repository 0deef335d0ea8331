// Cache blocks of prompts' beginnings, kept for later sequences that begin the same way under the same
// intervention.
//
// A tree for each intervention, whose edges are the tokens of a block: memory and time are linear in a
// prompt's length, and prompts share what they share. Keys and values of layers >= 1 depend on the
// intervention and on what it acts on, so its canonical text names the tree and its marks on the tokens are
// part of the edges. Only full blocks are kept; of layers with a window only what rows after the end of a
// kept beginning see, so that a shorter beginning of it may be of no use. What no running sequence uses is
// given up, least recently used first, when memory is short.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "generate/token_score.h"
#include "intervene/target.h"
#include "kernels/attention.h"
#include "model/kv_cache.h"

namespace refocus {

// A token of a prompt, and in the upper half what its intervention does at it: equal beginnings have equal
// keys and values.
using PrefixToken = std::uint64_t;

// Of tokens at the beginning of a prompt that `target`, or null, is aimed at.
std::vector<PrefixToken> prefix_tokens(std::span<const std::int32_t> tokens,
                                       const InterventionTarget* target);

// Scores of a block's tokens. The first of a prompt, which nothing is before, has one of no meaning.
struct BlockScores {
  std::int64_t top = 0;  // candidates that were asked for
  std::vector<TokenScore> tokens;
};

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

  // The scores of blocks at the beginning of `tokens`, as far as they are kept with at least `top`
  // candidates.
  std::vector<std::shared_ptr<const BlockScores>> scores(const std::string& intervention,
                                                         std::span<const PrefixToken> tokens,
                                                         std::int64_t top) const;

  // Keeps scores[i] of tokens[i] with those blocks that are kept, until these are given up.
  void keep_scores(const std::string& intervention, std::span<const PrefixToken> tokens,
                   std::span<const TokenScore> scores, std::int64_t top);

  // Gives up what no sequence uses of one block. False where there is nothing.
  bool evict();

 private:
  using BlockTokens = std::array<PrefixToken, kKeyBlock>;
  // A beginning of prompts that ends with a block.
  struct Node {
    Node* parent = nullptr;
    const BlockTokens* tokens = nullptr;        // of the block, the parent's key
    KvBlock block;                              // may be empty, where only longer beginnings are kept
    std::shared_ptr<const BlockScores> scores;  // or null
    std::list<Node*>::iterator place;
    std::map<BlockTokens, std::unique_ptr<Node>> children;
  };

  // Block b of a prompt's tokens.
  static BlockTokens block_tokens(std::span<const PrefixToken> tokens, std::int64_t b);
  bool in_use(std::size_t group, std::int32_t part) const { return pool_.references(group, part) > 1; }
  bool has_unused(const KvBlock& block) const;
  Node* child(Node& node, const BlockTokens& tokens);
  void touch(Node& node) { order_.splice(order_.end(), order_, node.place); }
  void remove(Node* node);

  KvPool& pool_;
  std::map<std::string, Node> roots_;  // by intervention; without blocks
  // All but the roots, the least recently used first; of one use the longest beginning first, which could not
  // be found without the others.
  std::list<Node*> order_;
};

}  // namespace refocus
