// Interventions at work, kept for the next sequence with the same one: their buffers are large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>

#include "intervene/intervention.h"
#include "model/transformer.h"

namespace refocus {

InterventionShape shape_of(const Transformer& model);

class InterventionPool {
 public:
  // `model` must outlive it. At most `kept` are kept, those that were given back last.
  InterventionPool(const Transformer& model, std::size_t kept) : model_(model), kept_(kept) {}

  // `name` is what spec.canonical() says; `target` what its sequence is aimed at, null where it needs none.
  std::unique_ptr<Intervention> take(const std::string& name, const InterventionSpec& spec,
                                     std::shared_ptr<const InterventionTarget> target);
  void give_back(const std::string& name, std::unique_ptr<Intervention> intervention);

  std::size_t idle() const { return idle_.size(); }

 private:
  const Transformer& model_;
  std::size_t kept_;
  std::deque<std::pair<std::string, std::unique_ptr<Intervention>>> idle_;  // in the order they came back
};

}  // namespace refocus
