#include "intervene/intervention_pool.h"

namespace refocus {

InterventionShape shape_of(const Transformer& model) {
  const ModelConfig& config = model.config();
  return {config.num_hidden_layers, config.num_attention_heads, model.max_rows(), config.num_key_value_heads,
          config.head_dim,          model.pool().size()};
}

std::unique_ptr<Intervention> InterventionPool::take(const std::string& name, const InterventionSpec& spec,
                                                     std::shared_ptr<const InterventionTarget> target) {
  auto& idle = idle_[name];
  std::unique_ptr<Intervention> out;
  if (idle.empty()) {
    out = std::make_unique<Intervention>(spec, shape_of(model_));
  } else {
    out = std::move(idle.back());
    idle.pop_back();
  }
  out->aim(std::move(target));
  return out;
}

void InterventionPool::give_back(const std::string& name, std::unique_ptr<Intervention> intervention) {
  idle_[name].push_back(std::move(intervention));
}

}  // namespace refocus
