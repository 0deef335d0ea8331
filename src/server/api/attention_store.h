// Attention that answers have kept, for GET /v1/attention/ID: in memory, for a while, the least recently
// asked for goes first.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "analyze/kept/attention_archive.h"

namespace refocus::server {

struct StoredAttention {
  std::unique_ptr<const KeptRows> rows;
  KeptText text;
};

class AttentionStore {
 public:
  using Clock = std::chrono::steady_clock;

  // Holds at most `bytes` together with what is reserved, each for `seconds` after it was kept or asked for.
  // `now`: for tests.
  AttentionStore(std::int64_t bytes, double seconds, std::function<Clock::time_point()> now = Clock::now);

  // Bytes that are set aside for attention to come; they are given back when it is destroyed. The store
  // outlives it.
  class Room {
   public:
    Room(Room&& other) noexcept : store_(std::exchange(other.store_, nullptr)), bytes_(other.bytes_) {}
    Room& operator=(Room&&) = delete;
    ~Room() {
      if (store_ != nullptr) store_->give_back(bytes_);
    }

   private:
    friend class AttentionStore;
    Room(AttentionStore& store, std::int64_t bytes) : store_(&store), bytes_(bytes) {}
    AttentionStore* store_;
    std::int64_t bytes_;
  };

  // Any thread, all of these. Drops what is oldest where there is no room; nothing where what is reserved
  // leaves none.
  std::optional<Room> reserve(std::int64_t bytes);

  // In place of the room that was reserved for it. Returns its id: 32 hexadecimal digits that cannot be
  // guessed.
  std::string keep(Room room, StoredAttention attention);

  // Null where it is not there (any more).
  std::shared_ptr<const StoredAttention> find(const std::string& id);
  // Whether it was there, of the last few thousand.
  bool was_there(const std::string& id) const;

  // Drops what is too old. To be called about once a second.
  void on_time();

  std::int64_t bytes() const;  // of what is kept
  std::size_t count() const;

 private:
  struct Entry {
    std::string id;
    std::shared_ptr<const StoredAttention> attention;
    std::int64_t bytes = 0;
    Clock::time_point used;
  };

  void give_back(std::int64_t bytes);
  void drop_oldest();
  void drop_old(Clock::time_point now);

  const std::int64_t most_;
  const std::chrono::duration<double> lifetime_;
  const std::function<Clock::time_point()> now_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  // the least recently used first
  std::int64_t held_ = 0, reserved_ = 0;
  std::deque<std::string> gone_;
};

}  // namespace refocus::server
