// What the tensors of a family are called in Hugging Face's files, by what they are for.
//
// Names are without ".weight" and ".bias". In those of a layer, `layer` stands before; an empty name: the
// family has none. The defaults are LLaMA's. GGUF has one set of names for all families (gguf_names.h).
#pragma once

#include <string_view>

namespace refocus {

struct TensorNames {
  std::string_view embeddings = "model.embed_tokens";
  std::string_view positions = "";  // learned, [max_position_embeddings, hidden_size]
  std::string_view final_norm = "model.norm";
  std::string_view head = "lm_head";

  std::string_view layer = "model.layers.{}.";  // {}: its number
  std::string_view attention_norm = "input_layernorm";
  std::string_view q = "self_attn.q_proj", k = "self_attn.k_proj", v = "self_attn.v_proj",
                   o = "self_attn.o_proj";
  std::string_view qkv = "";  // one matrix in place of q, k and v; see QkvRows
  std::string_view q_norm = "self_attn.q_norm", k_norm = "self_attn.k_norm";
  std::string_view sinks = "";                  // a vector [heads], no ".weight"
  std::string_view attention_output_norm = "";  // sandwich and post placement
  std::string_view mlp_norm = "post_attention_layernorm";
  std::string_view gate = "mlp.gate_proj", up = "mlp.up_proj", down = "mlp.down_proj";
  std::string_view gate_up = "";  // one matrix in place of gate and up: gate's rows, then up's
  std::string_view mlp_output_norm = "";

  std::string_view router = "";
  std::string_view experts =
      "";  // of expert {}: "mlp.experts.{}."; or of all of them in one tensor: "mlp.experts."
  std::string_view expert_gate = "gate_proj", expert_up = "up_proj", expert_down = "down_proj";
  std::string_view shared_expert = "";       // before gate, up and down
  std::string_view shared_expert_gate = "";  // [1, hidden_size]

  // The order of rows in `qkv` in Hugging Face's files; GGUF's always have all of q, then k, then v.
  enum class QkvRows {
    kTogether,  // all of q, then k, then v
    kByHead,    // of each head: q, k, v (GPT-NeoX)
  };
  QkvRows qkv_rows = QkvRows::kTogether;
  bool transposed = false;  // linear layers are [in, out] in Hugging Face's files (GPT-2)

  // GGUF
  std::string_view gguf = "llama";  // general.architecture; empty: none is read
  std::string_view gguf_mlp_norm = "ffn_norm";
  bool gguf_paired_rows = false;  // query and key rows in adjacent pairs (see TensorView::paired_head_dim)
};

}  // namespace refocus
