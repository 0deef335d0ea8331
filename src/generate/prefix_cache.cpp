#include "generate/prefix_cache.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "kernels/attention.h"

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

PrefixCache::~PrefixCache() {
  for (const auto& [key, entry] : entries_) {
    for (std::size_t g = 0; g < pool_.layout().groups(); ++g) {
      if (entry.block.parts[g] != kNoPart) pool_.release(g, entry.block.parts[g]);
    }
  }
}

std::vector<KvBlock> PrefixCache::find(const std::string& intervention, std::span<const PrefixToken> tokens) {
  const KvLayout& layout = pool_.layout();
  std::vector<KvBlock> blocks;
  std::vector<Entry*> entries;
  std::array<std::int64_t, KvLayout::kMostGroups> present{};  // the last so many blocks have the group's part
  std::size_t usable = 0;
  Key key{intervention, {}};
  for (std::int64_t end = kKeyBlock; end <= std::ssize(tokens); end += kKeyBlock) {
    key.second.assign(tokens.begin(), tokens.begin() + end);
    const auto it = entries_.find(key);
    entries.push_back(it != entries_.end() ? &it->second : nullptr);
    blocks.push_back(it != entries_.end() ? it->second.block : KvBlock());
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
  ++time_;
  for (std::size_t b = 0; b < usable; ++b) {
    for (std::size_t g = 0; g < layout.groups(); ++g) {
      const std::int64_t first = layout.first_block(g, static_cast<std::int64_t>(usable) * kKeyBlock);
      if (static_cast<std::int64_t>(b) < first) blocks[b].parts[g] = kNoPart;
    }
    if (!blocks[b].empty()) entries[b]->used = time_;
  }
  return blocks;
}

void PrefixCache::insert(const std::string& intervention, std::span<const PrefixToken> tokens,
                         std::span<const KvBlock> blocks) {
  const KvLayout& layout = pool_.layout();
  const std::int64_t positions = std::ssize(blocks) * kKeyBlock;
  REFOCUS_CHECK(positions <= std::ssize(tokens));
  ++time_;
  std::int64_t first = std::ssize(blocks);  // that rows after the blocks see
  for (std::size_t g = 0; g < layout.groups(); ++g) first = std::min(first, layout.first_block(g, positions));
  for (std::int64_t b = first; b < std::ssize(blocks); ++b) {
    Key key{intervention, {tokens.begin(), tokens.begin() + (b + 1) * kKeyBlock}};
    Entry& entry = entries_[std::move(key)];
    entry.used = time_;
    for (std::size_t g = 0; g < layout.groups(); ++g) {
      std::int32_t& part = entry.block.parts[g];
      if (part != kNoPart || b < layout.first_block(g, positions)) continue;
      part = blocks[static_cast<std::size_t>(b)].parts[g];
      REFOCUS_CHECK(part != kNoPart);
      pool_.retain(g, part);
    }
  }
}

bool PrefixCache::has_unused(const KvBlock& block) const {
  for (std::size_t g = 0; g < pool_.layout().groups(); ++g) {
    if (block.parts[g] != kNoPart && !in_use(g, block.parts[g])) return true;
  }
  return false;
}

bool PrefixCache::evict() {
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (!has_unused(it->second.block)) continue;
    // Of one prefix the longest goes first: without its beginning it could not be found.
    const bool older =
        oldest == entries_.end() || it->second.used < oldest->second.used ||
        (it->second.used == oldest->second.used && it->first.second.size() > oldest->first.second.size());
    if (older) oldest = it;
  }
  if (oldest == entries_.end()) return false;
  KvBlock& block = oldest->second.block;
  for (std::size_t g = 0; g < pool_.layout().groups(); ++g) {
    if (block.parts[g] == kNoPart || in_use(g, block.parts[g])) continue;
    pool_.release(g, std::exchange(block.parts[g], kNoPart));
  }
  if (block.empty()) entries_.erase(oldest);
  return true;
}

}  // namespace refocus
