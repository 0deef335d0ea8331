#include "model/kv_cache.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "kernels/attention.h"

namespace refocus {

KvSequence::KvSequence(KvSequence&& other) noexcept
    : pool_(other.pool_),
      blocks_(std::exchange(other.blocks_, {})),
      lists_(std::exchange(other.lists_, {})),
      length_(std::exchange(other.length_, 0)) {}

KvSequence& KvSequence::operator=(KvSequence&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(blocks_, other.blocks_);
  std::swap(lists_, other.lists_);
  std::swap(length_, other.length_);
  return *this;
}

DType KvSequence::type() const { return pool_->type(); }

const KvLayout& KvSequence::layout() const { return pool_->layout(); }

void KvSequence::give_up_unseen() {
  for (std::size_t g = 0; g < layout().groups(); ++g) {
    List& list = lists_[g];
    const std::int64_t first = std::min(layout().first_block(g, length_), list.end());
    for (; list.first < first; ++list.first) {
      pool_->release(g, std::exchange(number(g, list.first), kNoPart));
      list.pointers[static_cast<std::size_t>(list.first)] = nullptr;
    }
  }
}

// Allocates parts up to block `end`, as many as there are. False where there are too few.
bool KvSequence::extend(std::size_t group, std::int64_t end) {
  List& list = lists_[group];
  if (std::ssize(blocks_) < end) blocks_.resize(static_cast<std::size_t>(end));
  while (list.end() < end) {
    const std::int32_t part = pool_->allocate(group);
    if (part == kNoPart) return false;
    number(group, list.end()) = part;
    list.pointers.push_back(pool_->data(group, part));
  }
  return true;
}

// Gives back the parts from block `end` on.
void KvSequence::cut(std::size_t group, std::int64_t end) {
  List& list = lists_[group];
  for (; list.end() > end; list.pointers.pop_back()) {
    pool_->release(group, std::exchange(number(group, list.end() - 1), kNoPart));
  }
}

bool KvSequence::reserve(std::int64_t length, std::int64_t rows) {
  give_up_unseen();
  if (length <= length_) return true;
  const std::size_t blocks = blocks_.size();
  std::array<std::int64_t, KvLayout::kMostGroups> before{};
  for (std::size_t g = 0; g < layout().groups(); ++g) before[g] = lists_[g].end();
  for (std::size_t g = 0; g < layout().groups(); ++g) {
    // The full blocks until now may be shared, so that giving them up frees no memory.
    const std::int64_t parts = layout().parts_between(g, length_, length, rows > 0 ? rows : length - length_);
    if (extend(g, length_ / kKeyBlock + parts)) continue;
    for (std::size_t undo = 0; undo <= g; ++undo) cut(undo, before[undo]);
    blocks_.resize(blocks);
    return false;
  }
  return true;
}

void KvSequence::set_length(std::int64_t length) {
  for (std::size_t g = 0; g < layout().groups(); ++g) REFOCUS_CHECK(blocks_for(length) <= lists_[g].end());
  length_ = length;
}

void KvSequence::begin_with(std::span<const KvBlock> blocks, std::int64_t length) {
  REFOCUS_CHECK(blocks_.empty());
  blocks_.assign(blocks.begin(), blocks.end());
  length_ = length;
  for (std::size_t g = 0; g < layout().groups(); ++g) {
    List& list = lists_[g];
    for (const KvBlock& block : blocks) {
      const std::int32_t part = block.parts[g];
      REFOCUS_CHECK(part != kNoPart || list.first == list.end());  // none is missing between others
      list.first += part == kNoPart ? 1 : 0;
      list.pointers.push_back(part == kNoPart ? nullptr : pool_->data(g, part));
      if (part != kNoPart) pool_->retain(g, part);
    }
    REFOCUS_CHECK(list.first <= layout().first_block(g, length));
  }
}

void KvSequence::share(std::span<const KvBlock> blocks) {
  begin_with(blocks, std::ssize(blocks) * kKeyBlock);
}

bool KvSequence::fork(const KvSequence& from, std::int64_t length, std::int64_t rows) {
  REFOCUS_CHECK(pool_ == from.pool_ && length >= from.length_);
  const std::int64_t full = from.length_ / kKeyBlock;
  begin_with(from.blocks().first(static_cast<std::size_t>(full)), from.length_);
  const bool partial = from.length_ % kKeyBlock != 0;
  bool fits = true;
  for (std::size_t g = 0; g < layout().groups(); ++g) fits = fits && (!partial || extend(g, full + 1));
  if (!fits || !reserve(length, rows)) {
    clear();
    return false;
  }
  for (std::size_t g = 0; partial && g < layout().groups(); ++g) {
    pool_->copy_part(g, part(g, full), from.pointers(g)[full]);
  }
  return true;
}

void KvSequence::clear() {
  for (std::size_t g = 0; g < layout().groups(); ++g) {
    cut(g, lists_[g].first);
    lists_[g] = {};
  }
  blocks_.clear();
  length_ = 0;
}

KvPool::KvPool(const ModelConfig& config, std::int64_t max_bytes, DType type, Device* device)
    : KvPool(KvLayout(config, type), max_bytes, type, device) {}

KvPool::KvPool(KvLayout layout, std::int64_t max_bytes, DType type, Device* device)
    : type_(type),
      device_(device),
      layout_(std::move(layout)),
      max_bytes_(std::max(max_bytes, layout_.block_bytes())) {
  for (std::size_t g = 0; g < layout_.groups(); ++g) {
    stores_.push_back({KvSlabs(layout_.own_part_bytes(g), max_bytes_), {}, {}, {}, {}});
  }
}

std::int64_t KvPool::used_parts(std::size_t group) const {
  const Store& store = stores_[group];
  return std::ssize(store.references) - std::ssize(store.free) - std::ssize(store.bare);
}

std::int64_t KvPool::most_tokens(std::int64_t rows) const {
  std::int64_t fits = 0, too_many = std::int64_t{1} << 30;  // in blocks
  while (fits + 1 < too_many) {
    const std::int64_t middle = fits + (too_many - fits) / 2;
    const bool fit = layout_.bytes_between(0, middle * kKeyBlock, rows) <= max_bytes_;
    (fit ? fits : too_many) = middle;
  }
  return fits * kKeyBlock;
}

// Returns memory of unused parts to the system until so many bytes more may be held.
void KvPool::return_unused(std::int64_t bytes) {
  for (std::size_t g = 0; g < stores_.size(); ++g) {
    Store& store = stores_[g];
    while (held_bytes_ + bytes > max_bytes_ && !store.free.empty()) {
      const std::int32_t part = store.free.back();
      if (device_ == nullptr) {
        store.here.discard(part);
      } else {
        store.on_device[static_cast<std::size_t>(part)] = {};
      }
      store.bare.push_back(part);
      store.free.pop_back();
      held_bytes_ -= layout_.part_bytes(g);
    }
  }
}

void KvPool::give_memory(std::size_t group, std::int32_t part) {
  Store& store = stores_[group];
  if (device_ == nullptr) {
    if (part == store.here.count()) store.here.add();
    return;
  }
  if (part == std::ssize(store.on_device)) store.on_device.emplace_back();
  store.on_device[static_cast<std::size_t>(part)] =
      DeviceMemory(*device_, static_cast<std::size_t>(layout_.own_part_bytes(group)));
}

void KvPool::copy_part(std::size_t group, std::byte* to, const std::byte* from) {
  const auto bytes = static_cast<std::size_t>(layout_.own_part_bytes(group));
  if (bytes == 0) return;
  device_ == nullptr ? static_cast<void>(std::memcpy(to, from, bytes)) : device_->copy(to, from, bytes);
}

std::int32_t KvPool::allocate(std::size_t group) {
  Store& store = stores_[group];
  const std::int64_t bytes = layout_.part_bytes(group);
  if (used_bytes_ + bytes > max_bytes_) return kNoPart;
  if (store.free.empty()) {
    return_unused(bytes);
    if (store.bare.empty()) {
      store.bare.push_back(static_cast<std::int32_t>(store.references.size()));
      store.references.push_back(0);
    }
    const std::int32_t part = store.bare.back();
    give_memory(group, part);
    store.bare.pop_back();
    store.free.push_back(part);
    held_bytes_ += bytes;
  }
  const std::int32_t part = store.free.back();
  store.free.pop_back();
  references_of(group, part) = 1;
  used_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return part;
}

void KvPool::release(std::size_t group, std::int32_t part) {
  int& references = references_of(group, part);
  REFOCUS_CHECK(references > 0);
  if (--references > 0) return;
  stores_[group].free.push_back(part);
  used_bytes_ -= layout_.part_bytes(group);
}

}  // namespace refocus
