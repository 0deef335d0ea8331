// Where each weight of a model in training lies: one flat run of float32 numbers, in which the gradient and
// the optimizer's moments have the same places.
//
// Matrices that read the same input lie one after the other (query, key, value; gate, up), so that each such
// group is one product.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "architecture/model_config.h"
#include "base/aligned_buffer.h"
#include "io/safetensors.h"
#include "tensor/weight_map.h"

namespace refocus {

struct Parameter {
  enum class Kind { kMatrix, kNorm, kBias };
  std::string name;                 // Hugging Face's
  std::vector<std::int64_t> shape;  // a matrix is [outputs, inputs]
  Kind kind = Kind::kMatrix;
  float start = 0;  // of norms and biases from scratch
  std::int64_t offset = 0, size = 0;

  bool is_matrix() const { return kind == Kind::kMatrix; }
};

// The matrices of a layer that read the same input lie together, in one group.
enum class LinearGroup { kQkv, kO, kGateUp, kDown };
inline constexpr std::size_t kLinearGroups = 4;
// The norms of a layer; which there are is up to ModelConfig::placement and qk_norm.
enum class NormPlace { kAttention, kAttentionOutput, kMlp, kMlpOutput, kQuery, kKey };
inline constexpr std::size_t kNormPlaces = 6;

struct LayerOffsets {
  static constexpr std::int64_t kNone = -1;
  std::array<std::int64_t, kNormPlaces> norms = {kNone, kNone, kNone, kNone, kNone, kNone};
  std::array<std::int64_t, kLinearGroups> matrices = {};
  std::array<std::int64_t, kLinearGroups> biases = {kNone, kNone, kNone, kNone};
};

// What a run trains: names and places.
class ParameterList {
 public:
  virtual ~ParameterList() = default;  // trainers hold lists of either kind
  std::int64_t size() const { return size_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }

 protected:
  // Returns the new parameter's offset.
  std::int64_t add(std::string name, std::vector<std::int64_t> shape,
                   Parameter::Kind kind = Parameter::Kind::kMatrix, float start = 0);

 private:
  std::vector<Parameter> parameters_;
  std::int64_t size_ = 0;
};

// All weights of a model, as its files have them: norm weights of ModelConfig::norm_plus_one are w - 1.
class ParameterLayout : public ParameterList {
 public:
  // `tied`: the output matrix is the embedding.
  ParameterLayout(const ModelConfig& config, bool tied);

  const std::vector<LayerOffsets>& layers() const { return layers_; }
  std::int64_t embed_tokens() const { return embed_tokens_; }
  std::int64_t norm() const { return norm_; }
  std::int64_t lm_head() const { return lm_head_; }
  bool tied() const { return lm_head_ == embed_tokens_; }

 private:
  LayerOffsets add_layer(const ModelConfig& config, std::int64_t layer);

  std::vector<LayerOffsets> layers_;
  std::int64_t embed_tokens_ = 0, norm_ = 0, lm_head_ = 0;
};

// Norms 1, biases 0, matrices normal with this standard deviation: a function of the seed, the same on every
// machine up to rounding of its logarithm and cosine.
//
// With `embedding_mean` > 0 one vector, normal with that standard deviation, is added to all embeddings.
// Queries and keys then have a part that does not depend on the token, which RoPE turns into attention by
// distance: small models learn to look at the token before, and from there to find things again, several
// times sooner.
struct InitialWeights {
  std::uint64_t seed = 0;
  double deviation = 0.02, embedding_mean = 0;
};
void initialise_weights(const ParameterLayout& layout, const InitialWeights& initial, float* weights);

// Copies a checkpoint's weights, of any type, into their places; a bias that the config has and the file
// lacks is 0, and the result says so, in lines for warnings. InputError where a weight is missing or has
// another shape, and for what is not trained: stored RoPE factors.
std::vector<std::string> load_weights(const ParameterLayout& layout, const ModelConfig& config,
                                      const WeightMap& map, const std::string& where, float* weights);

// Views of all parameters of a run, under their names.
std::vector<NamedTensor> named_tensors(const ParameterList& layout, const float* values,
                                       const std::string& prefix = "");

}  // namespace refocus
