#include "convert/convert.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "architecture/gguf_names.h"
#include "base/error.h"
#include "convert/metadata.h"
#include "io/gguf_model.h"
#include "io/gguf_writer.h"
#include "model/rope_table.h"
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

constexpr std::int64_t kSlabElements = std::int64_t{1} << 21;

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

// A tensor to write and where its rows come from.
struct Plan {
  GgufTensorInfo info;
  TensorView source;
  std::string source_name;  // for messages
  bool rope_rows = false;   // rows in GGUF's order of RoPE pairs
  bool plus_one = false;    // a norm's w - 1, which GGUF files hold as w
};

// The order in which llama.cpp's own files have them: what is outside the layers, then layer by layer.
std::pair<std::int64_t, std::string> order_of(const std::string& gguf_name) {
  if (!gguf_name.starts_with("blk.")) return {-1, gguf_name};
  return {std::stoll(gguf_name.substr(4)), gguf_name};
}

std::vector<Plan> plan_tensors(const Checkpoint& checkpoint, const ModelConfig& config, ConvertType type) {
  const bool from_gguf = checkpoint.weights.layout == WeightMap::Layout::kGguf;
  std::vector<Plan> plans;
  for (const auto& [name, entry] : checkpoint.weights.entries()) {
    Plan plan;
    plan.info.name = gguf_name(config.names, name);
    if (plan.info.name.empty()) continue;  // a rotary buffer; the binding has refused anything else
    plan.info.shape = entry.view.shape;
    plan.info.dtype = stored_dtype(type, plan.info.name, entry.view.shape);
    plan.source = entry.view;
    plan.source_name = name;
    const bool rotated = name.find(".self_attn.q_proj.") != std::string::npos ||
                         name.find(".self_attn.k_proj.") != std::string::npos;
    // Rows that are paired already lie as GGUF wants them.
    plan.rope_rows = rotated && config.names.gguf_paired_rows && entry.view.paired_head_dim == 0;
    plan.plus_one = config.norm_plus_one && !from_gguf && plan.info.name.ends_with("_norm.weight");
    plans.push_back(std::move(plan));
  }
  return plans;
}

// Llama 3's RoPE scaling as the tensor that GGUF files have in its place; empty where there is none.
std::vector<float> add_rope_factors(const ModelConfig& config, std::vector<Plan>& plans) {
  std::vector<float> factors = llama3_frequency_factors(config);
  if (factors.empty()) return factors;
  Plan plan;
  plan.info = {std::string(kGgufRopeFactorsName), {static_cast<std::int64_t>(factors.size())}, DType::kF32};
  plan.source = {reinterpret_cast<const std::byte*>(factors.data()), DType::kF32, plan.info.shape};
  plan.source_name = kRopeFactorsName;
  plans.push_back(std::move(plan));
  return factors;  // a moved vector keeps its elements where they are
}

