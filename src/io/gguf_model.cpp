#include "io/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "io/model_kind.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// The keys of the file's architecture: "llama.block_count" and so on.
class Keys {
 public:
  explicit Keys(const GgufFile& file) : file_(file) {}

  std::int64_t size(const std::string& key) const {
    const auto n = optional_size(key);
    if (!n) {
      throw input_error(file_.where(), "expected the metadata '{}', got none; convert the model again",
                        full(key));
    }
    return *n;
  }

  // A size; files may have one for each layer, which must then be all the same.
  std::optional<std::int64_t> optional_size(const std::string& key) const {
    if (!file_.has(full(key))) return std::nullopt;
    std::int64_t n = 0;
    try {
      n = *file_.integer(full(key));
    } catch (const InputError&) {
      const auto list = *file_.integers(full(key));
      const bool uniform = !list.empty() && std::count(list.begin(), list.end(), list[0]) ==
                                                static_cast<std::ptrdiff_t>(list.size());
      if (!uniform) refuse(key, "one size for all layers", "several");
      n = list[0];
    }
    if (n < 1 || n > (std::int64_t{1} << 31)) refuse(key, "a positive integer", std::to_string(n));
    return n;
  }

  std::optional<double> positive(const std::string& key) const {
    const auto x = file_.number(full(key));
    if (x && !(*x > 0 && std::isfinite(*x))) refuse(key, "a positive number", std::to_string(*x));
    return x;
  }

  std::optional<std::string_view> text(const std::string& key) const { return file_.text(full(key)); }

  [[noreturn]] void refuse(const std::string& key, std::string_view expected, std::string_view got) const {
    throw input_error(file_.where(),
                      "expected {} as metadata '{}', got {}; the engine computes no other, use another model",
                      expected, full(key), printable(got));
  }

  static std::string full(const std::string& key) { return "llama." + key; }

 private:
  const GgufFile& file_;
};

// Files that are GGUF and no model, or one part of one.
void refuse_other_gguf(const GgufFile& file, const std::filesystem::path& path) {
  const auto named = gguf_part(path);
  const std::int64_t count = file.integer("split.count").value_or(0);
  if (count > 1) refuse_gguf_part(path, file.integer("split.no").value_or(0) + 1, count);
  const std::string_view architecture = file.text("general.architecture").value_or("");
  if (architecture.empty() && named && named->count > 1) refuse_gguf_part(path, named->number, named->count);
  const auto refuse = [&](std::string_view got, std::string_view remedy) {
    throw input_error(file.where(), "expected a language model, got {}; {}", got, remedy);
  };
  const std::string_view type = file.text("general.type").value_or("");
  if (type == "adapter") {
    refuse("a LoRA adapter", "give the PEFT directory that it was made from with --adapter");
  }
  if (type == "mmproj" || architecture == "clip") {
    refuse("the part that turns images or sound into embeddings (mmproj)",
           "name the language model's own GGUF file");
  }
  if (type == "imatrix") refuse("an importance matrix", "name the model that it is for");
  if (file.tensors().empty()) refuse("a file without tensors", "name the model's own GGUF file");
}

void check_architecture(const GgufFile& file, const Keys& keys) {
  const auto architecture = file.text("general.architecture");
  if (!architecture) {
    throw input_error(file.where(), "expected general.architecture llama, got none; convert the model again");
  }
  if (*architecture != "llama") {
    throw input_error(
        file.where(),
        "expected general.architecture llama, got {}, which is not supported; use a model of the "
        "LLaMA family",
        printable(*architecture));
  }
  if (file.has("llama.expert_count") && *file.integer("llama.expert_count") != 0) {
    keys.refuse("expert_count", "no experts", std::to_string(*file.integer("llama.expert_count")));
  }
}

ordered_json rope_scaling(const GgufFile& file, const Keys& keys) {
  std::string kind(keys.text("rope.scaling.type").value_or("none"));
  auto factor = keys.positive("rope.scaling.factor");
  if (!factor && !keys.text("rope.scaling.type")) {  // how older files say it
    factor = keys.positive("rope.scale_linear");
    if (factor) kind = "linear";
  }
  if (kind == "none" || (kind == "linear" && factor.value_or(1) == 1)) return nullptr;
  if (kind != "linear") keys.refuse("rope.scaling.type", "none or linear", kind);
  if (file.tensors().contains(kGgufRopeFactorsName)) {
    keys.refuse("rope.scaling.type", "none beside rope_freqs.weight", kind);
  }
  return {{"type", "linear"}, {"factor", *factor}};
}

