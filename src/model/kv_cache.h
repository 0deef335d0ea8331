// Keys and values of many sequences in blocks of kKeyBlock positions, shared where sequences begin alike.
//
// A block has a part for each group of layers (kv_layout.h): [layers of the group, kv_heads,
// kv_block_bytes(type, head_dim)]; see kernels/kv_block.h. Parts are counted by reference; only
// full blocks are shared, so that nobody writes to a part that another sequence reads. A sequence gives up
// the parts of windowed layers as it leaves them behind.
//
// A pool for a device (device/device.h) keeps its parts there, laid out as that says, and pointers to them
// are for the device alone.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "architecture/model_config.h"
#include "device/device_memory.h"
#include "model/kv_layout.h"
#include "model/kv_slabs.h"
#include "tensor/dtype.h"

namespace refocus {

class KvPool;

// One sequence's place in a pool. Move-only; gives its blocks back when destroyed.
class KvSequence {
 public:
  explicit KvSequence(KvPool& pool) : pool_(&pool) {}
  ~KvSequence() { clear(); }
  KvSequence(KvSequence&& other) noexcept;
  KvSequence& operator=(KvSequence&& other) noexcept;
  KvSequence(const KvSequence&) = delete;
  KvSequence& operator=(const KvSequence&) = delete;

  std::int64_t length() const { return length_; }
  DType type() const;
  const KvLayout& layout() const;
  std::span<const KvBlock> blocks() const { return blocks_; }
  // The parts of a group by block, from block first_block(group) on; null before it.
  const std::byte* const* pointers(std::size_t group) const { return lists_[group].pointers.data(); }
  std::byte* part(std::size_t group, std::int64_t block) {
    return lists_[group].pointers[static_cast<std::size_t>(block)];
  }
  std::int64_t first_block(std::size_t group) const { return lists_[group].first; }

  // Makes room for positions up to `length`, which will be computed in calls of at most `rows` rows (0: in
  // one): each call finds room then, as long as no block beyond length() is shared before. Gives up before
  // what no later row sees. False, and nothing else changed, where the pool is full.
  bool reserve(std::int64_t length, std::int64_t rows = 0);
  // Says that positions up to `length` are written; they must have been reserved.
  void set_length(std::int64_t length);
  // Begins with full blocks of another sequence, already written, with all parts that rows after them see;
  // only while empty.
  void share(std::span<const KvBlock> blocks);
  // Begins as a copy of `from` (of the same pool), with room for `length` positions as reserve() makes it:
  // its full blocks are shared, and what it has of a last one is copied, so that both can go on. Only while
  // empty. False, and nothing changed, where the pool is full.
  bool fork(const KvSequence& from, std::int64_t length, std::int64_t rows = 0);
  void clear();

 private:
  struct List {
    std::vector<std::byte*> pointers;  // by block; null before `first`
    std::int64_t first = 0;

    std::int64_t end() const { return static_cast<std::int64_t>(pointers.size()); }
  };

  std::int32_t& number(std::size_t group, std::int64_t block) {
    return blocks_[static_cast<std::size_t>(block)].parts[group];
  }
  void begin_with(std::span<const KvBlock> blocks, std::int64_t length);
  void give_up_unseen();
  bool extend(std::size_t group, std::int64_t end);
  void cut(std::size_t group, std::int64_t end);

  KvPool* pool_;
  std::vector<KvBlock> blocks_;
  std::array<List, KvLayout::kMostGroups> lists_;
  std::int64_t length_ = 0;
};

class KvPool {
 public:
  // At most `max_bytes` of parts, but one block at least, allocated as they are needed. Groups have no shares
  // of their own: memory that one has no use for is another's.
  KvPool(const ModelConfig& config, std::int64_t max_bytes, DType type = DType::kF32,
         Device* device = nullptr);
  // Of a share, with the bytes of the whole: what is counted here is that, too.
  KvPool(KvLayout layout, std::int64_t max_bytes, DType type, Device* device);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  const KvLayout& layout() const { return layout_; }
  DType type() const { return type_; }
  std::int64_t max_bytes() const { return max_bytes_; }
  std::int64_t used_bytes() const { return used_bytes_; }
  std::int64_t free_bytes() const { return max_bytes_ - used_bytes_; }
  std::int64_t peak_bytes() const { return peak_bytes_; }  // most that were used at a time
  std::int64_t used_parts(std::size_t group) const;
  // The longest sequence that fits, computed in calls of at most `rows` rows: whole blocks.
  std::int64_t most_tokens(std::int64_t rows) const;

  std::int32_t allocate(std::size_t group);  // a part with one reference; kNoPart where the pool is full
  void retain(std::size_t group, std::int32_t part) { ++references_of(group, part); }
  void release(std::size_t group, std::int32_t part);
  int references(std::size_t group, std::int32_t part) const {
    return stores_[group].references[static_cast<std::size_t>(part)];
  }
  std::byte* data(std::size_t group, std::int32_t part) {
    Store& store = stores_[group];
    return device_ == nullptr ? store.here.data(part)
                              : store.on_device[static_cast<std::size_t>(part)].data();
  }
  // Copies what a part of the group holds.
  void copy_part(std::size_t group, std::byte* to, const std::byte* from);

 private:
  struct Store {
    KvSlabs here;
    std::vector<DeviceMemory> on_device;   // by part
    std::vector<int> references;           // by part
    std::vector<std::int32_t> free, bare;  // unused numbers: with memory, without
  };

  int& references_of(std::size_t group, std::int32_t part) {
    return stores_[group].references[static_cast<std::size_t>(part)];
  }
  void return_unused(std::int64_t bytes);
  void give_memory(std::size_t group, std::int32_t part);

  DType type_;
  Device* device_;
  KvLayout layout_;
  std::int64_t max_bytes_, used_bytes_ = 0, held_bytes_ = 0, peak_bytes_ = 0;
  std::vector<Store> stores_;  // [groups]
};

}  // namespace refocus
