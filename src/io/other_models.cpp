// Models of other kinds, by their config.json and tensors; see model_kind.h.
#include <algorithm>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "io/model_kind.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

using nlohmann::json;
using NamePair = std::pair<std::string_view, std::string_view>;

constexpr const char* kUnquantised = "use the model as it was before quantising, or a GGUF file of it";
constexpr const char* kOtherTask = "use a model that writes text, a ...ForCausalLM";

const json* member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() || it->is_null() ? nullptr : &*it;
}

std::string text_of(const json& object, const char* key) {
  const json* value = member(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

bool is_true(const json& object, const char* key) {
  const json* value = member(object, key);
  return value != nullptr && *value == true;
}

// As their makers write them; "quant_method" has them in small letters.
constexpr std::array<NamePair, 18> kMethods = {{{"gptq", "GPTQ"},
                                                {"awq", "AWQ"},
                                                {"fp8", "FP8"},
                                                {"fbgemm_fp8", "FP8 (FBGEMM)"},
                                                {"bitsandbytes_4bit", "bitsandbytes"},
                                                {"bitsandbytes_8bit", "bitsandbytes"},
                                                {"eetq", "EETQ"},
                                                {"hqq", "HQQ"},
                                                {"aqlm", "AQLM"},
                                                {"vptq", "VPTQ"},
                                                {"quanto", "Quanto"},
                                                {"spqr", "SpQR"},
                                                {"higgs", "HIGGS"},
                                                {"bitnet", "BitNet"},
                                                {"mxfp4", "MXFP4"},
                                                {"auto-round", "AutoRound"},
                                                {"exl2", "EXL2"},
                                                {"modelopt", "ModelOpt"}}};

std::string method_name(const json& settings) {
  const std::string method = text_of(settings, "quant_method");
  for (const auto& [key, name] : kMethods) {
    if (method == key) return std::string(name);
  }
  if (!method.empty()) return printable(method, 40);
  if (is_true(settings, "load_in_4bit") || is_true(settings, "load_in_8bit")) return "bitsandbytes";
  return "";
}

std::int64_t bits_of(const json& settings) {
  if (is_true(settings, "load_in_4bit")) return 4;
  if (is_true(settings, "load_in_8bit")) return 8;
  for (const char* key : {"bits", "w_bit", "nbits", "weight_bits"}) {
    const json* value = member(settings, key);
    if (value != nullptr && value->is_number_integer()) return value->get<std::int64_t>();
  }
  const json* inner = member(settings, "quant_config");
  if (inner != nullptr) inner = member(*inner, "weight_quant_params");
  return inner == nullptr ? 0 : bits_of(*inner);
}

OtherKind quantised(const std::string& method, std::int64_t bits, std::string_view found) {
  std::string name = !method.empty() ? "weights quantised with " + method
                     : bits > 0      ? "weights quantised"
                                     : "quantised weights";
  if (bits > 0) name += fmt::format(" to {} bits", bits);
  return {fmt::format("{} ({})", name, found), kUnquantised};
}

}  // namespace

std::optional<OtherKind> quantised_kind(const json& config, const std::filesystem::path& directory) {
  for (const char* key : {"quantization_config", "compression_config", "quantization"}) {
    const json* settings = member(config, key);
    if (settings == nullptr || !settings->is_object() || settings->empty()) continue;
    std::string method = method_name(*settings);
    if (method.empty() && key == std::string_view("quantization")) method = "MLX";
    if (method.empty() && key == std::string_view("compression_config")) method = "compressed-tensors";
    return quantised(method, bits_of(*settings), fmt::format("{} in config.json", key));
  }
  std::error_code ignored;
  constexpr std::array<NamePair, 4> kFiles = {{{"quantize_config.json", "GPTQ"},
                                               {"quant_config.json", "AWQ"},
                                               {"hf_quant_config.json", "ModelOpt"},
                                               {"qmodel.pt", "HQQ"}}};
  for (const auto& [file, method] : kFiles) {
    if (std::filesystem::exists(directory / file, ignored)) return quantised(std::string(method), 0, file);
  }
  return std::nullopt;
}

std::optional<OtherKind> quantised_tensor(std::string_view tensor, std::string_view dtype) {
  const std::size_t dot = tensor.rfind('.');
  const std::string_view last = dot == std::string_view::npos ? tensor : tensor.substr(dot + 1);
  constexpr std::array<NamePair, 18> kLast = {{{"qweight", "GPTQ or AWQ"},
                                               {"qzeros", "GPTQ or AWQ"},
                                               {"g_idx", "GPTQ"},
                                               {"weight_packed", "compressed-tensors"},
                                               {"weight_scale", "FP8 or compressed-tensors"},
                                               {"weight_scale_inv", "FP8"},
                                               {"input_scale", "FP8 or compressed-tensors"},
                                               {"weight_scales", "EETQ"},
                                               {"W_q", "HQQ"},
                                               {"SCB", "bitsandbytes"},
                                               {"weight_format", "bitsandbytes"},
                                               {"absmax", "bitsandbytes"},
                                               {"quant_map", "bitsandbytes"},
                                               {"nested_absmax", "bitsandbytes"},
                                               {"bitsandbytes__nf4", "bitsandbytes"},
                                               {"bitsandbytes__fp4", "bitsandbytes"},
                                               {"codebooks", "AQLM"},
                                               {"scales", "GPTQ, AWQ or MLX"}}};
  const std::string found = fmt::format("tensor '{}' of {}", printable(tensor, 160), printable(dtype));
  for (const auto& [end, method] : kLast) {
    if (last == end) return quantised(std::string(method), 0, found);
  }
  if (dtype.starts_with("F8_")) return quantised("FP8", 0, found);
  if (last != "weight") return std::nullopt;
  if (dtype == "U32") return quantised("MLX", 0, found);
  if (dtype == "I8" || dtype == "U8" || dtype == "I32") return quantised("", 0, found);
  return std::nullopt;
}

namespace {

// By the end of the class's name in config.json.
constexpr std::array<NamePair, 11> kTasks = {
    {{"ForSequenceClassification", "a classifier of texts"},
     {"ForTokenClassification", "a classifier of tokens"},
     {"ForQuestionAnswering", "a model that marks answers in a text"},
     {"ForMultipleChoice", "a model that scores options"},
     {"RewardModel", "a reward model"},
     {"ForReward", "a reward model"},
     {"ForMaskedLM", "an encoder"},
     {"ForPreTraining", "an encoder"},
     {"ForCTC", "a model of speech"},
     {"ForImageClassification", "a classifier of images"},
     {"ForSpeechSeq2Seq", "a model of speech"}}};

// By the beginning or the middle of a tensor's name, between dots.
constexpr std::array<NamePair, 13> kParts = {{{"score.", "a classifier or reward model"},
                                              {"classifier.", "a classifier"},
                                              {"qa_outputs.", "a model that marks answers in a text"},
                                              {"v_head.", "a value model of reinforcement learning"},
                                              {"reward_head.", "a reward model"},
                                              {"regression_layer.", "a reward model"},
                                              {"vision_tower.", "a model of images and text"},
                                              {"vision_model.", "a model of images and text"},
                                              {"visual.", "a model of images and text"},
                                              {"multi_modal_projector.", "a model of images and text"},
                                              {"audio_tower.", "a model of speech and text"},
                                              {"encoder.", "a model with an encoder"},
                                              {"linear_attn.", "a model with linear attention"}}};

bool has_part(std::string_view name, std::string_view part) {
  for (std::size_t at = name.find(part); at != std::string_view::npos; at = name.find(part, at + 1)) {
    if (at == 0 || name[at - 1] == '.') return true;
  }
  return false;
}

std::string first_architecture(const json& config) {
  const json* list = member(config, "architectures");
  if (list == nullptr || !list->is_array() || list->empty() || !list->front().is_string()) return "";
  return list->front().get<std::string>();
}

}  // namespace

std::optional<OtherKind> other_task(const json& config, const WeightMap& weights) {
  const std::string architecture = first_architecture(config);
  const std::string shown = architecture.empty() ? "" : fmt::format(" ({})", printable(architecture));
  for (const auto& [key, name] : {NamePair{"vision_config", "a model of images and text"},
                                  NamePair{"audio_config", "a model of speech and text"}}) {
    if (member(config, std::string(key).c_str()) == nullptr) continue;
    return OtherKind{std::string(name) + shown,
                     "save its language model by itself, as docs/getting-started.md says"};
  }
  if (is_true(config, "is_encoder_decoder")) return OtherKind{"an encoder-decoder model" + shown, kOtherTask};
  for (const auto& [name, entry] : weights.entries()) {
    for (const auto& [part, kind] : kParts) {
      if (!has_part(name, part)) continue;
      const std::string with = fmt::format(" with the tensor {}", printable(name, 160));
      return OtherKind{std::string(kind) + shown + with, kOtherTask};
    }
  }
  if (weights.find("lm_head.weight") != nullptr) return std::nullopt;
  for (const auto& [end, kind] : kTasks) {
    if (architecture.find(end) != std::string::npos) return OtherKind{std::string(kind) + shown, kOtherTask};
  }
  return std::nullopt;
}

void add_missing_prefix(const TensorNames& names, WeightMap& weights, const std::string& where) {
  // "model." and "embed_tokens.weight" of a LLaMA, "transformer." and "wte.weight" of a GPT-2.
  const std::string whole = std::string(names.embeddings) + ".weight";
  const std::size_t dot = names.embeddings.rfind('.');
  const std::string prefix = whole.substr(0, dot + 1), embedding = whole.substr(dot + 1);
  if (weights.find(whole) != nullptr) return;
  if (weights.find(embedding) != nullptr) {
    const auto stored =
        std::make_shared<const WeightMap>(std::move(weights));  // keeps the tensors' bytes alive
    weights = {};
    weights.layout = stored->layout;
    const std::string head = std::string(names.head) + ".";
    for (const auto& [name, entry] : stored->entries()) {
      weights.insert(name.starts_with(head) ? name : prefix + name, entry.view, entry.source, stored);
    }
    return;
  }
  for (const auto& [name, entry] : weights.entries()) {
    const std::size_t at = name.size() < embedding.size() ? 0 : name.size() - embedding.size();
    if (at == 0 || !name.ends_with(embedding) || name[at - 1] != '.') continue;
    const bool inner = name.substr(0, at).ends_with(prefix);
    const std::string wrapper = name.substr(0, inner ? at - prefix.size() : at);
    throw input_error(
        where,
        "expected tensor {}, got {}: the names begin with '{}', as of a model saved inside a wrapper; save "
        "the inner model by itself with save_pretrained",
        whole, printable(name, 160), printable(wrapper));
  }
}

}  // namespace refocus
