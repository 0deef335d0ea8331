// What the cache keeps of which layers, and for how long.
//
// Layers fall into groups: those that see all positions, and those with a sliding window (Beltagy et al.
// 2020), which see only a sequence's last ones. Positions come in blocks of kKeyBlock, and a block has a part
// for each group: the part of a windowed group is given up once no later row sees any of its positions. A
// model of one kind of layers has one group. Windows of several lengths are one group, kept for the longest.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "architecture/model_config.h"
#include "tensor/dtype.h"

namespace refocus {

// What of a model's keys and values a process keeps: of layers [first_layer, end_layer), and of so many
// key/value heads. All, or what a rank of several has (model/partition.h).
struct KvShare {
  std::int64_t first_layer = 0, end_layer = 0, kv_heads = 0;
};

class KvLayout {
 public:
  static constexpr std::size_t kMostGroups = 2;

  // Where a layer's keys and values lie: in the part of `group`, from `offset` bytes on.
  struct Place {
    std::size_t group = 0;
    std::int64_t offset = 0;
  };

  // `type`: F32 or F16.
  KvLayout(const ModelConfig& config, DType type);
  KvLayout(const ModelConfig& config, DType type, const KvShare& share);

  std::size_t groups() const { return groups_.size(); }
  // Positions that a row of the group's layers sees at most, its own included; 0: all.
  std::int64_t window(std::size_t group) const { return groups_[group].window; }
  // Of the whole model, so that ranks that have shares of it decide alike what there is room for; and of the
  // share, which is what a part takes here.
  std::int64_t part_bytes(std::size_t group) const { return groups_[group].part_bytes; }
  std::int64_t own_part_bytes(std::size_t group) const { return groups_[group].own_bytes; }
  // Bytes of whole parts for which `own` bytes are enough here.
  std::int64_t whole_bytes(std::int64_t own) const;
  // Of a layer of the share.
  const Place& place(std::int64_t layer) const { return places_[static_cast<std::size_t>(layer)]; }

  bool has_window() const { return groups_.back().window > 0; }

  // Of a block with all its parts.
  std::int64_t block_bytes() const;

  // The first block of which a row at `position`, or any later one, sees something.
  std::int64_t first_block(std::size_t group, std::int64_t position) const;

  // Parts that a sequence needs at most, at any time on its way from position `begin` to `end`, beside the
  // full blocks before `begin`: it goes in calls of at most `rows` rows.
  std::int64_t parts_between(std::size_t group, std::int64_t begin, std::int64_t end,
                             std::int64_t rows) const;
  // The same in bytes, of all groups.
  std::int64_t bytes_between(std::int64_t begin, std::int64_t end, std::int64_t rows) const;

  // Whether who kept what rows from position `kept` on see has all that rows from `wanted` on see, where
  // `wanted` is not beyond `kept`.
  bool serves(std::int64_t kept, std::int64_t wanted) const;

 private:
  struct Group {
    std::int64_t window, part_bytes, own_bytes;
  };

  std::vector<Group> groups_;
  std::vector<Place> places_;  // [layers]; those of the share count
};

// A block's number in each group of a pool; kNoPart where it has been given up or never was.
inline constexpr std::int32_t kNoPart = -1;

struct KvBlock {
  std::array<std::int32_t, KvLayout::kMostGroups> parts{kNoPart, kNoPart};

  bool empty() const { return parts == KvBlock().parts; }
  bool operator==(const KvBlock&) const = default;
};

// Blocks that so many positions fill or begin.
std::int64_t blocks_for(std::int64_t tokens);

// Bytes of cache for `tokens` positions of one sequence, computed in calls of at most `rows` rows; 0: in one.
std::int64_t kv_bytes(const ModelConfig& config, std::int64_t tokens, DType type = DType::kF32,
                      std::int64_t rows = 0);
// The same for `sequences` of them, and what as many beginnings keep that wait for others (PrefixCache).
std::int64_t kv_bytes_of_many(const ModelConfig& config, std::int64_t sequences, std::int64_t tokens,
                              DType type, std::int64_t rows);
// Bytes of one layer in a block.
std::int64_t kv_layer_bytes(const ModelConfig& config, DType type);

}  // namespace refocus
