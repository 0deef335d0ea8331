// What a model computes, as a list of named features: the one place to see them all.
//
// A family (families.h) fills this from its config.json; the layer loop (model/transformer.h) reads nothing
// else, and knows no family by name. Whatever is not set has LLaMA's value. Names are those of Hugging Face's
// configs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "architecture/tensor_names.h"

namespace refocus {

enum class NormKind {
  kRms,    // y = x / sqrt(mean(x^2) + eps) * w                      (Zhang & Sennrich 2019)
  kLayer,  // y = (x - mean(x)) / sqrt(var(x) + eps) * w + b         (Ba et al. 2016), w and b where the file
           // has them
};

// Where the norms of a layer stand; f is attention, then the MLP.
enum class Placement {
  kPre,          // x += f(norm(x))
  kPost,         // x += norm(f(x))                                  OLMo 2
  kSandwich,     // x += norm'(f(norm(x)))                           Gemma 2
  kParallel,     // x += attention(norm(x)) + mlp(norm(x))           Cohere, Phi
  kParallelTwo,  // x += attention(norm(x)) + mlp(norm'(x))          GPT-NeoX
};

// Norms of queries and keys, of the model's NormKind.
enum class QkNorm {
  kNone,
  kHead,      // over head_dim, one weight [head_dim] for all heads   Qwen 3, Gemma 3
  kEachHead,  // over head_dim, weights [heads, head_dim]             Cohere
  kFull,      // over all heads together, weight [heads * head_dim]   OLMo 2
};

enum class Activation {
  kSilu,         // x / (1 + exp(-x))
  kGelu,         // x Phi(x)                                          (Hendrycks & Gimpel 2016)
  kGeluTanh,     // x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
  kRelu,         // max(x, 0)
  kReluSquared,  // max(x, 0)^2
};

// How the MLP's inner values are made of its first products.
enum class MlpKind {
  kGated,         // act(gate(x)) * up(x)
  kPlain,         // act(up(x))
  kClampedGated,  // (up' + 1) * gate' / (1 + exp(-1.702 gate')), gate' = min(gate, 7), up' = clamp(up, -7, 7)
                  // gpt-oss
};

struct RopeScaling {
  enum class Kind { kNone, kLinear, kDynamic, kLlama3, kYarn, kLongrope };
  Kind kind = Kind::kNone;
  double factor = 1;
  double low_freq_factor = 1, high_freq_factor = 4;  // llama3 only
  double original_max_position_embeddings = 8192;    // llama3, yarn and longrope
  double beta_fast = 32, beta_slow = 1;           // yarn: turns within the original length (Peng et al. 2023)
  bool truncate = true;                           // yarn: whether its range is rounded to whole dimensions
  double attention_factor = 1;                    // yarn and longrope: on cosines and sines
  std::vector<double> short_factor, long_factor;  // longrope, [rotary_dim / 2] each (Ding et al. 2024)
};

// One way to turn queries and keys by position (Su et al. 2021).
struct RopeConfig {
  double theta = 10000;
  RopeScaling scaling;
};

struct LayerConfig {
  enum class Rope : std::uint8_t { kNone, kGlobal, kLocal };
  std::int64_t window = 0;  // a query sees so many keys, itself included; 0: all before it
  Rope rope = Rope::kGlobal;
  bool experts = false;
};

// Experts in place of the MLP of some layers (Shazeer et al. 2017).
struct ExpertConfig {
  enum class Scores {
    kSoftmax,      // of all logits; the largest are taken
    kSoftmaxTopK,  // of the largest logits
  };
  std::int64_t count = 0;      // of experts; 0: none
  std::int64_t per_token = 0;  // of them that a token goes through
  std::int64_t intermediate_size = 0;
  Scores scores = Scores::kSoftmax;
  bool renormalise = false;  // the taken scores so that they sum to 1
  std::int64_t shared_intermediate_size =
      0;               // of an expert that all tokens go through, behind a sigmoid gate; 0: none
  bool fused = false;  // how the file has them: see TensorNames::experts
};

// Whether linear layers have biases; nothing: as the file has them (GGUF files say nothing about it).
struct BiasConfig {
  std::optional<bool> qkv = false, o = false, mlp = false, head = false;
};

// A setting with the place that it is from, for `info`.
struct ConfigFact {
  std::string name, value, source;
};

struct ModelConfig {
  std::string model_type = "llama";
  std::int64_t vocab_size = 0;
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t max_position_embeddings = 2048;
  bool tie_word_embeddings = false;

  NormKind norm = NormKind::kRms;
  float norm_eps = 1e-6f;
  bool norm_plus_one = false;  // files hold w - 1, but for GGUF's
  bool norm_weights = true;    // false: w = 1 and no b
  Placement placement = Placement::kPre;
  QkNorm qk_norm = QkNorm::kNone;
  bool qk_norm_after_rope = false;
  BiasConfig bias;

  RopeConfig rope;
  std::optional<RopeConfig> local_rope;  // of layers with LayerConfig::Rope::kLocal
  std::int64_t rotary_dim = 0;           // of head_dim, from its beginning, that are turned; 0: all
  bool interleaved_rope = false;  // files have pairs in adjacent rows, but for GGUF's where it says otherwise
  bool learned_positions = false;  // added to the embeddings; none beyond max_position_embeddings

  float attention_scale = 0;     // on q . k; 0: 1 / sqrt(head_dim)
  float attention_softcap = 0;   // c tanh(s / c) on scores s; 0: none
  float clip_qkv = 0;            // queries, keys and values within [-c, c]; 0: any
  bool attention_sinks = false;  // exp(sink of the head) in the sum of softmax

  MlpKind mlp = MlpKind::kGated;
  Activation activation = Activation::kSilu;
  ExpertConfig experts;

  float embedding_multiplier = 1;  // on embeddings
  float residual_multiplier = 1;   // on what attention and MLP add
  float logit_multiplier = 1;      // on logits
  float final_softcap = 0;         // c tanh(z / c) on logits z, after the multiplier; 0: none

  std::vector<LayerConfig> layers;  // [num_hidden_layers], or none where all are as LLaMA's
  TensorNames names;
  std::vector<ConfigFact> facts;
  std::vector<std::string>
      warnings;  // one line each: where two places of the config differ and which was taken

  const LayerConfig& layer(std::int64_t l) const {
    static const LayerConfig kPlain;
    return layers.empty() ? kPlain : layers[static_cast<std::size_t>(l)];
  }
  std::int64_t rotary() const { return rotary_dim > 0 ? rotary_dim : head_dim; }

  // Tokens the model was made for: max_position_embeddings, or the original length times the factor of a
  // scaling that stretches it.
  std::int64_t context_length() const;
};

// The first feature, in words, that LLaMA lacks and whose gradient training does not know; empty where there
// is none.
std::string unlike_llama(const ModelConfig& config);

// Reads config.json's text; `where` names it in messages. InputError for a model_type that is not read (the
// message lists those that are), sizes that do not fit together, or settings that contradict each other.
ModelConfig parse_config(std::string_view json, const std::string& where);

}  // namespace refocus
