#include "heads/shuffled_labels.h"

#include <map>
#include <vector>

#include "base/random.h"

namespace refocus {

void shuffle_labels(Task& task, std::uint64_t seed) {
  std::map<std::size_t, std::vector<Item*>> by_options;
  for (Item& item : task.items) {
    if (item.label) by_options[item.choices.size()].push_back(&item);
  }
  for (auto& [options, items] : by_options) {
    std::vector<char> labels;
    for (const Item* item : items) labels.push_back(*item->label);
    const std::vector<std::uint32_t> order = shuffled(items.size(), seed, options);
    for (std::size_t i = 0; i < items.size(); ++i) items[i]->label = labels[order[i]];
  }
}

}  // namespace refocus
