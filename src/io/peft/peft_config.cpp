#include "io/peft/peft_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json_reader.h"

namespace refocus {

namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr std::int64_t kMostRank = 1 << 20;
constexpr std::string_view kRepair = "repair the file";

enum class Type { kFlag, kText, kNumber, kWhole, kList, kObject, kListOrObject, kAny };
enum class Effect {
  kRead,             // below
  kNone,             // on what a finished adapter computes
  kFeature,          // not supported unless it has its default
  kUnmergedFeature,  // that PEFT cannot fold into the base model either
};

struct Key {
  std::string_view name;
  Type type;
  Effect effect;
};

// All keys of PEFT's LoraConfig; it leaves out others with a warning.
constexpr std::array kKeys = {
    Key{"alora_invocation_tokens", Type::kList, Effect::kUnmergedFeature},
    Key{"alpha_pattern", Type::kObject, Effect::kRead},
    Key{"arrow_config", Type::kObject, Effect::kUnmergedFeature},
    Key{"auto_mapping", Type::kObject, Effect::kNone},
    Key{"base_model_name_or_path", Type::kText, Effect::kRead},
    Key{"bias", Type::kText, Effect::kRead},
    Key{"corda_config", Type::kObject, Effect::kNone},  // and the like: only init_lora_weights uses them
    Key{"ensure_weight_tying", Type::kFlag, Effect::kRead},
    Key{"eva_config", Type::kObject, Effect::kNone},
    Key{"exclude_modules", Type::kAny, Effect::kRead},
    Key{"fan_in_fan_out", Type::kFlag, Effect::kRead},
    Key{"inference_mode", Type::kFlag, Effect::kNone},
    Key{"init_lora_weights", Type::kAny, Effect::kRead},
    Key{"kasa_config", Type::kObject, Effect::kFeature},
    Key{"layer_replication", Type::kList, Effect::kUnmergedFeature},
    Key{"layers_pattern", Type::kAny, Effect::kRead},
    Key{"layers_to_transform", Type::kAny, Effect::kRead},
    Key{"loftq_config", Type::kObject, Effect::kNone},
    Key{"lora_alpha", Type::kNumber, Effect::kRead},
    Key{"lora_bias", Type::kFlag, Effect::kFeature},
    Key{"lora_dropout", Type::kNumber, Effect::kNone},
    Key{"lora_ga_config", Type::kObject, Effect::kNone},
    Key{"megatron_config", Type::kObject, Effect::kUnmergedFeature},
    Key{"megatron_core", Type::kText, Effect::kNone},
    Key{"modules_to_save", Type::kList, Effect::kFeature},
    Key{"monteclora_config", Type::kObject, Effect::kFeature},
    Key{"peft_type", Type::kText, Effect::kRead},
    Key{"peft_version", Type::kText, Effect::kNone},
    Key{"qalora_group_size", Type::kWhole, Effect::kNone},
    Key{"r", Type::kAny, Effect::kRead},
    Key{"rank_pattern", Type::kObject, Effect::kRead},
    Key{"revision", Type::kText, Effect::kNone},
    Key{"runtime_config", Type::kAny, Effect::kNone},
    Key{"target_modules", Type::kAny, Effect::kRead},
    Key{"target_parameters", Type::kList, Effect::kFeature},
    Key{"task_type", Type::kText, Effect::kRead},
    Key{"trainable_token_indices", Type::kListOrObject, Effect::kFeature},
    Key{"use_bdlora", Type::kObject, Effect::kFeature},
    Key{"use_dora", Type::kFlag, Effect::kFeature},
    Key{"use_qalora", Type::kFlag, Effect::kFeature},
    Key{"use_rslora", Type::kFlag, Effect::kRead},
    Key{"velora_config", Type::kObject, Effect::kFeature},
};

// Ways to begin training that leave the base model's weights as they are.
constexpr std::array kPlainInitialisations = {"eva", "orthogonal"};

std::string short_text(const OrderedJson& value) { return printable(json_text(value), 60); }

bool is_of(Type type, const OrderedJson& value) {
  switch (type) {
    case Type::kFlag:
      return value.is_boolean();
    case Type::kText:
      return value.is_string();
    case Type::kNumber:
      return value.is_number() && std::isfinite(value.get<double>());
    case Type::kWhole:
      return value.is_number_integer();
    case Type::kList:
      return value.is_array();
    case Type::kObject:
      return value.is_object();
    case Type::kListOrObject:
      return value.is_array() || value.is_object();
    case Type::kAny:
      return true;
  }
  return false;
}

std::string_view name_of(Type type) {
  constexpr std::array<std::string_view, 8> names = {"true or false",       "a text", "a number",
                                                     "a whole number",      "a list", "an object",
                                                     "a list or an object", ""};
  return names.at(static_cast<std::size_t>(type));
}

// Whether the value switches a feature off. {} is a sub-configuration with its defaults, which switches it
// on.
bool is_off(const Key& key, const OrderedJson& value) {
  const bool object_counts = key.type == Type::kObject && key.name != "megatron_config";
  return value.is_null() || value == false || (value.empty() && !object_counts);
}

class Reader {
 public:
  Reader(const OrderedJson& config, PeftSettings& out) : config_(config), out_(out) {}

