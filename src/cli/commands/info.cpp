// refocus info: what a model is, without running it.
#include <fmt/core.h>

#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/json_reader.h"
#include "cli/command.h"
#include "cli/options/model_options.h"
#include "model/adapter.h"
#include "model/weights.h"

namespace refocus::cli {

namespace {

struct InfoOptions {
  ModelOptions model;
  bool json = false;
};

std::string_view scaling_name(RopeScaling::Kind kind) {
  switch (kind) {
    case RopeScaling::Kind::kNone:
      return "none";
    case RopeScaling::Kind::kLinear:
      return "linear";
    case RopeScaling::Kind::kDynamic:
      return "dynamic";
    case RopeScaling::Kind::kLlama3:
      return "llama3";
    case RopeScaling::Kind::kYarn:
      return "yarn";
    case RopeScaling::Kind::kLongrope:
      return "longrope";
  }
  return "?";
}

void describe_adapter(const Adapter& adapter, nlohmann::ordered_json& out) {
  std::int64_t parameters = 0;
  std::set<std::int64_t> ranks;
  std::set<std::string> targets;
  for (const auto& [name, change] : adapter.matrices) {
    parameters += change.rank * (change.inputs + change.outputs);
    ranks.insert(change.rank);
    targets.insert(name.substr(name.rfind('.') + 1));
  }
  out["adapter"] = adapter.source;
  out["adapter_base_model"] = adapter.base_model;
  out["adapter_parameters"] = parameters;
  out["adapter_ranks"] = ranks;
  out["adapter_targets"] = targets;
}

// How many layers see how many keys: {"512": 15, "all": 3}.
nlohmann::ordered_json windows_of(const ModelConfig& c) {
  std::map<std::int64_t, std::int64_t> layers;
  for (std::int64_t l = 0; l < c.num_hidden_layers; ++l) ++layers[c.layer(l).window];
  nlohmann::ordered_json out;
  for (const auto& [window, count] : layers) out[window > 0 ? std::to_string(window) : "all"] = count;
  return out;
}

// Every setting of config.json or the metadata that was read, with the place that it is from.
nlohmann::ordered_json settings_of(const ModelConfig& c) {
  nlohmann::ordered_json out;
  for (const ConfigFact& fact : c.facts) out[fact.name] = {{"value", fact.value}, {"from", fact.source}};
  return out;
}

// Of the matrices that are packed for products, in memory.
std::size_t packed_bytes_of(const OpenModel& model) {
  std::size_t bytes = 0;
  for (const auto& [type, memory] :
       packed_memory(*model.weights, has_tied_embeddings(model.config, *model.weights))) {
    bytes += memory.packed;
  }
  return bytes;
}

nlohmann::ordered_json describe(const OpenModel& model) {
  const ModelConfig& c = model.config;
  std::map<std::string, std::int64_t> parameters_by_type;
  std::int64_t parameters = 0;
  for (const auto& [name, entry] : model.weights->entries()) {
    parameters += entry.view.elements();
    parameters_by_type[std::string(name_of(entry.view.dtype))] += entry.view.elements();
  }
  nlohmann::ordered_json out;
  out["model"] = model.directory.string();
  out["model_type"] = c.model_type;
  out["parameters"] = parameters;
  out["parameters_by_type"] = parameters_by_type;
  out["weight_bytes"] = model.weights->total_bytes();
  out["packed_weight_bytes"] = packed_bytes_of(model);
  out["num_hidden_layers"] = c.num_hidden_layers;
  out["hidden_size"] = c.hidden_size;
  out["intermediate_size"] = c.intermediate_size;
  out["num_attention_heads"] = c.num_attention_heads;
  out["num_key_value_heads"] = c.num_key_value_heads;
  out["head_dim"] = c.head_dim;
  out["vocab_size"] = c.vocab_size;
  out["context_length"] = c.context_length();
  out["sliding_windows"] = windows_of(c);
  out["experts"] = c.experts.count;
  out["rope_theta"] = c.rope.theta;
  out["rope_scaling"] = scaling_name(c.rope.scaling.kind);
  const char* eps = c.norm == NormKind::kRms ? "rms_norm_eps" : "layer_norm_eps";
  out[eps] = std::stod(fmt::format("{}", c.norm_eps));  // 1e-05, not 9.99999974e-06
  // A head in the weights counts, whatever config.json says.
  out["tie_word_embeddings"] = has_tied_embeddings(c, *model.weights);
  out["kv_cache_bytes_per_token"] = kv_bytes(c, kKeyBlock) / kKeyBlock;  // within windows
  out["kv_cache_bytes_of_context"] = kv_bytes(c, c.context_length(), DType::kF32, kRunningRows);
  out["tokenizer_vocab_size"] =
      model.tokenizer ? nlohmann::json(model.tokenizer->vocab_size()) : nlohmann::json();
  out["bos_token_id"] = model.tokenizer && model.tokenizer->bos_id()
                            ? nlohmann::json(*model.tokenizer->bos_id())
                            : nlohmann::json();
  out["eos_token_ids"] = model.eos_ids;
  if (model.adapter) describe_adapter(*model.adapter, out);
  out["settings"] = settings_of(c);
  return out;
}

void run(const InfoOptions& options) {
  const OpenModel model = open_model(options.model);
  // A model that would not run is an error here.
  ModelWeights weights = bind_weights(model.config, *model.weights, model.directory.string());
  if (model.adapter) attach_adapter(*model.adapter, model.directory.string(), weights);
  const nlohmann::ordered_json out = describe(model);
  if (options.json) {
    fmt::print("{}\n", json_text(out));
    return;
  }
  for (const auto& [key, value] : out.items()) {
    if (key == "settings") continue;
    fmt::print("{:<26} {}\n", key, value.is_string() ? value.get<std::string>() : json_text(value));
  }
  if (const auto note = memory_note(model)) fmt::print("{}\n", *note);
  fmt::print("\nsettings as they were read\n");
  for (const ConfigFact& fact : model.config.facts) {
    fmt::print("  {:<38} {:<22} {}\n", fact.name, fact.value, fact.source);
  }
}

}  // namespace

Action add_info(CLI::App& command) {
  auto options = std::make_shared<InfoOptions>();
  options->model.add_model(command);
  options->model.add_adapter(command);
  command.add_flag("--json", options->json, "Print one JSON object");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
