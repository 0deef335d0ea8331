#include "io/peft/peft_adapter.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/text_file.h"
#include "io/model_kind.h"
#include "io/peft/peft_config.h"
#include "io/peft/peft_targets.h"
#include "io/peft/peft_tensors.h"
#include "io/pytorch/torch_checkpoint.h"
#include "io/safetensors.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

constexpr const char* kTorchName = "adapter_model.bin";

std::vector<float> finite_values(const TensorView& view, const std::string& name, const std::string& where) {
  std::vector<float> out = to_f32(view);
  if (!std::ranges::all_of(out, [](float v) { return std::isfinite(v); })) {
    throw input_error(where, "expected finite numbers in tensor {}, got NaN or infinity; train it again",
                      printable(name, 160));
  }
  return out;
}

LowRank make_low_rank(const PeftFactors& factors, const PeftChange& change, const PeftSettings& settings,
                      const std::string& where) {
  LowRank out;
  out.a_name = factors.a_name;
  out.b_name = factors.b_name;
  out.rank = change.rank;
  for (const auto& [view, index, name] : {std::tuple{factors.a, std::size_t{0}, &out.a_name},
                                          std::tuple{factors.b, std::size_t{1}, &out.b_name}}) {
    if (view->shape[index] == out.rank) continue;
    std::vector<std::int64_t> expected = view->shape;
    expected[index] = out.rank;
    throw input_error(
        where, "expected tensor {} {} as the rank in {} says, got {}; they do not belong together",
        printable(*name, 160), shape_text(expected), kAdapterConfigName, shape_text(view->shape));
  }
  const auto r = static_cast<double>(out.rank);
  out.scale = static_cast<float>(change.alpha / (settings.rank_stabilised ? std::sqrt(r) : r));
  out.inputs = factors.a->shape[1];
  out.outputs = factors.b->shape[0];
  out.a = finite_values(*factors.a, out.a_name, where);
  out.b = finite_values(*factors.b, out.b_name, where);
  for (float& v : out.b) v *= out.scale;
  if (!std::ranges::all_of(out.b, [](float v) { return std::isfinite(v); })) {
    throw input_error(settings.where,
                      "expected a lora_alpha that float32 can multiply {} by, got {}; correct it",
                      printable(out.b_name, 160), change.alpha);
  }
  return out;
}

// adapter_model.safetensors or, without it, adapter_model.bin.
fs::path read_factors(const fs::path& directory, WeightMap& tensors, std::vector<UsedFile>& files) {
  const fs::path weights = directory / kAdapterWeightsName, torch = directory / kTorchName;
  if (fs::exists(weights)) {
    files.push_back(used_file("adapter", weights));
    read_safetensors(weights, tensors);
    return weights;
  }
  if (fs::exists(torch)) {
    files.push_back(used_file("adapter", torch));
    read_torch_checkpoint(torch, tensors);
    return torch;
  }
  throw input_error(where_of(directory), "expected {} beside {}, got none; copy the whole adapter",
                    kAdapterWeightsName, kAdapterConfigName);
}

}  // namespace

bool is_peft_adapter(const fs::path& directory) {
  std::error_code ignored;
  return fs::is_regular_file(directory / kAdapterConfigName, ignored);
}

Adapter read_peft_adapter(const fs::path& directory, const AdapterBase& base) {
  if (!is_peft_adapter(directory)) refuse_adapter_path(directory);
  const fs::path config = directory / kAdapterConfigName;
  refuse_other_format(config, "JSON", FileFormat::kJson);
  std::vector<UsedFile> files = {used_file("adapter", config)};
  PeftSettings settings = read_peft_settings(read_text_file(config), where_of(config));
  const std::map<std::string, PeftChange> changes = peft_changes(settings, base);
  WeightMap tensors;
  const std::string where = where_of(read_factors(directory, tensors, files));
  Adapter out;
  out.source = directory.string();
  out.base_model = settings.base_model;
  out.files = std::move(files);
  for (const auto& [matrix, factors] : sort_peft_tensors(tensors, where, base, changes, settings.warnings)) {
    out.matrices.emplace(matrix, make_low_rank(factors, changes.at(matrix), settings, where));
  }
  out.warnings = std::move(settings.warnings);
  return out;
}

}  // namespace refocus