  void read() {
    check_method();
    for (const auto& [key, value] : config_.items()) check_key(key, value);
    // The two that PEFT does not take null for.
    if (const auto v = config_.find("r"); v != config_.end()) out_.rank = rank(*v, "r");
    if (const auto v = config_.find("lora_alpha"); v != config_.end()) out_.alpha = alpha(*v, "lora_alpha");
    for (const char* key : {"r", "lora_alpha"}) {
      if (!config_.contains(key)) warn("expected {}, got none; it is 8, PEFT's default", key);
    }
    out_.rank_stabilised = flag("use_rslora");
    out_.tie_adapters = flag("ensure_weight_tying");
    if (const OrderedJson* v = get("base_model_name_or_path")) out_.base_model = v->get<std::string>();
    read_targets();
    for (const auto& [name, value] : entries("rank_pattern")) {
      out_.rank_pattern.emplace_back(name, rank(value, fmt::format("rank_pattern '{}'", printable(name))));
    }
    for (const auto& [name, value] : entries("alpha_pattern")) {
      out_.alpha_pattern.emplace_back(name, alpha(value, fmt::format("alpha_pattern '{}'", printable(name))));
    }
    read_rest();
  }

 private:
  [[noreturn]] void refuse(std::string_view expected, const OrderedJson& value,
                           std::string_view remedy = kRepair) const {
    throw input_error(out_.where, "expected {}, got {}; {}", expected, short_text(value), remedy);
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> format, Args&&... args) {
    out_.warnings.push_back(
        fmt::format("[{}] {}", out_.where, fmt::format(format, std::forward<Args>(args)...)));
  }

  // Null where the key is missing or null.
  const OrderedJson* get(std::string_view key) const {
    const auto found = config_.find(key);
    return found == config_.end() || found->is_null() ? nullptr : &*found;
  }
  bool flag(std::string_view key) const {
    const OrderedJson* v = get(key);
    return v != nullptr && v->get<bool>();
  }
  std::vector<std::pair<std::string, OrderedJson>> entries(std::string_view key) const {
    std::vector<std::pair<std::string, OrderedJson>> out;
    if (const OrderedJson* v = get(key)) {
      for (const auto& [name, value] : v->items()) out.emplace_back(name, value);
    }
    return out;
  }

  void check_method() const {
    const OrderedJson* type = get("peft_type");
    if (type == nullptr || *type != "LORA") {
      refuse("the peft_type LORA", type == nullptr ? OrderedJson() : *type, "use a LoRA adapter");
    }
    const OrderedJson* task = get("task_type");
    if (task != nullptr && *task != "CAUSAL_LM")
      refuse("the task_type CAUSAL_LM", *task, "use another adapter");
  }

  void check_key(const std::string& name, const OrderedJson& value) {
    const auto known = std::ranges::find(kKeys, name, &Key::name);
    if (known == kKeys.end()) {
      if (is_off({name, Type::kAny, Effect::kNone}, value)) return;
      if (name.starts_with("use_")) {  // a method of a later version
        out_.unsupported.push_back({name, json_text(value), false});
      } else {
        warn(
            "expected keys of PEFT's LoRA configuration, got {}, which has no effect, in PEFT either; "
            "correct it, or "
            "remove it",
            printable(name));
      }
      return;
    }
    if (!value.is_null() && !is_of(known->type, value)) {
      refuse(fmt::format("{} for {}", name_of(known->type), name), value);
    }
    const bool feature = known->effect == Effect::kFeature || known->effect == Effect::kUnmergedFeature;
    if (feature && !is_off(*known, value)) {
      out_.unsupported.push_back({name, json_text(value), known->effect == Effect::kFeature});
    }
  }

  std::int64_t rank(const OrderedJson& value, std::string_view key) const {
    if (!value.is_number_integer() || value < 1 || value > kMostRank) {
      refuse(fmt::format("a whole number from 1 to {} for {}", kMostRank, key), value);
    }
    return value.get<std::int64_t>();
  }

  double alpha(const OrderedJson& value, std::string_view key) const {
    if (!is_of(Type::kNumber, value)) refuse(fmt::format("a number for {}", key), value);
    return value.get<double>();
  }

