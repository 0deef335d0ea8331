#include "generate/prefix_cache.h"

#include "base/error.h"
#include "kernels/attention.h"

namespace refocus {

PrefixCache::~PrefixCache() {
  for (const auto& [key, entry] : entries_) pool_.release(entry.block);
}

std::vector<std::int32_t> PrefixCache::find(const std::string& intervention,
                                            std::span<const std::int32_t> tokens) {
  std::vector<std::int32_t> blocks;
  Key key{intervention, {}};
  ++time_;
  for (std::size_t end = kKeyBlock; end <= tokens.size(); end += kKeyBlock) {
    key.second.assign(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(end));
    const auto it = entries_.find(key);
    if (it == entries_.end()) break;
    it->second.used = time_;
    blocks.push_back(it->second.block);
  }
  return blocks;
}

void PrefixCache::insert(const std::string& intervention, std::span<const std::int32_t> tokens,
                         std::span<const std::int32_t> blocks) {
  REFOCUS_CHECK(blocks.size() * kKeyBlock <= tokens.size());
  ++time_;
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto end = tokens.begin() + static_cast<std::ptrdiff_t>((b + 1) * kKeyBlock);
    const auto [it, added] =
        entries_.try_emplace({intervention, {tokens.begin(), end}}, Entry{blocks[b], time_});
    it->second.used = time_;
    if (added) pool_.retain(blocks[b]);
  }
}

bool PrefixCache::evict() {
  auto oldest = entries_.end();
  for (auto it = entries_.begin(); it != entries_.end(); ++it) {
    if (pool_.references(it->second.block) > 1) continue;
    // Of one prefix the longest goes first: without its beginning it could not be found.
    const bool older =
        oldest == entries_.end() || it->second.used < oldest->second.used ||
        (it->second.used == oldest->second.used && it->first.second.size() > oldest->first.second.size());
    if (older) oldest = it;
  }
  if (oldest == entries_.end()) return false;
  pool_.release(oldest->second.block);
  entries_.erase(oldest);
  return true;
}

}  // namespace refocus
