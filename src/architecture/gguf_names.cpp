#include "architecture/gguf_names.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace refocus {

namespace {

struct NamePair {
  std::string_view gguf;  // without the suffix
  std::string hugging_face;
};

std::vector<NamePair> global_names(const TensorNames& n) {
  std::vector<NamePair> out = {{"token_embd", std::string(n.embeddings)},
                               {"output_norm", std::string(n.final_norm)},
                               {"output", std::string(n.head)}};
  if (!n.positions.empty()) out.push_back({"position_embd", std::string(n.positions)});
  return out;
}

std::vector<NamePair> layer_names(const TensorNames& n) {
  std::vector<NamePair> out;
  const auto add = [&](std::string_view gguf, std::string_view name) {
    if (!name.empty()) out.push_back({gguf, std::string(name)});
  };
  add("attn_norm", n.attention_norm);
  add("attn_qkv", n.qkv);
  if (n.qkv.empty()) {
    add("attn_q", n.q);
    add("attn_k", n.k);
    add("attn_v", n.v);
  }
  add("attn_output", n.o);
  add("attn_q_norm", n.q_norm);
  add("attn_k_norm", n.k_norm);
  add("attn_sinks", n.sinks);
  add("post_attention_norm", n.attention_output_norm);
  add(n.gguf_mlp_norm, n.mlp_norm);
  if (n.gate_up.empty()) {
    add("ffn_gate", n.gate);
    add("ffn_up", n.up);
  } else {
    add("ffn_up", n.gate_up);
  }
  add("ffn_down", n.down);
  add("post_ffw_norm", n.mlp_output_norm);
  if (!n.router.empty()) {
    add("ffn_gate_inp", n.router);
    const std::string stack = stacked_experts(n);
    add("ffn_gate_exps", stack + std::string(n.expert_gate));
    add("ffn_up_exps", stack + std::string(n.expert_up));
    add("ffn_down_exps", stack + std::string(n.expert_down));
  }
  if (!n.shared_expert.empty()) {
    const std::string shared(n.shared_expert);
    add("ffn_gate_shexp", shared + "gate_proj");
    add("ffn_up_shexp", shared + "up_proj");
    add("ffn_down_shexp", shared + "down_proj");
    add("ffn_gate_inp_shexp", n.shared_expert_gate);
  }
  return out;
}

// ".weight", ".bias", or nothing: attention sinks have none in Hugging Face's files.
constexpr std::string_view kSuffixes[] = {".weight", ".bias"};

std::string translated(const std::vector<NamePair>& pairs, bool from_gguf, std::string_view name) {
  for (const NamePair& pair : pairs) {
    const std::string_view from = from_gguf ? pair.gguf : std::string_view(pair.hugging_face);
    const std::string_view to = from_gguf ? std::string_view(pair.hugging_face) : pair.gguf;
    if (pair.gguf == "attn_sinks") {
      if (name == (from_gguf ? "attn_sinks.weight" : from))
        return std::string(from_gguf ? to : "attn_sinks.weight");
      continue;
    }
    for (const std::string_view suffix : kSuffixes) {
      if (name.size() == from.size() + suffix.size() && name.starts_with(from) && name.ends_with(suffix)) {
        return std::string(to).append(suffix);
      }
    }
  }
  return "";
}

}  // namespace

std::string layer_prefix(const TensorNames& names, std::int64_t layer) {
  const std::size_t hole = names.layer.find("{}");
  return fmt::format("{}{}{}", names.layer.substr(0, hole), layer, names.layer.substr(hole + 2));
}

std::string stacked_experts(const TensorNames& names) {
  const std::string_view all = names.experts;
  return std::string(all.substr(0, all.find("{}")));
}

std::string hugging_face_name(const TensorNames& names, std::string_view name) {
  if (name == kGgufRopeFactorsName) return std::string(kRopeFactorsName);
  if (!name.starts_with("blk.")) return translated(global_names(names), /*from_gguf=*/true, name);
  const std::string_view rest = name.substr(4);
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || dot == 0) return "";
  const std::string_view layer = rest.substr(0, dot);
  const bool digits = std::ranges::all_of(layer, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (layer.size() > 1 && layer[0] == '0')) return "";
  const std::string tail = translated(layer_names(names), /*from_gguf=*/true, rest.substr(dot + 1));
  if (tail.empty()) return "";
  const std::size_t hole = names.layer.find("{}");
  return fmt::format("{}{}{}{}", names.layer.substr(0, hole), layer, names.layer.substr(hole + 2), tail);
}

std::string gguf_name(const TensorNames& names, std::string_view name) {
  if (name == kRopeFactorsName) return std::string(kGgufRopeFactorsName);
  const std::size_t hole = names.layer.find("{}");
  if (!name.starts_with(names.layer.substr(0, hole)))
    return translated(global_names(names), /*from_gguf=*/false, name);
  const std::string_view rest = name.substr(hole);
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || dot == 0) return "";
  const std::string_view layer = rest.substr(0, dot);
  const bool digits = std::ranges::all_of(layer, [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (layer.size() > 1 && layer[0] == '0')) return "";
  const std::string tail = translated(layer_names(names), /*from_gguf=*/false, rest.substr(dot + 1));
  return tail.empty() ? "" : fmt::format("blk.{}.{}", layer, tail);
}

}  // namespace refocus
