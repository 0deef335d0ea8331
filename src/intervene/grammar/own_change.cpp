#include "intervene/grammar/own_change.h"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/error.h"

namespace refocus {

namespace {

bool is_own_identity(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  constexpr std::string_view kName = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
  const std::size_t at = text.find('@');
  return at != std::string_view::npos && at > 0 &&
         text.substr(0, at).find_first_not_of(kName) == std::string_view::npos && text.size() == at + 17 &&
         text.find_first_not_of(kHex, at + 1) == std::string_view::npos;
}

struct OwnRegistry {
  std::mutex mutex;
  std::vector<std::shared_ptr<const OwnChange>> changes;  // by identity

  static OwnRegistry& get() {
    static OwnRegistry registry;
    return registry;
  }
  auto place(std::string_view identity) {
    return std::ranges::lower_bound(
        changes, identity, {}, [](const auto& change) -> std::string_view { return change->identity(); });
  }
};

}  // namespace

void register_own_change(std::shared_ptr<const OwnChange> change) {
  const std::string& identity = change->identity();
  if (!is_own_identity(identity)) {
    throw input_error("own function",
                      "expected NAME@HASH, a name of letters, digits, '_', '.' and '-' and 16 hexadecimal "
                      "digits of what it is, got '{}'",
                      printable(identity));
  }
  OwnRegistry& registry = OwnRegistry::get();
  const std::scoped_lock lock(registry.mutex);
  const auto at = registry.place(identity);
  if (at != registry.changes.end() && (*at)->identity() == identity) {
    at->swap(change);  // the former one is let go after the lock
  } else {
    registry.changes.insert(at, change);
  }
}

void forget_own_change(std::string_view identity) {
  OwnRegistry& registry = OwnRegistry::get();
  std::shared_ptr<const OwnChange> forgotten;  // let go after the lock
  const std::scoped_lock lock(registry.mutex);
  const auto at = registry.place(identity);
  if (at == registry.changes.end() || (*at)->identity() != identity) return;
  forgotten = *at;
  registry.changes.erase(at);
}

std::vector<std::shared_ptr<const OwnChange>> own_changes() {
  OwnRegistry& registry = OwnRegistry::get();
  const std::scoped_lock lock(registry.mutex);
  return registry.changes;
}

OwnSequence::OwnSequence(std::vector<std::shared_ptr<const OwnChange>> changes)
    : changes_(std::move(changes)) {
  static std::atomic<std::uint64_t> last{0};
  number_ = ++last;
  for (std::size_t i = 0; i < changes_.size(); ++i) {
    try {
      changes_[i]->begin(number_);
    } catch (...) {
      end(i);
      throw;
    }
  }
}

OwnSequence::~OwnSequence() { end(changes_.size()); }

void OwnSequence::end(std::size_t count) const noexcept {
  while (count > 0) changes_[--count]->end(number_);
}

}  // namespace refocus
