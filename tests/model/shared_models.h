// Small models for tests of models on several ranks, and one piece of work that they all do.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/text_file.h"
#include "comm/local_group.h"
#include "model/engine.h"
#include "model/partition.h"

namespace refocus::testing {

struct SharedModel {
  ModelConfig config;
  std::shared_ptr<const WeightMap> weights;
  std::string name;
};

inline SharedModel shared_model(const std::filesystem::path& path) {
  Checkpoint checkpoint = open_checkpoint(path);
  return {parse_config(checkpoint.config_json, path.string()),
          std::make_shared<WeightMap>(std::move(checkpoint.weights)), path.filename().string()};
}

inline SharedModel shared_family(const std::string& name) { return shared_model(golden("families") / name); }

// The same with `times` as many key/value heads: each of those that are there, and altered copies of it.
inline SharedModel with_more_kv_heads(SharedModel model, std::int64_t times) {
  const TensorNames& names = model.config.names;
  auto out = std::make_shared<WeightMap>();
  for (const auto& named : model.weights->entries()) {
    const std::string& name = named.first;
    const WeightMap::Entry& entry = named.second;
    const auto is_of = [&](std::string_view part) {
      return !part.empty() &&
             (name.ends_with(std::string(part) + ".weight") || name.ends_with(std::string(part) + ".bias"));
    };
    const bool norm = is_of(names.k_norm) &&
                      (model.config.qk_norm == QkNorm::kEachHead || model.config.qk_norm == QkNorm::kFull);
    if (!is_of(names.k) && !is_of(names.v) && !norm) {
      out->insert(name, entry.view, entry.source, model.weights);
      continue;
    }
    const std::vector<float> values = to_f32(entry.view);
    const auto more = std::make_shared<std::vector<float>>();
    for (std::int64_t copy = 0; copy < times; ++copy) {
      for (std::size_t i = 0; i < values.size(); ++i) {
        more->push_back(values[i] * (1 - 0.3f * static_cast<float>(copy)) +
                        0.01f * static_cast<float>(copy * static_cast<std::int64_t>(i % 7)));
      }
    }
    TensorView view{reinterpret_cast<const std::byte*>(more->data()), DType::kF32, entry.view.shape};
    view.shape.front() *= times;
    out->insert(name, view, entry.source, more);
  }
  model.config.num_key_value_heads *= times;
  model.weights = out;
  return model;
}

// Three prompts beside each other, two of them cut into calls where that is allowed, and then some tokens one
// by one: the logits of all, in order.
inline std::vector<float> logits_of_work(Transformer& model, const std::string& text) {
  const InterventionSpec spec = parse_intervention(text);
  constexpr std::size_t kLengths[] = {52, 30, 9};
  constexpr std::size_t kFirst[] = {21, 30, 0};  // of each prompt, in the first call
  const bool whole = spec.needs_whole_prompt();
  KvPool pool = kv_pool_of(model, kv_bytes(model.config(), 128, model.kv_type()) * 4);
  const auto vocab = static_cast<std::size_t>(model.config().vocab_size);
  std::vector<std::vector<std::int32_t>> tokens;
  std::vector<KvSequence> caches;
  std::vector<Intervention> interventions;
  for (std::size_t s = 0; s < 3; ++s) {
    std::vector<std::int32_t>& ids = tokens.emplace_back();
    for (std::size_t i = 0; i < kLengths[s] + 4; ++i) {
      ids.push_back(static_cast<std::int32_t>((i * 37 + s * 11 + i * i * 5) % vocab));
    }
    caches.emplace_back(pool);
    interventions.emplace_back(spec, shape_of(model));
    interventions.back().aim(aim(spec, {std::span<const std::int32_t>(ids).first(kLengths[s])}));
  }
  std::vector<float> out;
  std::vector<SequenceInput> inputs;
  const auto add = [&](std::size_t s, std::size_t end, LogitRows wanted) {
    const auto first = static_cast<std::size_t>(caches[s].length());
    EXPECT_TRUE(caches[s].reserve(static_cast<std::int64_t>(end)));
    inputs.push_back({&caches[s], std::span<const std::int32_t>(tokens[s]).subspan(first, end - first),
                      static_cast<std::int64_t>(std::max(end, kLengths[s])), interventions[s].hooks(),
                      wanted});
  };
  const auto run = [&] {
    const std::span<const float> logits = model.forward(inputs);
    out.insert(out.end(), logits.begin(), logits.end());
    inputs.clear();
  };
  if (!whole) {  // nothing is wanted of the first call: stages need not wait for each other
    add(0, 7, LogitRows::kNone);
    run();
    add(0, kFirst[0], LogitRows::kNone);
  }
  add(1, kFirst[1], LogitRows::kAll);
  run();
  add(0, kLengths[0], LogitRows::kLast);
  inputs.back().last_rows = 12;
  add(2, kLengths[2], LogitRows::kLast);
  run();
  for (std::size_t more = 1; more <= 4; ++more) {
    for (std::size_t s = 0; s < 3; ++s) add(s, kLengths[s] + more, LogitRows::kLast);
    run();
  }
  return out;
}

struct PartitionSizes {
  std::int64_t pipeline = 1, tensor = 1;
};

// The numbers that a model is computed with.
struct Numbers {
  DType kv = DType::kF32;
  Activations activations = Activations::kInt8;
};

// Calls body(model, rank) with each rank's part of the model, on a thread for each.
template <class Body>
void on_ranks(const SharedModel& shared, PartitionSizes sizes, const Body& body, Numbers numbers = {}) {
  run_local_group(static_cast<int>(sizes.pipeline * sizes.tensor), [&](Communicator& comm) {
    ThreadPool pool(comm.rank() % 2 + 1);
    const auto partition = std::make_shared<ModelPartition>(comm.split(0), sizes.pipeline, sizes.tensor);
    Transformer model(shared.config, shared.weights, shared.name, pool, 128, numbers.kv, numbers.activations,
                      nullptr, partition);
    body(model, comm.rank());
  });
}

// Whether every rank gets the bits of a process alone, for each of the interventions.
inline void expect_same_bits(const SharedModel& shared, std::span<const PartitionSizes> all,
                             std::span<const std::string> specs, Numbers numbers = {}) {
  ThreadPool pool(2);
  Transformer alone(shared.config, shared.weights, shared.name, pool, 128, numbers.kv, numbers.activations);
  std::vector<std::vector<float>> expected;
  for (const std::string& spec : specs) expected.push_back(logits_of_work(alone, spec));
  for (const PartitionSizes& sizes : all) {
    const auto compare = [&](Transformer& model, int rank) {
      for (std::size_t i = 0; i < specs.size(); ++i) {
        EXPECT_TRUE(logits_of_work(model, specs[i]) == expected[i])
            << shared.name << ", " << specs[i] << ", " << sizes.pipeline << " x " << sizes.tensor << ", rank "
            << rank;
      }
    };
    on_ranks(shared, sizes, compare, numbers);
  }
}

}  // namespace refocus::testing
