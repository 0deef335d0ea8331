#include "io/gguf/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "architecture/gguf_names.h"
#include "base/aligned_buffer.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "io/gguf/gguf_config.h"
#include "io/gguf/gguf_parts.h"

namespace refocus {

namespace {

using nlohmann::ordered_json;

// Files that are GGUF and no model.
void refuse_other_gguf(const GgufFile& file) {
  const std::string_view architecture = file.text("general.architecture").value_or("");
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
  out.padding_id = token_id(file, "tokenizer.ggml.padding_token_id");
  out.add_bos = file.flag("tokenizer.ggml.add_bos_token");
  out.add_eos = file.flag("tokenizer.ggml.add_eos_token");
  out.add_space_prefix = file.flag("tokenizer.ggml.add_space_prefix");
  out.remove_extra_whitespaces = file.flag("tokenizer.ggml.remove_extra_whitespaces");
  out.character_map = file.bytes("tokenizer.ggml.precompiled_charsmap").value_or("");
  if (auto text = file.text("tokenizer.chat_template")) out.chat_templates["default"] = std::move(*text);
  for (const std::string& name :
       file.texts("tokenizer.chat_templates").value_or(std::vector<std::string>{})) {
    if (auto text = file.text("tokenizer.chat_template." + name)) out.chat_templates[name] = std::move(*text);
  }
  return out;
}

// Adds a tensor whose rows lie in pairs: matrices of block types are packed anew in any case, which puts the
// rows in order without a copy.
void insert_paired(const GgufFile& file, const std::shared_ptr<const MappedFile>& mapping,
                   std::string_view stored_name, std::string name, TensorView view, const Family& family,
                   const ordered_json& config, WeightMap& weights) {
  const std::int64_t head_dim = config["head_dim"];
  if (view.shape[0] % head_dim != 0) {
    throw input_error(file.where(),
                      "expected whole heads of {} rows in tensor '{}', got {} rows; convert the model again",
                      head_dim, printable(stored_name), view.shape[0]);
  }
  const auto it = config.find(family.rope.fraction_key);
  const auto rotary =
      it == config.end() ? 0 : std::llround(it->get<double>() * static_cast<double>(head_dim));
  if (is_block_type(view.dtype)) {
    view.paired_head_dim = head_dim;
    view.paired_rotary = rotary;
    weights.insert(std::move(name), std::move(view), file.where(), mapping);
    return;
  }
  auto owner = permute_rope_rows(view, head_dim, RopeRows::kToHuggingFace, rotary);
  weights.insert(std::move(name), std::move(view), file.where(), std::move(owner));
}

// A layer's attn_qkv, of a family that has three matrices: rows of q, then of k, then of v.
std::vector<std::pair<std::string, TensorView>> split_qkv(const GgufFile& file, const std::string& name,
                                                          const TensorView& fused,
                                                          const ordered_json& config) {
  const auto size = [&](const char* key) { return config[key].get<std::int64_t>(); };
  const std::int64_t kv = size("num_key_value_heads") * size("head_dim"),
                     q = size("num_attention_heads") * size("head_dim");
  if (fused.shape[0] != q + 2 * kv) {
    throw input_error(file.where(), "expected {} rows (q, k and v) in tensor '{}', got {}; convert it again",
                      q + 2 * kv, printable(name), fused.shape[0]);
  }
  std::vector<std::pair<std::string, TensorView>> out;
  const std::size_t row_bytes = fused.bytes() / static_cast<std::size_t>(fused.shape[0]);
  std::int64_t first = 0;
  for (const auto& [part, rows] :
       {std::pair{"attn_q.", q}, std::pair{"attn_k.", kv}, std::pair{"attn_v.", kv}}) {
    TensorView view = fused;
    view.shape[0] = rows;
    view.data += static_cast<std::size_t>(first) * row_bytes;
    std::string own = name;
    own.replace(own.find("attn_qkv."), std::strlen("attn_qkv."), part);
    out.emplace_back(std::move(own), std::move(view));
    first += rows;
  }
  return out;
}

}  // namespace

std::shared_ptr<const void> permute_rope_rows(TensorView& view, std::int64_t head_dim, RopeRows direction,
                                              std::int64_t rotary) {
  const std::int64_t rows = view.shape.at(0);
  REFOCUS_CHECK(head_dim % 2 == 0 && rows % head_dim == 0);
  if (view.bytes() == 0) return nullptr;
  const std::size_t row_bytes = view.bytes() / static_cast<std::size_t>(rows);
  const auto buffer = std::make_shared<AlignedBuffer<std::byte>>(view.bytes());
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::int64_t source = direction == RopeRows::kToHuggingFace ? paired_row(row, head_dim, rotary)
                                                                      : unpaired_row(row, head_dim, rotary);
    std::memcpy(buffer->data() + static_cast<std::size_t>(row) * row_bytes,
                view.data + static_cast<std::size_t>(source) * row_bytes, row_bytes);
  }
  view.data = buffer->data();
  return buffer;
}

Checkpoint read_gguf(const std::filesystem::path& path) {
  const GgufParts opened = open_gguf(path);
  const GgufFile& file = opened.whole;
  refuse_other_gguf(file);
  Checkpoint checkpoint;
  checkpoint.path = path;
  checkpoint.files = opened.files;
  checkpoint.vocabulary = vocabulary_of(file);
  const Family& family = gguf_family(file);
  const ordered_json config =
      gguf_config(file, family, checkpoint.vocabulary ? &*checkpoint.vocabulary : nullptr);
  checkpoint.config_json = json_text(config, 1);
  checkpoint.config_source = file.where();
  checkpoint.weights.layout = WeightMap::Layout::kGguf;
  const auto insert = [&](const std::string& stored_name, const TensorView& stored,
                          const std::shared_ptr<const MappedFile>& mapping) {
    std::string name = hugging_face_name(family.names, stored_name);
    // A tensor of no known meaning keeps its name, so that the model refuses it by that name.
    if (name.empty()) name = stored_name;
    const bool turned = stored_name.find(".attn_q.") != std::string::npos ||
                        stored_name.find(".attn_k.") != std::string::npos;
    if (turned && family.names.gguf_paired_rows) {
      insert_paired(file, mapping, stored_name, std::move(name), stored, family, config, checkpoint.weights);
    } else {
      checkpoint.weights.insert(std::move(name), stored, file.where(), mapping);
    }
  };
  for (const auto& [stored_name, stored] : file.tensors()) {
    const std::shared_ptr<const MappedFile>& mapping = opened.mapping_of(stored_name);
    if (stored_name.starts_with("rope_factors_")) continue;  // they are in the config
    if (family.names.qkv.empty() && stored_name.find(".attn_qkv.") != std::string::npos &&
        !stored.shape.empty()) {
      for (const auto& [name, view] : split_qkv(file, stored_name, stored, config))
        insert(name, view, mapping);
    } else {
      insert(stored_name, stored, mapping);
    }
  }
  return checkpoint;
}

}  // namespace refocus
