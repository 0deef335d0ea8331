#include "opened/running_model.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "base/error.h"
#include "base/memory_use.h"
#include "base/text_hash.h"

namespace refocus {

namespace {

// What tells a model from others without reading it all: its settings, its tensors, and the numbers of the
// last norm.
std::uint64_t number_of(const OpenModel& model) {
  std::string text = model.config_json;
  for (const auto& [name, entry] : model.weights->entries()) {
    text += fmt::format("\n{} {} {}", name, name_of(entry.view.dtype), shape_text(entry.view.shape));
  }
  const auto* norm = model.weights->find(std::string(model.config.names.final_norm) + ".weight");
  if (norm != nullptr) text.append(reinterpret_cast<const char*>(norm->view.data), norm->view.bytes());
  return text_hash(text);
}

}  // namespace

RunningModel::RunningModel(const OpenSettings& how, std::int64_t max_rows,
                           std::shared_ptr<ModelPartition> shared)
    : settings((check_shared(how), how)),
      files(open_model(settings)),
      pool(settings.threads > 0 ? settings.threads : available_threads(),
           settings.pin ? ThreadPool::Placement::kPinned : ThreadPool::Placement::kFree),
      device(open_device(settings)),
      partition(std::move(shared)),
      transformer(files.config, files.weights, files.directory.string(), pool,
                  settings.on_cpu() || max_rows < kRunningRows ? max_rows : std::max(max_rows, kDeviceRows),
                  settings.kv(), settings.activation_type(), device, partition) {
  if (partition) partition->expect_same(number_of(files), "model");
  const auto note = settings.on_cpu() ? memory_note(files) : std::nullopt;
  if (note) spdlog::info("{}", *note);
  // A model that lacks one bias lacks that of every layer: one line says it.
  if (const auto& warnings = transformer.warnings(); !warnings.empty()) {
    spdlog::warn("{}{}", warnings.front(),
                 warnings.size() > 1 ? fmt::format("; {} more tensors too", warnings.size() - 1) : "");
  }
  if (files.adapter) transformer.attach(files.adapter);
}

std::int64_t kv_limit(const OpenSettings& settings, const Transformer& model) {
  if (settings.kv_memory_mib > 0) return settings.kv_memory_mib << 20;
  const std::int64_t half =
      (model.device() != nullptr ? model.device()->facts().free_bytes : available_bytes()) / 2;
  if (model.partition() == nullptr) return half;
  // Each process has room for a share; the one with the least room decides for all.
  const KvLayout layout(model.config(), model.kv_type(), model.kv_share());
  return model.partition()->least(layout.whole_bytes(half / model.partition()->ranks_here()));
}

std::int64_t kv_budget(const OpenSettings& settings, const Transformer& model, std::int64_t sequences,
                       std::int64_t context) {
  const std::int64_t limit = kv_limit(settings, model);
  if (settings.kv_memory_mib > 0) return limit;
  const std::int64_t wanted =
      kv_bytes_of_many(model.config(), sequences, context, model.kv_type(), model.max_rows());
  return std::max(kv_bytes(model.config(), kKeyBlock, model.kv_type()), std::min(wanted, limit));
}

}  // namespace refocus
