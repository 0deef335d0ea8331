#include "server/api/attention_store.h"

#include <fmt/core.h>

#include <algorithm>
#include <random>
#include <utility>

namespace refocus::server {
namespace {

constexpr std::size_t kRemembered = 4096;  // ids of what is gone

std::string new_id() {
  std::random_device random;  // the system's, which nobody guesses
  std::string out;
  for (int i = 0; i < 4; ++i) out += fmt::format("{:08x}", random());
  return out;
}

}  // namespace

AttentionStore::AttentionStore(std::int64_t bytes, double seconds, std::function<Clock::time_point()> now)
    : most_(bytes), lifetime_(seconds), now_(std::move(now)) {}

std::optional<AttentionStore::Room> AttentionStore::reserve(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  if (bytes > most_ - reserved_) return std::nullopt;
  while (held_ > most_ - reserved_ - bytes) drop_oldest();
  reserved_ += bytes;
  return Room(*this, bytes);
}

void AttentionStore::give_back(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  reserved_ -= bytes;
}

std::string AttentionStore::keep(Room room, StoredAttention attention) {
  Entry entry{new_id(), nullptr, 0, now_()};
  entry.bytes = attention.rows->bytes() + std::ssize(attention.text.tokens) * 4;
  entry.attention = std::make_shared<const StoredAttention>(std::move(attention));
  const std::lock_guard lock(mutex_);
  reserved_ -= room.bytes_;
  room.store_ = nullptr;
  held_ += entry.bytes;
  entries_.push_back(std::move(entry));
  return entries_.back().id;
}

void AttentionStore::drop_oldest() {
  held_ -= entries_.front().bytes;
  gone_.push_back(std::move(entries_.front().id));
  entries_.pop_front();
  if (gone_.size() > kRemembered) gone_.pop_front();
}

void AttentionStore::drop_old(Clock::time_point now) {
  while (!entries_.empty() && now - entries_.front().used > lifetime_) drop_oldest();
}

std::shared_ptr<const StoredAttention> AttentionStore::find(const std::string& id) {
  const auto now = now_();
  const std::lock_guard lock(mutex_);
  drop_old(now);
  const auto found = std::ranges::find(entries_, id, &Entry::id);
  if (found == entries_.end()) return nullptr;
  found->used = now;
  entries_.splice(entries_.end(), entries_, found);
  return found->attention;
}

bool AttentionStore::was_there(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return std::ranges::find(gone_, id) != gone_.end();
}

void AttentionStore::on_time() {
  const auto now = now_();
  const std::lock_guard lock(mutex_);
  drop_old(now);
}

std::int64_t AttentionStore::bytes() const {
  const std::lock_guard lock(mutex_);
  return held_;
}

std::size_t AttentionStore::count() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace refocus::server
