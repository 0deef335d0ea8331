// What engine tests share: a golden checkpoint opened as a transformer, and one sequence run through it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "intervene/intervention_pool.h"
#include "intervene/target.h"
#include "io/checkpoint.h"
#include "model/golden_cases.h"
#include "model/test_device.h"
#include "model/transformer.h"
#include "support.h"

namespace refocus::testing {

inline std::filesystem::path golden_engine() { return golden("engine"); }

// A transformer with everything it stands on.
struct Engine {
  ThreadPool pool;
  std::unique_ptr<Transformer> model;
  std::unique_ptr<KvPool> cache;

  Engine(const std::string& model_dir, const std::string& config_json, int threads, std::int64_t max_rows,
         DType kv_type = DType::kF32, Activations activations = test_activations())
      : pool(threads) {
    Checkpoint checkpoint = open_checkpoint(golden_engine() / model_dir);
    model = std::make_unique<Transformer>(parse_config(config_json, model_dir),
                                          std::make_shared<WeightMap>(std::move(checkpoint.weights)),
                                          model_dir, pool, max_rows, kv_type, activations, test_device());
    cache = std::make_unique<KvPool>(model->config(), kv_bytes(model->config(), 400, kv_type) * 16, kv_type,
                                     model->device());
  }
  Engine(const GoldenCase& golden, int threads, std::int64_t max_rows = 512)
      : Engine(golden.model_dir, golden_config(golden_engine(), golden), threads, max_rows) {}

  Intervention intervention(const std::string& spec) const {
    return {parse_intervention(spec), shape_of(*model)};
  }
};

// Aims an intervention at a prompt whose tokens [first, last) are of the field "question"; null where it
// needs no aim.
inline std::shared_ptr<const InterventionTarget> aim_at_question(const InterventionSpec& spec,
                                                                 std::span<const std::int32_t> tokens,
                                                                 std::size_t first, std::size_t last) {
  if (!spec.needs_target()) return nullptr;
  PieceOrigin question;
  question.field = "question";
  const Prompt pieces = {template_piece("a"), data_piece("b", question)};
  EncodedPrompt encoded;
  encoded.tokens.assign(tokens.begin(), tokens.end());
  for (std::size_t i = 0; i < tokens.size(); ++i) encoded.pieces.push_back(i >= first && i < last ? 1 : 0);
  return aim(spec, {tokens, &pieces, &encoded, nullptr});
}

// Interventions that act on it.
inline constexpr const char* kAimedInterventions[] = {
    "boost:factor=5,keys=field:question",
    "knockout:keys=field:question,rows=last+rebalance:alpha=0.5,threshold=0.01",
    "guide:delta=1,keys=not:field:question|generated,rows=generated"};

// Interventions that look at the whole prompt before they change any of its rows.
inline constexpr const char* kWholeInterventions[] = {
    "act:beta=0.1,theta=0.04,layers=every:1", "spotlight:target=0.6,scope=layer,keys=field:question",
    "spotlight:target=0.5,scope=layer,keys=field:question+act:beta=0.2,theta=0.05,layers=every:1"};

// The configuration of a golden checkpoint with keys replaced: a JSON object.
inline std::string config_with(const std::string& model_dir, const std::string& overrides) {
  GoldenCase golden;
  golden.model_dir = model_dir;
  golden.config_overrides = overrides;
  return golden_config(golden_engine(), golden);
}

// Ids of the golden checkpoints' vocabulary of 67; those of one seed are beginnings of each other.
inline std::vector<std::int32_t> made_up_ids(std::size_t count, unsigned seed) {
  std::vector<std::int32_t> out(count);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = static_cast<std::int32_t>((i * 37 + seed * 11 + i * i * (seed + 1)) % 67);
  return out;
}

// One logical call: `tokens` cut into pieces of at most `chunk` rows. Logits of all rows, appended to
// `logits`.
inline void run_call(Engine& engine, KvSequence& sequence, std::span<const std::int32_t> tokens,
                     const Intervention& intervention, std::int64_t chunk, std::vector<float>& logits) {
  const std::int64_t end = sequence.length() + static_cast<std::int64_t>(tokens.size());
  ASSERT_TRUE(sequence.reserve(end));
  while (!tokens.empty()) {
    const auto now = tokens.first(std::min(tokens.size(), static_cast<std::size_t>(chunk)));
    tokens = tokens.subspan(now.size());
    const SequenceInput input{&sequence, now, end, intervention.hooks(), LogitRows::kAll};
    const std::span<const float> out = engine.model->forward({&input, 1});
    logits.insert(logits.end(), out.begin(), out.end());
  }
}

}  // namespace refocus::testing
