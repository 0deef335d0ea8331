#include "tensor/weight_map.h"

#include "base/error.h"

namespace refocus {

void WeightMap::insert(std::string name, TensorView view, std::string source,
                       std::shared_ptr<const void> owner) {
  const auto [it, inserted] = entries_.try_emplace(std::move(name), Entry{std::move(view), source});
  if (!inserted) {
    throw input_error(source, "tensor {} is also in {}; keep one of the two files", printable(it->first),
                      it->second.source);
  }
  if (owner && (owners_.empty() || owners_.back() != owner)) owners_.push_back(std::move(owner));
}

const WeightMap::Entry* WeightMap::find(std::string_view name) const {
  const auto it = entries_.find(name);
  return it == entries_.end() ? nullptr : &it->second;
}

std::int64_t WeightMap::total_bytes() const {
  std::int64_t total = 0;
  for (const auto& [name, entry] : entries_) total += static_cast<std::int64_t>(entry.view.bytes());
  return total;
}

}  // namespace refocus
