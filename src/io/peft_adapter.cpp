#include "io/peft_adapter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/text_file.h"
#include "io/model_kind.h"
#include "io/safetensors.h"
#include "io/strict_json.h"
#include "io/torch_checkpoint.h"
#include "io/weight_file.h"
#include "tensor/weight_map.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::string_view kPrefix = "base_model.model.";
constexpr const char* kTorchName = "adapter_model.bin";
constexpr std::int64_t kMostRank = 1 << 20;

// Fields of the configuration that change what is computed; each must be null, false or empty.
constexpr std::array kUnsupported = {
    "modules_to_save",         "layer_replication", "trainable_token_indices",
    "target_parameters",       "fan_in_fan_out",    "lora_bias",
    "alora_invocation_tokens", "arrow_config",      "ensure_weight_tying"};

// Ways to begin training that leave the base model's weights as they are.
constexpr std::array kPlainInitialisations = {"gaussian", "eva", "orthogonal"};

bool is_neutral(const json& value) {
  return value.is_null() || value == false ||
         ((value.is_array() || value.is_object() || value.is_string()) && value.empty());
}

[[noreturn]] void refuse_feature(const std::string& where, std::string_view key, const json& value) {
  throw input_error(where,
                    "{} {} is not supported; merge the adapter into its base model with PEFT and load that",
                    key, printable(value.dump(), 60));
}

void refuse_unsupported(const json& config, const std::string& where) {
  const json type = config.value("peft_type", json());
  if (type != "LORA") {
    throw input_error(where, "expected the peft_type LORA, got {}; use a LoRA adapter",
                      printable(type.dump(), 60));
  }
  for (const auto& [key, value] : config.items()) {
    const bool other_method = key.starts_with("use_") && key != "use_rslora";
    const bool unsupported = std::ranges::find(kUnsupported, key) != kUnsupported.end();
    if ((other_method || unsupported) && !is_neutral(value)) refuse_feature(where, key, value);
  }
  const json bias = config.value("bias", json("none"));
  if (bias != "none") refuse_feature(where, "bias", bias);
  const json task = config.value("task_type", json());
  if (!task.is_null() && task != "CAUSAL_LM") refuse_feature(where, "task_type", task);
  const json start = config.value("init_lora_weights", json(true));
  const bool plain =
      start.is_boolean() ||
      (start.is_string() && std::ranges::find(kPlainInitialisations, start) != kPlainInitialisations.end());
  if (!plain) refuse_feature(where, "init_lora_weights", start);
}

std::int64_t checked_rank(const json& value, const std::string& where, std::string_view key) {
  if (!value.is_number_integer() || value < 1 || value > kMostRank) {
    throw input_error(where, "expected a whole number from 1 to {} for {}, got {}; repair the file",
                      kMostRank, key, printable(value.dump(), 40));
  }
  return value.get<std::int64_t>();
}

double checked_alpha(const json& value, const std::string& where, std::string_view key) {
  if (!value.is_number() || !std::isfinite(value.get<double>())) {
    throw input_error(where, "expected a number for {}, got {}; repair the file", key,
                      printable(value.dump(), 40));
  }
  return value.get<double>();
}

// The entry of rank_pattern or alpha_pattern for a matrix, or null. A key is the matrix's name, with ^ before
// it, or the end of it behind a dot; PEFT's regular expressions beyond that are refused.
const json* pattern_entry(const json& config, const char* field, std::string_view matrix,
                          const std::string& where) {
  const auto patterns = config.find(field);
  if (patterns == config.end() || patterns->is_null()) return nullptr;
  if (!patterns->is_object()) refuse_feature(where, field, *patterns);
  const json* found = nullptr;
  for (const auto& [key, value] : patterns->items()) {
    const bool whole = key.starts_with('^');
    const std::string_view name = std::string_view(key).substr(whole ? 1 : 0);
    if (name.empty() || name.find_first_of("*+?()[]{}|\\^$") != std::string_view::npos) {
      throw input_error(where, "{} with the regular expression {} is not supported; write out the names",
                        field, printable(key));
    }
    const bool ends = matrix.ends_with(name) && matrix.size() > name.size() &&
                      matrix[matrix.size() - name.size() - 1] == '.';
    if (matrix != name && (whole || !ends)) continue;
    if (found != nullptr && *found != value) {
      throw input_error(where, "expected one entry of {} for {}, got several; remove all but one", field,
                        printable(matrix));
    }
    found = &value;
  }
  return found;
}