  std::vector<std::string> names(const OrderedJson& list, std::string_view key) const {
    std::vector<std::string> out;
    for (const OrderedJson& name : list) {
      if (!name.is_string()) refuse(fmt::format("names in the list {}", key), name);
      out.push_back(name.get<std::string>());
    }
    return out;
  }

  PeftNames regex_or_names(const OrderedJson& value, std::string_view key) const {
    if (value.is_string()) return {value.get<std::string>(), {}};
    if (value.is_array()) return {std::nullopt, names(value, key)};
    refuse(fmt::format("a text or a list of names for {}", key), value);
  }

  void read_targets() {
    if (const OrderedJson* v = get("target_modules")) out_.targets = regex_or_names(*v, "target_modules");
    if (const OrderedJson* v = get("exclude_modules")) out_.excluded = regex_or_names(*v, "exclude_modules");
    if (const OrderedJson* v = get("layers_to_transform")) {
      out_.layers.emplace();
      for (const OrderedJson& layer : v->is_array() ? *v : OrderedJson::array({*v})) {
        if (!layer.is_number_integer()) refuse("whole numbers for layers_to_transform", layer);
        out_.layers->push_back(layer.get<std::int64_t>());
      }
    }
    if (const OrderedJson* v = get("layers_pattern")) {
      const PeftNames pattern = regex_or_names(*v, "layers_pattern");
      out_.layer_patterns = pattern.names;
      if (pattern.regex && !pattern.regex->empty()) out_.layer_patterns.push_back(*pattern.regex);
    }
    // As PEFT has it, also of layers_to_transform [] and layers_pattern "".
    const bool expression = out_.targets && out_.targets->regex;
    for (const char* key : {"layers_to_transform", "layers_pattern"}) {
      if (expression && get(key) != nullptr) {
        refuse(fmt::format("no {} beside target_modules that are one text", key), *get(key),
               fmt::format("remove {}", key));
      }
    }
    if (!out_.layer_patterns.empty() && !out_.layers) {
      refuse("layers_to_transform beside layers_pattern", OrderedJson(), "add it, or remove layers_pattern");
    }
  }

  void read_rest() {
    if (const OrderedJson* v = get("bias")) {
      if (*v != "none" && *v != "all" && *v != "lora_only") refuse("none, all or lora_only for bias", *v);
      out_.trains_biases = *v != "none";
    }
    if (const OrderedJson* v = get("lora_dropout"); v != nullptr && !(*v >= 0.0 && *v <= 1.0)) {
      refuse("a number from 0 to 1 for lora_dropout", *v);
    }
    if (flag("fan_in_fan_out")) {
      warn("fan_in_fan_out true has no effect on a LLaMA model's matrices, in PEFT either; set it to false");
    }
    const OrderedJson* start = get("init_lora_weights");
    if (start == nullptr || start->is_boolean()) return;
    if (!start->is_string()) refuse("true, false or a name for init_lora_weights", *start);
    std::string name = start->get<std::string>();
    if (std::ranges::find(kPlainInitialisations, name) != kPlainInitialisations.end()) return;
    std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (name == "gaussian") return;
    // Of these PEFT makes the changed base anew when it loads the adapter; of others it cannot.
    const bool anew = name.starts_with("pissa") || name == "olora" || name == "mica";
    out_.unsupported.push_back({"init_lora_weights", json_text(*start), anew});
  }

  const OrderedJson& config_;
  PeftSettings& out_;
};

}  // namespace

PeftSettings read_peft_settings(std::string_view text, const std::string& where) {
  PeftSettings out;
  out.where = where;
  const OrderedJson config = parse_ordered_json_object(text, {where, "download it again"});
  Reader(config, out).read();
  return out;
}

std::string peft_config_json(const PeftConfig& c) {
  const bool whole = c.alpha == std::floor(c.alpha) && std::fabs(c.alpha) < 1e15;
  // PEFT's own order is that of the alphabet.
  const OrderedJson out = {
      {"alpha_pattern", OrderedJson::object()},
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
      {"loftq_config", OrderedJson::object()},
      {"lora_alpha", whole ? OrderedJson(static_cast<std::int64_t>(c.alpha)) : OrderedJson(c.alpha)},
      {"lora_bias", false},
      {"lora_dropout", 0.0},
      {"megatron_config", nullptr},
      {"megatron_core", "megatron.core"},
      {"modules_to_save", nullptr},
      {"peft_type", "LORA"},
      {"r", c.rank},
      {"rank_pattern", OrderedJson::object()},
      {"revision", nullptr},
      {"target_modules", c.targets},
      {"task_type", "CAUSAL_LM"},
      {"use_dora", false},
      {"use_rslora", false}};
  return json_text(out, 2) + "\n";
}

}  // namespace refocus
