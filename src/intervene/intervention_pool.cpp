#include "intervene/intervention_pool.h"

#include <algorithm>

namespace refocus {

InterventionShape shape_of(const Transformer& model) {
  const ModelConfig& config = model.config();
  return {config.num_hidden_layers,
          config.num_attention_heads,
          model.max_rows(),
          config.num_key_value_heads,
          config.head_dim,
          model.pool().size(),
          model.own_heads().first_kv,
          model.partition() != nullptr};
}

std::unique_ptr<Intervention> InterventionPool::take(const std::string& name, const InterventionSpec& spec,
                                                     std::shared_ptr<const InterventionTarget> target) {
  std::unique_ptr<Intervention> out;
  const auto found =
      std::ranges::find(idle_, name, &std::pair<std::string, std::unique_ptr<Intervention>>::first);
  if (found == idle_.end()) {
    out = std::make_unique<Intervention>(spec, shape_of(model_));
  } else {
    out = std::move(found->second);
    idle_.erase(found);
  }
  out->aim(std::move(target));
  return out;
}

void InterventionPool::give_back(const std::string& name, std::unique_ptr<Intervention> intervention) {
  idle_.emplace_back(name, std::move(intervention));
  if (idle_.size() > kept_) idle_.pop_front();
}

}  // namespace refocus
