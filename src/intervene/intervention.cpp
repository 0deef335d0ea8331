#include "intervene/intervention.h"

#include "intervene/rebalance.h"

namespace refocus {

Intervention::Intervention(const InterventionSpec& spec, std::int64_t layers, std::int64_t heads,
                           std::int64_t max_rows) {
  if (spec.rebalance && spec.rebalance->alpha != 0) {
    rebalance_ = std::make_unique<Rebalance>(*spec.rebalance, layers, heads, max_rows);
  }
}

Intervention::~Intervention() = default;
Intervention::Intervention(Intervention&&) noexcept = default;
Intervention& Intervention::operator=(Intervention&&) noexcept = default;

const AttentionHooks* Intervention::hooks() const {
  return rebalance_ ? rebalance_->hooks().data() : nullptr;
}

}  // namespace refocus
