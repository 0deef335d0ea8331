#include "convert/convert.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "convert/metadata.h"
#include "convert/plan.h"
#include "convert/read_back.h"
#include "convert/slab.h"
#include "io/gguf/gguf_writer.h"
#include "model/weights.h"
#include "tensor/block_formats.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"

namespace refocus {

namespace {

constexpr std::array<std::pair<std::string_view, ConvertType>, 6> kTypes = {{{"f32", ConvertType::kF32},
                                                                             {"f16", ConvertType::kF16},
                                                                             {"bf16", ConvertType::kBF16},
                                                                             {"q8_0", ConvertType::kQ8_0},
                                                                             {"q4_0", ConvertType::kQ4_0},
                                                                             {"q4_k", ConvertType::kQ4_K}}};

DType plain_dtype(ConvertType type) {
  switch (type) {
    case ConvertType::kF32:
      return DType::kF32;
    case ConvertType::kF16:
      return DType::kF16;
    case ConvertType::kBF16:
      return DType::kBF16;
    case ConvertType::kQ8_0:
      return DType::kQ8_0;
    case ConvertType::kQ4_0:
      return DType::kQ4_0;
    case ConvertType::kQ4_K:
      return DType::kQ4_K;
  }
  return DType::kF32;
}

// Says, once for each pair of types, how many tensors could not have the wanted one.
void tell_fallbacks(const std::vector<TensorPlan>& plans, const ConvertOptions& options) {
  if (!options.notice) return;
  const DType wanted = plain_dtype(options.type);
  std::map<DType, std::vector<const TensorPlan*>> others;
  for (const TensorPlan& plan : plans) {
    const std::int64_t row = plan.info.shape.back();
    if (plan.info.shape.size() > 1 && row % block_elements(wanted) != 0) {
      others[plan.info.dtype].push_back(&plan);
    }
  }
  for (const auto& [dtype, list] : others) {
    options.notice(fmt::format("{} tensors ({}, ...) have rows that are no multiple of {} and stay {}",
                               list.size(), list.front()->info.name, block_elements(wanted), name_of(dtype)));
  }
}

class TensorWriter {
 public:
  TensorWriter(GgufWriter& writer, ThreadPool& pool, std::string where)
      : writer_(writer),
        pool_(pool),
        where_(std::move(where)),
        scratch_(static_cast<std::size_t>(pool.size())) {}

  void write(const TensorPlan& plan) {
    const std::int64_t columns = plan.info.shape.back();
    if (plan.matrices.empty()) return write_values(plan, columns);
    std::int64_t rows = 0;
    for (const Linear* matrix : plan.matrices) rows += matrix->outputs;
    const std::int64_t slab = slab_rows(columns);
    for (std::int64_t first = 0; first < rows; first += slab) {
      write_rows(plan, columns, first, std::min(slab, rows - first));
    }
  }

 private:
  void write_values(const TensorPlan& plan, std::int64_t columns) {
    const auto* bytes = reinterpret_cast<const std::byte*>(plan.values.data());
    const auto count = static_cast<std::int64_t>(plan.values.size());
    REFOCUS_CHECK(plan.info.dtype == DType::kF32);
    for (std::int64_t row = 0; row * columns < count; ++row) {
      refuse_non_finite(plan, DType::kF32, row, columns, bytes + row * columns * 4);
    }
    writer_.write({bytes, plan.values.size() * sizeof(float)});
  }

  void write_rows(const TensorPlan& plan, std::int64_t columns, std::int64_t first, std::int64_t count) {
    const std::size_t to_bytes = bytes_of(plan.info.dtype, columns);
    slab_.resize(static_cast<std::size_t>(count) * to_bytes);
    pool_.parallel_for(count, [&](std::int64_t i, int thread) {
      const std::int64_t row = plan.paired_head_dim > 0
                                   ? unpaired_row(first + i, plan.paired_head_dim, plan.paired_rotary)
                                   : first + i;
      std::int64_t within = row;
      auto matrix = plan.matrices.begin();
      for (; within >= (*matrix)->outputs; ++matrix) within -= (*matrix)->outputs;
      const Linear& source = **matrix;
      const std::byte* from = source.data + static_cast<std::size_t>(stored_row(
                                                within, source.paired_head_dim, source.paired_rotary)) *
                                                bytes_of(source.dtype, columns);
      std::byte* to = slab_.data() + static_cast<std::size_t>(i) * to_bytes;
      if (source.dtype == plan.info.dtype) {
        refuse_non_finite(plan, source.dtype, row, columns, from);
        std::copy_n(from, to_bytes, to);
        return;
      }
      std::vector<float>& values = scratch_[static_cast<std::size_t>(thread)];
      values.resize(static_cast<std::size_t>(columns));
      dequantize_row(source.dtype, from, values.data(), columns);
      quantize(plan, row, columns, values, to);
    });
    writer_.write(slab_);
  }

