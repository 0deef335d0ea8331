// Interventions at work, kept for the next sequence with the same one: their buffers are large.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "intervene/intervention.h"
#include "model/transformer.h"

namespace refocus {

InterventionShape shape_of(const Transformer& model);

class InterventionPool {
 public:
  // `model` must outlive it.
  explicit InterventionPool(const Transformer& model) : model_(model) {}

  // `name` is what spec.canonical() says; `target` what its sequence is aimed at, null where it needs none.
  std::unique_ptr<Intervention> take(const std::string& name, const InterventionSpec& spec,
                                     std::shared_ptr<const InterventionTarget> target);
  void give_back(const std::string& name, std::unique_ptr<Intervention> intervention);

 private:
  const Transformer& model_;
  std::map<std::string, std::vector<std::unique_ptr<Intervention>>> idle_;
};

}  // namespace refocus