std::vector<std::string> targets_of(const json& config) {
  std::vector<std::string> out;
  const json targets = config.value("target_modules", json());
  for (const char* key : {"layers_to_transform", "layers_pattern", "exclude_modules"}) {
    if (!is_neutral(config.value(key, json()))) return out;  // the tensors say which layers are changed
  }
  if (!targets.is_array()) return out;  // a regular expression: as above
  for (const json& target : targets) {
    if (target.is_string()) out.push_back(target.get<std::string>());
  }
  return out;
}

// The factors of one matrix as they were found.
struct Pair {
  const TensorView *a = nullptr, *b = nullptr;
};

std::map<std::string, Pair> find_pairs(const WeightMap& tensors, const std::string& where) {
  std::map<std::string, Pair> pairs;
  for (const auto& [name, entry] : tensors.entries()) {
    constexpr std::string_view kA = ".lora_A.weight", kB = ".lora_B.weight";
    const bool is_a = name.ends_with(kA);
    if (!name.starts_with(kPrefix) || !(is_a || name.ends_with(kB)) ||
        name.size() <= kPrefix.size() + kA.size()) {
      throw input_error(where,
                        "tensor {} is no lora_A or lora_B of a linear layer, which is all that is supported; "
                        "merge the adapter into its base model with PEFT and load that",
                        printable(name, 160));
    }
    if (entry.view.shape.size() != 2 || is_block_type(entry.view.dtype)) {
      throw input_error(where, "expected a matrix as tensor {}, got {}; save the adapter anew",
                        printable(name, 160), shape_text(entry.view.shape));
    }
    Pair& pair = pairs[name.substr(kPrefix.size(), name.size() - kPrefix.size() - kA.size())];
    (is_a ? pair.a : pair.b) = &entry.view;
  }
  if (pairs.empty()) throw input_error(where, "expected an adapter's tensors, got none; save it anew");
  return pairs;
}

std::vector<float> finite_values(const TensorView& view, const std::string& name, const std::string& where) {
  std::vector<float> out = to_f32(view);
  if (!std::ranges::all_of(out, [](float v) { return std::isfinite(v); })) {
    throw input_error(where, "expected finite numbers in tensor {}, got NaN or infinity; train it again",
                      printable(name, 160));
  }
  return out;
}

LowRank make_low_rank(const std::string& matrix, const Pair& pair, const json& config,
                      const std::string& config_where, const std::string& where) {
  LowRank out;
  out.a_name = peft_tensor_name(matrix, 'A');
  out.b_name = peft_tensor_name(matrix, 'B');
  if (pair.a == nullptr || pair.b == nullptr) {
    throw input_error(where, "expected tensor {}, got none; the adapter is incomplete, save it anew",
                      printable(pair.a == nullptr ? out.a_name : out.b_name, 160));
  }
  const json* rank = pattern_entry(config, "rank_pattern", matrix, config_where);
  const json* alpha = pattern_entry(config, "alpha_pattern", matrix, config_where);
  out.rank = checked_rank(rank != nullptr ? *rank : config.value("r", json()), config_where,
                          rank != nullptr ? "rank_pattern" : "r");
  const double top = checked_alpha(alpha != nullptr ? *alpha : config.value("lora_alpha", json()),
                                   config_where, alpha != nullptr ? "alpha_pattern" : "lora_alpha");
  for (const auto& [view, index, name] :
       {std::tuple{pair.a, std::size_t{0}, &out.a_name}, std::tuple{pair.b, std::size_t{1}, &out.b_name}}) {
    if (view->shape[index] == out.rank) continue;
    std::vector<std::int64_t> expected = view->shape;
    expected[index] = out.rank;
    throw input_error(
        where, "expected tensor {} {} as the rank in {} says, got {}; they do not belong together",
        printable(*name, 160), shape_text(expected), kAdapterConfigName, shape_text(view->shape));
  }
  const bool rslora = config.value("use_rslora", json(false)) == true;
  const auto r = static_cast<double>(out.rank);
  out.scale = static_cast<float>(top / (rslora ? std::sqrt(r) : r));
  out.inputs = pair.a->shape[1];
  out.outputs = pair.b->shape[0];
  out.a = finite_values(*pair.a, out.a_name, where);
  out.b = finite_values(*pair.b, out.b_name, where);
  for (float& v : out.b) v *= out.scale;
  return out;
}

}  // namespace