std::int64_t head_dim_of(const Keys& keys, std::int64_t hidden, std::int64_t heads) {
  const auto key_length = keys.optional_size("attention.key_length");
  const auto value_length = keys.optional_size("attention.value_length");
  const auto rotary = keys.optional_size("rope.dimension_count");
  if (!key_length && hidden % heads != 0) {
    keys.refuse("attention.head_count", "a divisor of embedding_length", std::to_string(heads));
  }
  const std::int64_t head_dim = key_length.value_or(hidden / heads);
  if (value_length.value_or(head_dim) != head_dim) {
    keys.refuse("attention.value_length", std::to_string(head_dim), std::to_string(*value_length));
  }
  if (rotary.value_or(head_dim) != head_dim) {
    keys.refuse("rope.dimension_count", std::to_string(head_dim), std::to_string(*rotary));
  }
  if (head_dim % 2 != 0) keys.refuse("rope.dimension_count", "an even number", std::to_string(head_dim));
  return head_dim;
}

std::int64_t vocab_size_of(const GgufFile& file) {
  const auto it = file.tensors().find("token_embd.weight");
  if (it == file.tensors().end() || it->second.shape.size() != 2) {
    throw input_error(file.where(),
                      "expected a tensor token_embd.weight of two dimensions, got none; convert it again");
  }
  return it->second.shape[0];
}

// The shortest decimal number that is the same float32: what the model's author wrote.
double shortest(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

ordered_json config_of(const GgufFile& file, const StoredVocabulary* vocabulary) {
  const Keys keys(file);
  check_architecture(file, keys);
  ordered_json config;
  config["model_type"] = "llama";
  config["hidden_act"] = "silu";
  config["vocab_size"] = vocab_size_of(file);
  config["hidden_size"] = keys.size("embedding_length");
  config["intermediate_size"] = keys.size("feed_forward_length");
  config["num_hidden_layers"] = keys.size("block_count");
  const std::int64_t heads = keys.size("attention.head_count");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = keys.optional_size("attention.head_count_kv").value_or(heads);
  config["head_dim"] = head_dim_of(keys, config["hidden_size"], heads);
  config["max_position_embeddings"] = keys.size("context_length");
  const auto eps = keys.positive("attention.layer_norm_rms_epsilon");
  if (!eps) keys.refuse("attention.layer_norm_rms_epsilon", "a positive number", "none");
  config["rms_norm_eps"] = shortest(*eps);
  config["rope_theta"] = keys.positive("rope.freq_base").value_or(10000.0);
  config["rope_scaling"] = rope_scaling(file, keys);
  config["tie_word_embeddings"] = !file.tensors().contains("output.weight");
  if (vocabulary != nullptr && vocabulary->bos_id) config["bos_token_id"] = *vocabulary->bos_id;
  if (vocabulary != nullptr && vocabulary->eos_id) config["eos_token_id"] = *vocabulary->eos_id;
  return config;
}

std::optional<std::int32_t> token_id(const GgufFile& file, const char* key) {
  const auto id = file.integer(key);
  if (!id) return std::nullopt;
  // Some converters write -1, as an unsigned number, for "none".
  if (*id == -1 || *id == std::int64_t{UINT32_MAX}) return std::nullopt;
  if (*id < 0 || *id > INT32_MAX) {
    throw input_error(file.where(), "expected a token id as metadata '{}', got {}; make the file again", key,
                      *id);
  }
  return static_cast<std::int32_t>(*id);
}

std::optional<StoredVocabulary> vocabulary_of(const GgufFile& file) {
  const auto model = file.text("tokenizer.ggml.model");
  if (!model || *model == "no_vocab") return std::nullopt;
  StoredVocabulary out;
  out.model = *model;
  out.pre = file.text("tokenizer.ggml.pre").value_or("");
  out.tokens = file.texts("tokenizer.ggml.tokens").value_or(std::vector<std::string>{});
  out.scores = file.floats("tokenizer.ggml.scores").value_or(std::vector<float>{});
  for (const std::int64_t type :
       file.integers("tokenizer.ggml.token_type").value_or(std::vector<std::int64_t>{})) {
    out.types.push_back(static_cast<std::int32_t>(std::clamp<std::int64_t>(type, -1, 1000)));
  }
  out.merges = file.texts("tokenizer.ggml.merges").value_or(std::vector<std::string>{});
  out.bos_id = token_id(file, "tokenizer.ggml.bos_token_id");
  out.eos_id = token_id(file, "tokenizer.ggml.eos_token_id");
  out.eot_id = token_id(file, "tokenizer.ggml.eot_token_id");
  out.eom_id = token_id(file, "tokenizer.ggml.eom_token_id");
  out.unknown_id = token_id(file, "tokenizer.ggml.unknown_token_id");
  out.add_bos = file.flag("tokenizer.ggml.add_bos_token");
  out.add_eos = file.flag("tokenizer.ggml.add_eos_token");
  out.add_space_prefix = file.flag("tokenizer.ggml.add_space_prefix");
  out.remove_extra_whitespaces = file.flag("tokenizer.ggml.remove_extra_whitespaces");
  out.character_map = file.bytes("tokenizer.ggml.precompiled_charsmap").value_or("");
  out.chat_template = file.text("tokenizer.chat_template").value_or("");
  return out;
}

bool has_rope_rows(std::string_view name) {
  return name.find(".self_attn.q_proj.") != std::string_view::npos ||
         name.find(".self_attn.k_proj.") != std::string_view::npos;
}

}  // namespace

