#include "model/kv_layout.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "kernels/attention.h"

namespace refocus {

std::int64_t blocks_for(std::int64_t tokens) { return (tokens + kKeyBlock - 1) / kKeyBlock; }

std::int64_t kv_layer_bytes(const ModelConfig& config, DType type) {
  return config.num_key_value_heads * kv_block_bytes(type, config.head_dim);
}

std::int64_t kv_bytes(const ModelConfig& config, std::int64_t tokens, DType type, std::int64_t rows) {
  return KvLayout(config, type).bytes_between(0, tokens, rows > 0 ? rows : tokens);
}

std::int64_t kv_bytes_of_many(const ModelConfig& config, std::int64_t sequences, std::int64_t tokens,
                              DType type, std::int64_t rows) {
  const KvLayout layout(config, type);
  // Full blocks of layers without a window are a sequence's own already.
  const std::int64_t kept = blocks_for(layout.window(layout.groups() - 1)) * kKeyBlock;
  return sequences * layout.bytes_between(0, tokens, rows + kept);
}

KvLayout::KvLayout(const ModelConfig& config, DType type)
    : KvLayout(config, type, {0, config.num_hidden_layers, config.num_key_value_heads}) {}

KvLayout::KvLayout(const ModelConfig& config, DType type, const KvShare& share) {
  REFOCUS_CHECK(is_kv_type(type) && config.num_hidden_layers > 0);
  std::int64_t longest = 0, windowed = 0;
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    longest = std::max(longest, config.layer(l).window);
    windowed += config.layer(l).window > 0 ? 1 : 0;
  }
  if (windowed < config.num_hidden_layers) groups_.push_back({0, 0, 0});
  if (windowed > 0) groups_.push_back({longest, 0, 0});
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    const std::size_t group = config.layer(l).window > 0 ? groups_.size() - 1 : 0;
    places_.push_back({group, groups_[group].own_bytes});
    groups_[group].part_bytes += kv_layer_bytes(config, type);
    if (l < share.first_layer || l >= share.end_layer) continue;
    groups_[group].own_bytes += share.kv_heads * kv_block_bytes(type, config.head_dim);
  }
}

std::int64_t KvLayout::whole_bytes(std::int64_t own) const {
  double least = std::numeric_limits<double>::infinity();  // of the whole for a byte here
  for (const Group& group : groups_) {
    if (group.own_bytes == 0) continue;
    least = std::min(least, static_cast<double>(group.part_bytes) / static_cast<double>(group.own_bytes));
  }
  return static_cast<std::int64_t>(static_cast<double>(own) * least);
}

std::int64_t KvLayout::block_bytes() const {
  std::int64_t out = 0;
  for (const Group& group : groups_) out += group.part_bytes;
  return out;
}

std::int64_t KvLayout::first_block(std::size_t group, std::int64_t position) const {
  AttentionShape shape;
  shape.window = window(group);
  return shape.window > 0 ? shape.first_key(position) / kKeyBlock : 0;
}

std::int64_t KvLayout::parts_between(std::size_t group, std::int64_t begin, std::int64_t end,
                                     std::int64_t rows) const {
  const std::int64_t blocks = blocks_for(end) - begin / kKeyBlock;
  if (window(group) == 0) return blocks;
  // A call sees this many positions, of which the first may be the last one of its block.
  const std::int64_t seen = window(group) - 1 + rows;
  return std::min(blocks, blocks_for(seen - 1) + 1);
}

std::int64_t KvLayout::bytes_between(std::int64_t begin, std::int64_t end, std::int64_t rows) const {
  std::int64_t out = 0;
  for (std::size_t g = 0; g < groups(); ++g) out += parts_between(g, begin, end, rows) * part_bytes(g);
  return out;
}

bool KvLayout::serves(std::int64_t kept, std::int64_t wanted) const {
  for (std::size_t g = 0; g < groups(); ++g) {
    if (first_block(g, kept) > first_block(g, wanted)) return false;
  }
  return wanted <= kept;
}

}  // namespace refocus