bool is_peft_adapter(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_regular_file(directory / kAdapterConfigName, ignored);
}

Adapter read_peft_adapter(const fs::path& directory) {
  if (!is_peft_adapter(directory)) refuse_adapter_path(directory);
  const fs::path config_path = directory / kAdapterConfigName;
  const std::string config_where = where_of(config_path);
  refuse_other_format(config_path, "JSON", FileFormat::kJson);
  const json config = parse_strict_json_object(read_text_file(config_path), config_where, "the file", 16);
  refuse_unsupported(config, config_where);
  fs::path weights = directory / kAdapterWeightsName;
  WeightMap tensors;
  if (fs::exists(weights)) {
    read_safetensors(weights, tensors);
  } else if (fs::exists(directory / kTorchName)) {
    weights = directory / kTorchName;
    read_torch_checkpoint(weights, tensors);
  } else {
    throw input_error(where_of(directory), "expected {} beside {}, got none; copy the whole adapter",
                      kAdapterWeightsName, kAdapterConfigName);
  }
  const std::string where = where_of(weights);
  Adapter out;
  out.source = directory.string();
  const json base = config.value("base_model_name_or_path", json());
  if (base.is_string()) out.base_model = base.get<std::string>();
  out.targets = targets_of(config);
  for (const auto& [matrix, pair] : find_pairs(tensors, where)) {
    out.matrices.emplace(matrix, make_low_rank(matrix, pair, config, config_where, where));
  }
  return out;
}

std::string peft_tensor_name(std::string_view matrix, char factor) {
  return fmt::format("{}{}.lora_{}.weight", kPrefix, matrix, factor);
}

std::string peft_config_json(const PeftConfig& c) {
  const bool whole = c.alpha == std::floor(c.alpha) && std::fabs(c.alpha) < 1e15;
  // PEFT's own order is that of the alphabet.
  const json out = {{"alpha_pattern", json::object()},
                    {"auto_mapping", nullptr},
                    {"base_model_name_or_path", c.base_model},
                    {"bias", "none"},
                    {"exclude_modules", nullptr},
                    {"fan_in_fan_out", false},
                    {"inference_mode", true},
                    {"init_lora_weights", true},
                    {"layer_replication", nullptr},
                    {"layers_pattern", nullptr},
                    {"layers_to_transform", nullptr},
                    {"loftq_config", json::object()},
                    {"lora_alpha", whole ? json(static_cast<std::int64_t>(c.alpha)) : json(c.alpha)},
                    {"lora_bias", false},
                    {"lora_dropout", 0.0},
                    {"megatron_config", nullptr},
                    {"megatron_core", "megatron.core"},
                    {"modules_to_save", nullptr},
                    {"peft_type", "LORA"},
                    {"r", c.rank},
                    {"rank_pattern", json::object()},
                    {"revision", nullptr},
                    {"target_modules", c.targets},
                    {"task_type", "CAUSAL_LM"},
                    {"use_dora", false},
                    {"use_rslora", false}};
  return out.dump(2) + "\n";
}

}  // namespace refocus
