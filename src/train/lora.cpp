#include "train/lora.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "io/peft/peft_tensors.h"
#include "model/adapter.h"

namespace refocus {

namespace {

struct Target {
  const char *parent, *name;  // "self_attn", "q_proj"
  std::int64_t outputs;
};

struct GroupTargets {
  std::int64_t inputs;
  std::vector<Target> targets;
};

// In the order of LinearGroup.
std::array<GroupTargets, kLinearGroups> groups_of(const ModelConfig& c) {
  const std::int64_t q = c.num_attention_heads * c.head_dim, kv = c.num_key_value_heads * c.head_dim,
                     inner = c.intermediate_size;
  return {{{c.hidden_size,
            {{"self_attn", "q_proj", q}, {"self_attn", "k_proj", kv}, {"self_attn", "v_proj", kv}}},
           {q, {{"self_attn", "o_proj", c.hidden_size}}},
           {c.hidden_size, {{"mlp", "gate_proj", inner}, {"mlp", "up_proj", inner}}},
           {inner, {{"mlp", "down_proj", c.hidden_size}}}}};
}

}  // namespace

std::vector<std::string> parse_lora_targets(std::string_view text) {
  std::vector<std::string> wanted;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    wanted.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<std::string> out;
  std::string known;
  for (const char* target : kAdapterTargets) {
    known += std::string(target) + ", ";
    if (text == "all" || std::erase(wanted, target) > 0) out.emplace_back(target);
  }
  if (text != "all" && !wanted.empty()) {
    throw usage_error("--lora-targets", "expected {}separated by commas, or all, got '{}'; correct the name",
                      known, printable(wanted.front()));
  }
  return out;
}

LoraLayout::LoraLayout(const ModelConfig& config, const LoraOptions& options)
    : rank_(options.rank), scale_(static_cast<float>(options.alpha / static_cast<double>(options.rank))) {
  const auto wanted = [&](const Target& t) {
    return std::ranges::find(options.targets, t.name) != options.targets.end();
  };
  for (std::int64_t l = 0; l < config.num_hidden_layers; ++l) {
    std::array<LoraGroup, kLinearGroups>& of_layer = groups_.emplace_back();
    std::size_t index = 0;
    for (const auto& [inputs, targets] : groups_of(config)) {
      LoraGroup& group = of_layer[index++];
      group.inputs = inputs;
      group.a = size();
      const auto name = [&](const Target& t, char factor) {
        return peft_tensor_name(fmt::format("model.layers.{}.{}.{}", l, t.parent, t.name), factor);
      };
      for (const Target& t : targets) {
        if (!wanted(t)) continue;
        if (rank_ > std::min(inputs, t.outputs)) {
          throw usage_error("--lora-rank", "expected at most {}, since {} is [{}, {}], got {}",
                            std::min(inputs, t.outputs), t.name, t.outputs, inputs, rank_);
        }
        add(name(t, 'A'), {rank_, inputs});
      }
      for (const Target& t : targets) {
        if (wanted(t))
          group.members.push_back({add(name(t, 'B'), {t.outputs, rank_}), group.outputs, t.outputs});
        group.outputs += t.outputs;
      }
    }
  }
}

void initialise_lora(const LoraLayout& layout, std::uint64_t seed, float* weights) {
  SplitMix64 random(seed);
  for (const Parameter& p : layout.parameters()) {
    const bool is_a = p.name.ends_with("lora_A.weight");
    const double bound = 1 / std::sqrt(static_cast<double>(p.shape[1]));
    for (std::int64_t i = 0; i < p.size; ++i) {
      weights[p.offset + i] = is_a ? static_cast<float>(bound * (2 * random.uniform() - 1)) : 0.0f;
    }
  }
}

}  // namespace refocus
