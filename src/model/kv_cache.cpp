#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/attention.h"

namespace refocus {

namespace {

std::int64_t blocks_for(std::int64_t tokens) { return (tokens + kKeyBlock - 1) / kKeyBlock; }

}  // namespace

std::int64_t kv_layer_bytes(const ModelConfig& config, DType type) {
  return config.num_key_value_heads * kv_block_elements(config.head_dim) *
         static_cast<std::int64_t>(size_of(type));
}

std::int64_t kv_bytes(const ModelConfig& config, std::int64_t tokens, DType type) {
  return blocks_for(tokens) * config.num_hidden_layers * kv_layer_bytes(config, type);
}

KvSequence::KvSequence(KvSequence&& other) noexcept
    : pool_(other.pool_),
      blocks_(std::exchange(other.blocks_, {})),
      pointers_(std::exchange(other.pointers_, {})),
      length_(std::exchange(other.length_, 0)) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(blocks_, other.blocks_);
  std::swap(pointers_, other.pointers_);
  std::swap(length_, other.length_);
  return *this;
}

bool KvSequence::reserve(std::int64_t length) {
  const auto wanted = static_cast<std::size_t>(blocks_for(length));
  const std::size_t before = blocks_.size();
  while (blocks_.size() < wanted) {
    const std::int32_t block = pool_->allocate();
    if (block < 0) {
      while (blocks_.size() > before) {
        pool_->release(blocks_.back());
        blocks_.pop_back();
        pointers_.pop_back();
      }
      return false;
    }
    blocks_.push_back(block);
    pointers_.push_back(pool_->data(block));
  }
  return true;
}

void KvSequence::set_length(std::int64_t length) {
  REFOCUS_CHECK(blocks_for(length) <= static_cast<std::int64_t>(blocks_.size()));
  length_ = length;
}

void KvSequence::share(std::span<const std::int32_t> blocks) {
  REFOCUS_CHECK(blocks_.empty());
  for (const std::int32_t block : blocks) {
    pool_->retain(block);
    blocks_.push_back(block);
    pointers_.push_back(pool_->data(block));
  }
  length_ = static_cast<std::int64_t>(blocks.size()) * kKeyBlock;
}

bool KvSequence::fork(const KvSequence& from, std::int64_t length) {
  REFOCUS_CHECK(pool_ == from.pool_ && length >= from.length_);
  const auto full = static_cast<std::size_t>(from.length_ / kKeyBlock);
  share(from.blocks().first(full));
  if (!reserve(length)) {
    clear();
    return false;
  }
  if (from.length_ % kKeyBlock != 0) {
    std::memcpy(pointers_[full], from.pointers_[full], static_cast<std::size_t>(pool_->block_bytes()));
  }
  length_ = from.length_;
  return true;
}

void KvSequence::clear() {
  for (const std::int32_t block : blocks_) pool_->release(block);
  blocks_.clear();
  pointers_.clear();
  length_ = 0;
}

DType KvSequence::type() const { return pool_->type(); }

KvPool::KvPool(const ModelConfig& config, std::int64_t max_bytes, DType type)
    : type_(type), block_bytes_(kv_bytes(config, kKeyBlock, type)) {
  REFOCUS_CHECK(is_kv_type(type));
  max_blocks_ = std::clamp<std::int64_t>(max_bytes / block_bytes(), 1, std::int64_t{1} << 30);
}

std::int64_t KvPool::free_blocks() const {
  return max_blocks_ - static_cast<std::int64_t>(storage_.size()) + static_cast<std::int64_t>(free_.size());
}

std::int32_t KvPool::allocate() {
  std::int32_t block;
  if (!free_.empty()) {
    block = free_.back();
    free_.pop_back();
  } else if (static_cast<std::int64_t>(storage_.size()) < max_blocks_) {
    block = static_cast<std::int32_t>(storage_.size());
    storage_.emplace_back(static_cast<std::size_t>(block_bytes_));
    references_.push_back(0);
  } else {
    return -1;
  }
  references_[static_cast<std::size_t>(block)] = 1;
  return block;
}

void KvPool::release(std::int32_t block) {
  int& references = references_[static_cast<std::size_t>(block)];
  REFOCUS_CHECK(references > 0);
  if (--references == 0) free_.push_back(block);
}

}  // namespace refocus
