#include "opened/open_model.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/error.h"
#include "io/checkpoint.h"
#include "io/peft/peft_adapter.h"
#include "model/weights.h"
#include "opened/bundled.h"
#include "tokenizer/model_settings.h"
#include "tokenizer/stored_tokenizer.h"
#include "tokenizer/tokenizer_files.h"
#include "tokenizer/tokenizer_kind.h"

namespace refocus {

namespace fs = std::filesystem;

const Tokenizer& OpenModel::need_tokenizer(std::string_view remedy) const {
  if (tokenizer) return *tokenizer;
  if (!fs::is_directory(directory)) {
    throw input_error(directory.string(), "expected a GGUF file with a tokenizer, got one without; {}",
                      remedy);
  }
  throw input_error(directory.string(), "expected tokenizer.model or tokenizer.json, got {}; {}",
                    other_tokenizer(directory), remedy);
}

std::string OpenModel::name() const {
  return adapter ? directory.string() + " with " + adapter->source : directory.string();
}

Adapter open_adapter(const fs::path& directory, const AdapterBase& base) {
  Adapter out = read_peft_adapter(directory, base);
  for (const std::string& warning : out.warnings) spdlog::warn("{}", warning);
  return out;
}

namespace {

std::unique_ptr<Tokenizer> warned_of(std::unique_ptr<Tokenizer> tokenizer) {
  for (const std::string& warning : tokenizer->warnings()) spdlog::warn("{}", warning);
  return tokenizer;
}

}  // namespace

OpenModel open_model(const OpenSettings& settings, std::string_view option) {
  const fs::path path = resolve_model(settings.model, option);
  Checkpoint checkpoint = open_checkpoint(path);
  OpenModel out;
  out.directory = path;
  out.files = std::move(checkpoint.files);
  const std::vector<UsedFile> tokenizer_before = tokenizer_files(path);
  out.files.insert(out.files.end(), tokenizer_before.begin(), tokenizer_before.end());
  out.config = parse_config(checkpoint.config_json, checkpoint.config_source);
  for (const std::string& warning : out.config.warnings) spdlog::warn("{}", warning);
  out.config_json = std::move(checkpoint.config_json);
  out.weights = std::make_shared<const WeightMap>(std::move(checkpoint.weights));
  if (!settings.adapter.empty()) {
    out.adapter = std::make_shared<Adapter>(
        open_adapter(settings.adapter, adapter_base(out.config, *out.weights, path.string())));
    out.files.insert(out.files.end(), out.adapter->files.begin(), out.adapter->files.end());
  }
  if (checkpoint.vocabulary) {
    out.tokenizer = warned_of(make_stored_tokenizer(path.string(), *checkpoint.vocabulary));
  } else if (has_tokenizer(path)) {
    out.tokenizer = warned_of(load_tokenizer(path));
  }
  if (out.tokenizer) {
    out.eos_ids = out.tokenizer->eos_ids();
    if (out.tokenizer->vocab_size() > out.config.vocab_size) {
      throw input_error(path.string(),
                        "expected a tokenizer of at most {} tokens (vocab_size), got {}; the tokenizer is "
                        "another model's, copy the model's own files",
                        out.config.vocab_size, out.tokenizer->vocab_size());
    }
  } else if (fs::is_directory(path)) {
    out.eos_ids = read_model_settings(path).eos_ids;
  }
  expect_same_files(tokenizer_before, path);
  return out;
}

fs::path resolve_tokenizer(const std::string& given) {
  const fs::path path = given;
  if (fs::is_directory(path)) return path;
  const bool known = path.filename() == "tokenizer.model" || path.filename() == "tokenizer.json";
  if (fs::exists(path) && known) return path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (const auto bundled = find_bundled_model(given)) return *bundled;
  throw usage_error(
      "--tokenizer",
      "expected a directory with tokenizer.model or tokenizer.json, such a file, or the name of "
      "a bundled model, got '{}'; check the path",
      printable(given));
}

std::unique_ptr<Tokenizer> open_tokenizer(const fs::path& path) {
  if (fs::is_directory(path)) return warned_of(load_tokenizer(path));
  const Checkpoint checkpoint = open_checkpoint(path);
  if (!checkpoint.vocabulary) {
    throw input_error(path.string(),
                      "expected a GGUF file with a tokenizer, got one without; use the file or directory "
                      "that it was made from");
  }
  return warned_of(make_stored_tokenizer(path.string(), *checkpoint.vocabulary));
}

void expect_same_files(const std::vector<UsedFile>& before, const fs::path& path) {
  if (tokenizer_files(path) != before) refuse_changed_file(path);
}

std::optional<std::string> memory_note(const OpenModel& model) {
  PackedMemory all;
  std::string types;
  for (const auto& [type, memory] :
       packed_memory(*model.weights, has_tied_embeddings(model.config, *model.weights))) {
    if (memory.packed * 10 <= memory.stored * 11) continue;
    types += (types.empty() ? "" : ", ") + std::string(name_of(type));
    all.stored += memory.stored;
    all.packed += memory.packed;
  }
  if (types.empty()) return std::nullopt;
  const bool small = all.stored < 1'000'000;
  const auto shown = [&](std::size_t bytes) {
    return fmt::format("{:.1f} {}", static_cast<double>(bytes) / (small ? 1e3 : 1e6), small ? "KB" : "MB");
  };
  return fmt::format("weights of {} take {} of memory, {} of the file", types, shown(all.packed),
                     shown(all.stored));
}

}  // namespace refocus