std::shared_ptr<const void> permute_rope_rows(TensorView& view, std::int64_t head_dim, RopeRows direction) {
  const std::int64_t rows = view.shape.at(0);
  REFOCUS_CHECK(head_dim % 2 == 0 && rows % head_dim == 0);
  if (view.bytes() == 0) return nullptr;
  const std::size_t row_bytes = view.bytes() / static_cast<std::size_t>(rows);
  const auto buffer = std::make_shared<AlignedBuffer<std::byte>>(view.bytes());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t source =
        direction == RopeRows::kToHuggingFace ? paired_row(row, head_dim) : unpaired_row(row, head_dim);
    std::memcpy(buffer->data() + static_cast<std::size_t>(row) * row_bytes,
                view.data + static_cast<std::size_t>(source) * row_bytes, row_bytes);
  }
  view.data = buffer->data();
  return buffer;
}

Checkpoint read_gguf(const std::filesystem::path& path) {
  const GgufFile file = GgufFile::open(path);
  refuse_other_gguf(file, path);
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.vocabulary = vocabulary_of(file);
  const ordered_json config = config_of(file, checkpoint.vocabulary ? &*checkpoint.vocabulary : nullptr);
  checkpoint.config_json = json_text(config, 1);
  checkpoint.config_source = file.where();
  const std::int64_t head_dim = config["head_dim"];
  for (const auto& [stored_name, stored] : file.tensors()) {
    std::string name = hugging_face_name(stored_name);
    // A tensor of no known meaning keeps its name, so that the model refuses it by that name.
    if (name.empty()) name = stored_name;
    TensorView view = stored;
    if (has_rope_rows(name)) {
      if (view.shape[0] % head_dim != 0) {
        throw input_error(file.where(),
                          "expected whole heads of {} rows in tensor '{}', got {} rows; "
                          "convert the model again",
                          head_dim, printable(stored_name), view.shape[0]);
      }
      if (is_block_type(
              view.dtype)) {  // packed anew in any case, which puts the rows in order without a copy
        view.paired_head_dim = head_dim;
        checkpoint.weights.insert(std::move(name), std::move(view), file.where(), file.mapping());
        continue;
      }
      auto owner = permute_rope_rows(view, head_dim, RopeRows::kToHuggingFace);
      checkpoint.weights.insert(std::move(name), std::move(view), file.where(), std::move(owner));
      continue;
    }
    checkpoint.weights.insert(std::move(name), std::move(view), file.where(), file.mapping());
  }
  return checkpoint;
}

}  // namespace refocus
