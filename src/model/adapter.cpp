#include "model/adapter.h"

#include <map>

#include "base/error.h"

namespace refocus {

namespace {

using Matrices = std::map<std::string, Linear*, std::less<>>;

Matrices matrices_of(LlamaWeights& weights) {
  Matrices out;
  for (std::size_t l = 0; l < weights.layers.size(); ++l) {
    LayerWeights& w = weights.layers[l];
    const std::string attention = fmt::format("model.layers.{}.self_attn.", l);
    const std::string mlp = fmt::format("model.layers.{}.mlp.", l);
    out[attention + "q_proj"] = &w.q_proj;
    out[attention + "k_proj"] = &w.k_proj;
    out[attention + "v_proj"] = &w.v_proj;
    out[attention + "o_proj"] = &w.o_proj;
    out[mlp + "gate_proj"] = &w.gate_proj;
    out[mlp + "up_proj"] = &w.up_proj;
    out[mlp + "down_proj"] = &w.down_proj;
  }
  out["lm_head"] = &weights.lm_head;
  return out;
}

bool names(std::string_view target, std::string_view matrix) {
  return matrix == target || (matrix.size() > target.size() && matrix.ends_with(target) &&
                              matrix[matrix.size() - target.size() - 1] == '.');
}

void check_targets(const Adapter& adapter, const std::string& model, const Matrices& matrices) {
  for (const std::string& target : adapter.targets) {
    bool known = false;
    for (const auto& [name, linear] : matrices) {
      if (!names(target, name)) continue;
      known = true;
      if (!adapter.matrices.contains(name)) {
        throw input_error(
            adapter.source,
            "expected a change of {} [{}, {}], as its targets and {} want, got none; the adapter "
            "is another model's, or incomplete",
            name, linear->outputs, linear->inputs, printable(model, 200));
      }
    }
    if (known) continue;
    std::string all;
    for (const char* t : kAdapterTargets) all += std::string(t) + ", ";
    throw input_error(adapter.source, "expected target modules among {}lm_head, got {}; use another adapter",
                      all, printable(target));
  }
}

void check_shape(const Adapter& adapter, const LowRank& change, const std::string& matrix,
                 const Linear& linear) {
  const std::vector<std::int64_t> a = {change.rank, linear.inputs}, b = {linear.outputs, change.rank};
  const bool wrong_a = change.inputs != linear.inputs;
  if (!wrong_a && change.outputs == linear.outputs) return;
  throw input_error(
      adapter.source, "expected tensor {} {} for {} [{}, {}], got {}; the adapter is another model's",
      wrong_a ? change.a_name : change.b_name, shape_text(wrong_a ? a : b), matrix, linear.outputs,
      linear.inputs,
      wrong_a ? shape_text({change.rank, change.inputs}) : shape_text({change.outputs, change.rank}));
}

Matrices checked_matrices(const Adapter& adapter, const std::string& model, LlamaWeights& weights) {
  Matrices matrices = matrices_of(weights);
  for (const auto& [name, change] : adapter.matrices) {
    const auto found = matrices.find(name);
    if (found == matrices.end()) {
      throw input_error(
          adapter.source,
          "tensor {} [{}, {}] changes a matrix that {}, of {} layers, does not have; the adapter "
          "is another model's",
          printable(change.a_name, 160), change.rank, change.inputs, printable(model, 200),
          weights.layers.size());
    }
    check_shape(adapter, change, name, *found->second);
  }
  check_targets(adapter, model, matrices);
  return matrices;
}

}  // namespace

void attach_adapter(const Adapter& adapter, const std::string& model, LlamaWeights& weights) {
  const Matrices matrices = checked_matrices(adapter, model, weights);
  for (const auto& [name, change] : adapter.matrices) matrices.at(name)->adapter = &change;
}

}  // namespace refocus
