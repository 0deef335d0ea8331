// Names of a LLaMA model's tensors in GGUF files and in Hugging Face's checkpoints.
#include <algorithm>
#include <array>
#include <utility>

#include "io/gguf_model.h"

namespace refocus {

namespace {

using Pair = std::pair<std::string_view, std::string_view>;  // GGUF, Hugging Face

constexpr std::array<Pair, 3> kGlobal = {
    {{"token_embd.", "model.embed_tokens."}, {"output_norm.", "model.norm."}, {"output.", "lm_head."}}};

constexpr std::array<Pair, 9> kOfLayer = {{{"attn_norm.", "input_layernorm."},
                                           {"attn_q.", "self_attn.q_proj."},
                                           {"attn_k.", "self_attn.k_proj."},
                                           {"attn_v.", "self_attn.v_proj."},
                                           {"attn_output.", "self_attn.o_proj."},
                                           {"ffn_norm.", "post_attention_layernorm."},
                                           {"ffn_gate.", "mlp.gate_proj."},
                                           {"ffn_up.", "mlp.up_proj."},
                                           {"ffn_down.", "mlp.down_proj."}}};

template <std::size_t n>
std::string translated(const std::array<Pair, n>& pairs, bool from_gguf, std::string_view name) {
  for (const auto& [gguf, hugging_face] : pairs) {
    const std::string_view from = from_gguf ? gguf : hugging_face, to = from_gguf ? hugging_face : gguf;
    if (!name.starts_with(from)) continue;
    const std::string_view rest = name.substr(from.size());
    if (rest == "weight" || rest == "bias") return std::string(to).append(rest);
  }
  return "";
}

std::string translate(std::string_view name, bool from_gguf) {
  const std::string_view from = from_gguf ? "blk." : "model.layers.";
  const std::string_view to = from_gguf ? "model.layers." : "blk.";
  if (!name.starts_with(from)) return translated(kGlobal, from_gguf, name);
  const std::string_view rest = name.substr(from.size());
  const std::size_t dot = rest.find('.');
  if (dot == std::string_view::npos || dot == 0) return "";
  const std::string_view layer = rest.substr(0, dot);
  const bool digits = std::all_of(layer.begin(), layer.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || (layer.size() > 1 && layer[0] == '0')) return "";
  const std::string tail = translated(kOfLayer, from_gguf, rest.substr(dot + 1));
  return tail.empty() ? "" : std::string(to).append(layer).append(".").append(tail);
}

}  // namespace

std::string hugging_face_name(std::string_view gguf_name) {
  if (gguf_name == kGgufRopeFactorsName) return std::string(kRopeFactorsName);
  return translate(gguf_name, /*from_gguf=*/true);
}

std::string gguf_name(std::string_view hugging_face_name) {
  if (hugging_face_name == kRopeFactorsName) return std::string(kGgufRopeFactorsName);
  return translate(hugging_face_name, /*from_gguf=*/false);
}

}  // namespace refocus
