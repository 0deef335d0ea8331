#include "intervene/intervention_pool.h"

namespace refocus {

std::unique_ptr<Intervention> InterventionPool::take(const std::string& name, const InterventionSpec& spec) {
  auto& idle = idle_[name];
  if (idle.empty()) {
    return std::make_unique<Intervention>(spec, model_.config().num_hidden_layers,
                                          model_.config().num_attention_heads, model_.max_rows());
  }
  std::unique_ptr<Intervention> out = std::move(idle.back());
  idle.pop_back();
  return out;
}

void InterventionPool::give_back(const std::string& name, std::unique_ptr<Intervention> intervention) {
  idle_[name].push_back(std::move(intervention));
}

}  // namespace refocus