  void refuse_non_finite(const TensorPlan& plan, DType dtype, std::int64_t row, std::int64_t columns,
                         const std::byte* from) const {
    const std::int64_t at = first_non_finite(dtype, from, columns);
    if (at < 0) return;
    throw input_error(
        where_, "expected finite weights, got NaN or infinity in {} at [{}, {}]; download the model again",
        printable(plan.source_name), row, at);
  }

  void quantize(const TensorPlan& plan, std::int64_t row, std::int64_t columns,
                const std::vector<float>& values, std::byte* to) const {
    try {
      quantize_row(plan.info.dtype, values.data(), to, columns);
    } catch (const QuantizeError& e) {
      throw input_error(where_,
                        "{}, the value of {} at [{}, {}]; choose another --type or download the model "
                        "again",
                        e.what(), printable(plan.source_name), row, e.index);
    }
  }

  GgufWriter& writer_;
  ThreadPool& pool_;
  std::string where_;
  std::vector<std::byte> slab_;
  std::vector<std::vector<float>> scratch_;  // [threads][columns]
};

}  // namespace

std::optional<ConvertType> parse_convert_type(std::string_view name) {
  for (const auto& [known, type] : kTypes) {
    if (known == name) return type;
  }
  return std::nullopt;
}

DType stored_dtype(ConvertType type, std::string_view gguf_name, const std::vector<std::int64_t>& shape) {
  // Norms of each head, routers and positions are matrices that llama.cpp keeps in float32 too.
  const bool exact = gguf_name.ends_with("_norm.weight") || gguf_name.ends_with(".bias") ||
                     gguf_name.find("ffn_gate_inp") != std::string_view::npos ||
                     gguf_name.starts_with("position_embd");
  if (shape.size() < 2 || exact) return DType::kF32;
  DType wanted = plain_dtype(type);
  const bool ends = gguf_name == "token_embd.weight" || gguf_name == "output.weight";
  if (wanted == DType::kQ4_K && ends) wanted = DType::kQ6_K;
  const auto fits = [&](DType dtype) { return shape.back() % block_elements(dtype) == 0; };
  if (fits(wanted)) return wanted;
  if (block_elements(wanted) > 32 && fits(DType::kQ8_0)) return DType::kQ8_0;
  return DType::kF16;
}

namespace {

void report_lost_flags(const std::vector<std::string>& tokens, const ConvertOptions& options) {
  if (tokens.empty() || !options.notice) return;
  options.notice(fmt::format(
      "the file cannot say that added tokens take white space along or stand alone (lstrip, rstrip, "
      "single_word): {} of them, '{}' first",
      tokens.size(), printable(tokens[0], 40)));
}

}  // namespace

std::optional<StoredVocabulary> vocabulary_of(const Checkpoint& checkpoint, const ModelConfig& config) {
  std::optional<StoredVocabulary> out = checkpoint.vocabulary;
  if (!out && vocabulary_name(checkpoint.path)) {
    out = stored_vocabulary(checkpoint.path, config.vocab_size);
  }
  if (out && static_cast<std::int64_t>(out->tokens.size()) > config.vocab_size) {
    throw input_error(
        checkpoint.path.string(),
        "expected a tokenizer of at most {} tokens (vocab_size), got {}; the tokenizer is another "
        "model's",
        config.vocab_size, out->tokens.size());
  }
  return out;
}

void convert_to_gguf(const Checkpoint& checkpoint, const ConvertOptions& options, ThreadPool& pool) {
  const std::string where = checkpoint.path.string();
  const ModelConfig config = parse_config(checkpoint.config_json, checkpoint.config_source);
  refuse_unwritten(config, where);
  // An incomplete checkpoint is an error here.
  const ModelWeights weights = bind_weights(config, checkpoint.weights, where);
  const std::optional<StoredVocabulary> vocabulary = vocabulary_of(checkpoint, config);
  if (vocabulary && !checkpoint.vocabulary) report_lost_flags(unstorable_tokens(checkpoint.path), options);
  if (!vocabulary && options.notice) {
    options.notice("the model has no tokenizer; the file will have none, and llama.cpp takes token ids only");
  }
  const std::vector<TensorPlan> plans =
      plan_tensors(config, weights, [&](std::string_view name, const std::vector<std::int64_t>& shape) {
        return stored_dtype(options.type, name, shape);
      });
  tell_fallbacks(plans, options);
  std::vector<GgufTensorInfo> infos;
  std::uint64_t total = 0, written = 0;
  for (const TensorPlan& plan : plans) {
    infos.push_back(plan.info);
    total += plan.info.bytes();
  }
  const GgufMetadata metadata = make_metadata(config, vocabulary ? &*vocabulary : nullptr, options, where);
  refuse_unsaid(config, metadata, plans, where);
  GgufWriter writer(options.output, metadata, infos);
  TensorWriter tensors(writer, pool, where);
  for (const TensorPlan& plan : plans) {
    tensors.write(plan);
    written += plan.info.bytes();
    if (options.progress) options.progress(written, total);
  }
  writer.commit();
}

}  // namespace refocus
