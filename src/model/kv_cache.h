// Keys and values of many sequences in blocks of kKeyBlock positions, shared where sequences begin alike.
//
// A block holds all layers: [layers, kv_heads, kv_block_elements(head_dim)] of F32 or F16; see
// kernels/kv_block.h. Blocks are counted by reference; only full blocks are shared, so that nobody writes to
// a block that another sequence reads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "architecture/model_config.h"
#include "base/aligned_buffer.h"
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
  std::span<const std::int32_t> blocks() const { return blocks_; }
  const std::byte* const* pointers() const { return pointers_.data(); }
  std::byte* block(std::int64_t index) { return pointers_[static_cast<std::size_t>(index)]; }

  // Makes room for `length` positions. False, and nothing changed, where the pool is full.
  bool reserve(std::int64_t length);
  // Says that positions up to `length` are written; they must have been reserved.
  void set_length(std::int64_t length);
  // Begins with another sequence's full blocks, already written; only while empty.
  void share(std::span<const std::int32_t> blocks);
  // Begins as a copy of `from` (of the same pool), with room for `length` positions: its full blocks are
  // shared, and what it has of a last one is copied, so that both can go on. Only while empty. False, and
  // nothing changed, where the pool is full.
  bool fork(const KvSequence& from, std::int64_t length);
  void clear();

 private:
  KvPool* pool_;
  std::vector<std::int32_t> blocks_;
  std::vector<std::byte*> pointers_;
  std::int64_t length_ = 0;
};

class KvPool {
 public:
  // At most `max_bytes` of blocks, allocated as they are needed.
  KvPool(const ModelConfig& config, std::int64_t max_bytes, DType type = DType::kF32);
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  std::int64_t max_blocks() const { return max_blocks_; }
  std::int64_t free_blocks() const;
  DType type() const { return type_; }
  std::int64_t block_bytes() const { return block_bytes_; }

  std::int32_t allocate();  // with one reference; -1 where the pool is full
  void retain(std::int32_t block) { ++references_[static_cast<std::size_t>(block)]; }
  void release(std::int32_t block);
  int references(std::int32_t block) const { return references_[static_cast<std::size_t>(block)]; }
  std::byte* data(std::int32_t block) { return storage_[static_cast<std::size_t>(block)].data(); }

 private:
  DType type_;
  std::int64_t block_bytes_, max_blocks_;
  std::vector<AlignedBuffer<std::byte>> storage_;
  std::vector<int> references_;
  std::vector<std::int32_t> free_;
};

// Bytes of cache for `tokens` positions of one sequence.
std::int64_t kv_bytes(const ModelConfig& config, std::int64_t tokens, DType type = DType::kF32);
// Bytes of one layer in a block.
std::int64_t kv_layer_bytes(const ModelConfig& config, DType type);

}  // namespace refocus
