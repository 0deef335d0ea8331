#include "generate/prefix_cache.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"

namespace refocus {

std::vector<PrefixToken> prefix_tokens(std::span<const std::int32_t> tokens,
                                       const InterventionTarget* target) {
  std::vector<PrefixToken> out(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    out[i] = static_cast<std::uint32_t>(tokens[i]);
    if (target != nullptr) out[i] |= PrefixToken{target->marks[i]} << 32;
  }
  return out;
}

PrefixCache::BlockTokens PrefixCache::block_tokens(std::span<const PrefixToken> tokens, std::int64_t b) {
  BlockTokens out;
  std::copy_n(tokens.begin() + b * kKeyBlock, kKeyBlock, out.begin());
  return out;
}

PrefixCache::~PrefixCache() {
  for (const Node* node : order_) {
    for (std::size_t g = 0; g < pool_.layout().groups(); ++g) {
      if (node->block.parts[g] != kNoPart) pool_.release(g, node->block.parts[g]);
    }
  }
}

std::vector<KvBlock> PrefixCache::find(const std::string& intervention, std::span<const PrefixToken> tokens) {
  const KvLayout& layout = pool_.layout();
  const auto root = roots_.find(intervention);
  std::vector<KvBlock> blocks;
  std::vector<Node*> nodes;
  std::array<std::int64_t, KvLayout::kMostGroups> present{};  // the last so many blocks have the group's part
  std::size_t usable = 0;
  Node* node = root != roots_.end() ? &root->second : nullptr;
  for (std::int64_t end = kKeyBlock; node != nullptr && end <= std::ssize(tokens); end += kKeyBlock) {
    const auto it = node->children.find(block_tokens(tokens, end / kKeyBlock - 1));
    if (it == node->children.end()) break;  // nothing longer either
    node = it->second.get();
    nodes.push_back(node);
    blocks.push_back(node->block);
    bool complete = true, broken = false;
    for (std::size_t g = 0; g < layout.groups(); ++g) {
      present[g] = blocks.back().parts[g] != kNoPart ? present[g] + 1 : 0;
      complete = complete && present[g] >= end / kKeyBlock - layout.first_block(g, end);
      broken = broken || (present[g] == 0 && layout.window(g) == 0);
    }
    if (broken) break;  // no longer beginning is whole
    if (complete) usable = blocks.size();
  }
  blocks.resize(usable);
  for (std::size_t b = 0; b < usable; ++b) {
    for (std::size_t g = 0; g < layout.groups(); ++g) {
      const std::int64_t first = layout.first_block(g, static_cast<std::int64_t>(usable) * kKeyBlock);
      if (static_cast<std::int64_t>(b) < first) blocks[b].parts[g] = kNoPart;
    }
  }
  for (std::size_t b = usable; b-- > 0;) {
    if (!blocks[b].empty()) touch(*nodes[b]);
  }
  return blocks;
}

PrefixCache::Node* PrefixCache::child(Node& node, const BlockTokens& tokens) {
  const auto [it, added] = node.children.try_emplace(tokens);
  if (added) {
    it->second = std::make_unique<Node>();
    it->second->parent = &node;
    it->second->tokens = &it->first;
    it->second->place = order_.insert(order_.end(), it->second.get());
  }
  return it->second.get();
}

void PrefixCache::insert(const std::string& intervention, std::span<const PrefixToken> tokens,
                         std::span<const KvBlock> blocks) {
  const KvLayout& layout = pool_.layout();
  const std::int64_t positions = std::ssize(blocks) * kKeyBlock;
  REFOCUS_CHECK(positions <= std::ssize(tokens));
  std::int64_t first = std::ssize(blocks);  // that rows after the blocks see
  for (std::size_t g = 0; g < layout.groups(); ++g) first = std::min(first, layout.first_block(g, positions));
  if (first == std::ssize(blocks)) return;
  std::vector<Node*> nodes;
  Node* node = &roots_[intervention];
  for (std::int64_t b = 0; b < std::ssize(blocks); ++b) {
    nodes.push_back(node = child(*node, block_tokens(tokens, b)));
  }
  for (std::int64_t b = std::ssize(blocks) - 1; b >= first; --b) {
    Node& kept = *nodes[static_cast<std::size_t>(b)];
    touch(kept);
    for (std::size_t g = 0; g < layout.groups(); ++g) {
      std::int32_t& part = kept.block.parts[g];
      if (part != kNoPart || b < layout.first_block(g, positions)) continue;
      part = blocks[static_cast<std::size_t>(b)].parts[g];
      REFOCUS_CHECK(part != kNoPart);
      pool_.retain(g, part);
    }
  }
}

std::vector<std::shared_ptr<const BlockScores>> PrefixCache::scores(const std::string& intervention,
                                                                    std::span<const PrefixToken> tokens,
                                                                    std::int64_t top) const {
  std::vector<std::shared_ptr<const BlockScores>> out;
  const auto root = roots_.find(intervention);
  const Node* node = root != roots_.end() ? &root->second : nullptr;
  for (std::int64_t b = 0; node != nullptr && (b + 1) * kKeyBlock <= std::ssize(tokens); ++b) {
    const auto it = node->children.find(block_tokens(tokens, b));
    node = it != node->children.end() ? it->second.get() : nullptr;
    if (node == nullptr || node->scores == nullptr || node->scores->top < top) break;
    out.push_back(node->scores);
  }
  return out;
}

void PrefixCache::keep_scores(const std::string& intervention, std::span<const PrefixToken> tokens,
                              std::span<const TokenScore> scores, std::int64_t top) {
  REFOCUS_CHECK(scores.size() >= tokens.size());
  const auto root = roots_.find(intervention);
  Node* node = root != roots_.end() ? &root->second : nullptr;
  for (std::int64_t b = 0; node != nullptr && (b + 1) * kKeyBlock <= std::ssize(tokens); ++b) {
    const auto it = node->children.find(block_tokens(tokens, b));
    node = it != node->children.end() ? it->second.get() : nullptr;
    if (node == nullptr) return;
    if (node->scores != nullptr && node->scores->top >= top) continue;
    const auto its = scores.subspan(static_cast<std::size_t>(b * kKeyBlock), kKeyBlock);
    node->scores = std::make_shared<const BlockScores>(BlockScores{top, {its.begin(), its.end()}});
  }
}

bool PrefixCache::has_unused(const KvBlock& block) const {
  for (std::size_t g = 0; g < pool_.layout().groups(); ++g) {
    if (block.parts[g] != kNoPart && !in_use(g, block.parts[g])) return true;
  }
  return false;
}

// With those before it that were there for it alone.
void PrefixCache::remove(Node* node) {
  while (node->parent != nullptr && node->block.empty() && node->children.empty()) {
    Node* parent = node->parent;
    order_.erase(node->place);
    parent->children.erase(parent->children.find(*node->tokens));
    node = parent;
  }
}

bool PrefixCache::evict() {
  const auto oldest =
      std::find_if(order_.begin(), order_.end(), [&](const Node* node) { return has_unused(node->block); });
  if (oldest == order_.end()) return false;
  Node* node = *oldest;
  for (std::size_t g = 0; g < pool_.layout().groups(); ++g) {
    if (node->block.parts[g] == kNoPart || in_use(g, node->block.parts[g])) continue;
    pool_.release(g, std::exchange(node->block.parts[g], kNoPart));
  }
  remove(node);
  return true;
}

}  // namespace refocus