// Says, once for each pair of types, how many tensors could not have the wanted one.
void tell_fallbacks(const std::vector<Plan>& plans, const ConvertOptions& options) {
  if (!options.notice) return;
  const DType wanted = plain_dtype(options.type);
  std::map<DType, std::vector<const Plan*>> others;
  for (const Plan& plan : plans) {
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
  TensorWriter(GgufWriter& writer, ThreadPool& pool, std::int64_t head_dim, std::string where)
      : writer_(writer),
        pool_(pool),
        head_dim_(head_dim),
        where_(std::move(where)),
        scratch_(static_cast<std::size_t>(pool.size())) {}

  void write(const Plan& plan) {
    const bool flat = plan.info.shape.size() == 1;
    const std::int64_t columns = flat && plan.rope_rows ? 1 : plan.info.shape.back();
    const std::int64_t rows = columns > 0 ? plan.source.elements() / columns : 0;
    const std::int64_t slab = std::max<std::int64_t>(1, kSlabElements / std::max<std::int64_t>(1, columns));
    for (std::int64_t first = 0; first < rows; first += slab) {
      write_rows(plan, columns, first, std::min(slab, rows - first));
    }
  }

 private:
  void write_rows(const Plan& plan, std::int64_t columns, std::int64_t first, std::int64_t count) {
    const std::size_t from_bytes = bytes_of(plan.source.dtype, columns);
    const std::size_t to_bytes = bytes_of(plan.info.dtype, columns);
    slab_.resize(static_cast<std::size_t>(count) * to_bytes);
    pool_.parallel_for(count, [&](std::int64_t i, int thread) {
      const std::int64_t row = plan.rope_rows ? rope_row(first + i) : first + i;
      const std::byte* from = plan.source.data + static_cast<std::size_t>(row) * from_bytes;
      std::byte* to = slab_.data() + static_cast<std::size_t>(i) * to_bytes;
      if (plan.source.dtype == plan.info.dtype && !plan.plus_one) {
        refuse_non_finite(plan, row, columns, from);
        std::copy_n(from, to_bytes, to);
        return;
      }
      std::vector<float>& values = scratch_[static_cast<std::size_t>(thread)];
      values.resize(static_cast<std::size_t>(columns));
      dequantize_row(plan.source.dtype, from, values.data(), columns);
      if (plan.plus_one) {
        for (float& value : values) value += 1;
      }
      quantize(plan, row, columns, values, to);
    });
    writer_.write(slab_);
  }

  void refuse_non_finite(const Plan& plan, std::int64_t row, std::int64_t columns,
                         const std::byte* from) const {
    const std::int64_t at = first_non_finite(plan.source.dtype, from, columns);
    if (at < 0) return;
    throw input_error(
        where_, "expected finite weights, got NaN or infinity in {} at [{}, {}]; download the model again",
        printable(plan.source_name), row, at);
  }

  void quantize(const Plan& plan, std::int64_t row, std::int64_t columns, const std::vector<float>& values,
                std::byte* to) const {
    try {
      quantize_row(plan.info.dtype, values.data(), to, columns);
    } catch (const QuantizeError& e) {
      throw input_error(where_,
                        "{}, the value of {} at [{}, {}]; choose another --type or download the model "
                        "again",
                        e.what(), printable(plan.source_name), row, e.index);
    }
  }

  // The row here that GGUF's row holds: pairs (i, i + head_dim / 2) of a head become (2 i, 2 i + 1).
  std::int64_t rope_row(std::int64_t row) const {
    const std::int64_t within = row % head_dim_;
    return row - within + within % 2 * (head_dim_ / 2) + within / 2;
  }

  GgufWriter& writer_;
  ThreadPool& pool_;
  std::int64_t head_dim_;
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
  if (shape.size() < 2) return DType::kF32;
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
  bind_weights(config, checkpoint.weights, where);  // an incomplete checkpoint is an error here
  const std::optional<StoredVocabulary> vocabulary = vocabulary_of(checkpoint, config);
  if (vocabulary && !checkpoint.vocabulary) report_lost_flags(unstorable_tokens(checkpoint.path), options);
  if (!vocabulary && options.notice) {
    options.notice("the model has no tokenizer; the file will have none, and llama.cpp takes token ids only");
  }
  std::vector<Plan> plans = plan_tensors(checkpoint, config, options.type);
  const std::vector<float> rope_factors = add_rope_factors(config, plans);
  std::sort(plans.begin(), plans.end(),
            [](const Plan& a, const Plan& b) { return order_of(a.info.name) < order_of(b.info.name); });
  tell_fallbacks(plans, options);
  std::vector<GgufTensorInfo> infos;
  std::uint64_t total = 0, written = 0;
  for (const Plan& plan : plans) {
    infos.push_back(plan.info);
    total += plan.info.bytes();
  }
  const GgufMetadata metadata = make_metadata(config, vocabulary ? &*vocabulary : nullptr, options, where);
  GgufWriter writer(options.output, metadata, infos);
  TensorWriter tensors(writer, pool, config.head_dim, where);
  for (const Plan& plan : plans) {
    tensors.write(plan);
    written += plan.info.bytes();
    if (options.progress) options.progress(written, total);
  }
  writer.commit();
}

}  // namespace refocus
