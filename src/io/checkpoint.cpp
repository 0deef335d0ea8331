#include "io/checkpoint.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "architecture/families.h"
#include "base/error.h"
#include "base/file_kind.h"
#include "base/json_reader.h"
#include "base/text_file.h"
#include "io/gguf/gguf_model.h"
#include "io/model_kind.h"
#include "io/pytorch/torch_checkpoint.h"
#include "io/safetensors.h"
#include "io/weight_file.h"

namespace refocus {

namespace {

namespace fs = std::filesystem;

constexpr std::uintmax_t kMaxConfigBytes = 16u << 20;
constexpr std::uintmax_t kMaxIndexBytes = 100u << 20;

using Read = void (*)(const fs::path&, WeightMap&);

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string read_bounded(const fs::path& path, std::uintmax_t limit) {
  refuse_other_format(path, "JSON", FileFormat::kJson);
  std::error_code failed;
  const std::uintmax_t bytes = fs::file_size(path, failed);
  if (!failed && bytes > limit) {
    throw input_error(where_of(path), "expected at most {} bytes of JSON, got {}; download it again", limit,
                      bytes);
  }
  return read_text_file(path);
}

// A shard's name from an index: a plain file name, so that an index cannot point out of its directory.
void check_shard_name(const std::string& shard, std::string_view extension, std::string_view where) {
  const bool plain = shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  if (!plain || !shard.ends_with(extension) || shard.size() == extension.size()) {
    throw input_error(where, "expected plain file names ending in {}, got '{}'; download the index again",
                      extension, printable(shard));
  }
}

// The weights that each shard must hold, from `{"metadata": ..., "weight_map": {weight: shard}}`.
std::map<std::string, std::vector<std::string>> read_index(const fs::path& path, std::string_view extension) {
  const std::string where = where_of(path);
  const auto index =
      parse_json_object(read_bounded(path, kMaxIndexBytes), {where, "download the index again"});
  const auto weight_map = index.find("weight_map");
  if (weight_map == index.end() || !weight_map->is_object() || weight_map->empty()) {
    throw input_error(where,
                      "expected a weight_map from weights to files, got none; download the index again");
  }
  std::map<std::string, std::vector<std::string>> shards;
  for (const auto& [weight, shard] : weight_map->items()) {
    if (!shard.is_string()) {
      throw input_error(where, "expected a file name for weight '{}', got {}; download the index again",
                        printable(weight), shard.type_name());
    }
    const auto& name = shard.get_ref<const std::string&>();
    check_shard_name(name, extension, where);
    shards[name].push_back(weight);
  }
  return shards;
}

void read_file(const fs::path& path, Read read, Checkpoint& checkpoint) {
  checkpoint.files.push_back(used_file("weights", path));
  read(path, checkpoint.weights);
}

void read_sharded(const fs::path& index, std::string_view extension, Read read, Checkpoint& checkpoint) {
  const std::string where = where_of(index);
  checkpoint.files.push_back(used_file("weights", index));
  for (const auto& [shard, names] : read_index(index, extension)) {
    const fs::path path = index.parent_path() / shard;
    if (!is_file(path)) {
      throw input_error(where, "expected the file '{}' beside the index, got none; download it",
                        printable(shard));
    }
    read_file(path, read, checkpoint);
    const std::string source = where_of(path);
    for (const std::string& name : names) {
      const WeightMap::Entry* entry = checkpoint.weights.find(name);
      if ((entry == nullptr && is_known_buffer(name)) || (entry != nullptr && entry->source == source))
        continue;
      throw input_error(where, "expected weight '{}' in '{}', got {}; download both files again",
                        printable(name), printable(shard),
                        entry == nullptr ? "none" : "it in " + entry->source);
    }
  }
}

// The *.safetensors of the directory but for adapters, which are no model by themselves.
std::vector<fs::path> other_safetensors(const fs::path& directory) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (fs::directory_iterator it(directory, failed), end; !failed && it != end; it.increment(failed)) {
    const std::string name = it->path().filename().string();
    if (name.ends_with(".safetensors") && !name.starts_with("adapter_") && is_file(it->path())) {
      found.push_back(it->path());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// One shard of several, by its name: NAME-00001-of-00002.safetensors.
void refuse_lone_shard(const fs::path& path) {
  const std::string stem = path.stem().string();
  const std::size_t of = stem.rfind("-of-");
  if (of == std::string::npos || of < 5) return;
  int number = 0, count = 0;
  std::from_chars(stem.data() + of - 5, stem.data() + of, number);
  std::from_chars(stem.data() + of + 4, stem.data() + stem.size(), count);
  if (count < 2 || number < 1 || number > count) return;
  throw input_error(
      where_of(path),
      "expected all {} shards with their index beside them, got shard {} alone; download the others "
      "and model.safetensors.index.json",
      count, number);
}

void read_weights(const fs::path& directory, Checkpoint& out) {
  const fs::path safetensors_index = directory / "model.safetensors.index.json";
  const fs::path safetensors = directory / "model.safetensors";
  const fs::path torch_index = directory / "pytorch_model.bin.index.json";
  const fs::path torch = directory / "pytorch_model.bin";
  if (is_file(safetensors_index))
    return read_sharded(safetensors_index, ".safetensors", read_safetensors, out);
  if (is_file(safetensors)) return read_file(safetensors, read_safetensors, out);
  const std::vector<fs::path> others = other_safetensors(directory);
  if (others.size() == 1) {
    refuse_lone_shard(others.front());
    return read_file(others.front(), read_safetensors, out);
  }
  if (is_file(torch_index)) return read_sharded(torch_index, ".bin", read_torch_checkpoint, out);
  if (is_file(torch)) return read_file(torch, read_torch_checkpoint, out);
  if (others.size() > 1) {
    throw input_error(
        where_of(directory),
        "expected model.safetensors.index.json beside {} .safetensors files ({}, {}, ...), got none; "
        "download the index too",
        others.size(), printable(others[0].filename().string()), printable(others[1].filename().string()));
  }
  refuse_missing_weights(directory);
}

// The weights of a directory, found to be those of a language model in plain numbers.
void read_language_model(const fs::path& directory, const nlohmann::json& config, Checkpoint& checkpoint) {
  const auto quantised = quantised_kind(config, directory);
  const auto refuse_quantised = [&] {
    throw input_error(checkpoint.config_source, "expected weights in F32, F16 or BF16, got {}; {}",
                      quantised->name, quantised->remedy);
  };
  try {
    read_weights(directory, checkpoint);
  } catch (const InputError&) {
    if (quantised) refuse_quantised();  // whatever else the readers say follows from it
    throw;
  }
  for (const auto& [name, entry] : checkpoint.weights.entries()) {
    const auto kind = quantised_tensor(name, name_of(entry.view.dtype));
    if (kind && quantised) refuse_quantised();
    if (!kind) continue;
    throw input_error(entry.source, "expected weights in F32, F16 or BF16, got {}; {}", kind->name,
                      kind->remedy);
  }
  if (quantised) {
    throw input_error(
        checkpoint.config_source,
        "expected weights that are used as they are, got {}, which quantises plain weights while "
        "loading; remove that to run them as they are",
        quantised->name);
  }
  if (const auto other = other_task(config, checkpoint.weights)) {
    throw input_error(checkpoint.config_source, "expected a model that writes text, got {}; {}", other->name,
                      other->remedy);
  }
  const auto type = config.find("model_type");
  const bool named = type != config.end() && type->is_string();
  const Family* family = find_family(named ? type->get_ref<const std::string&>() : "llama");
  if (family == nullptr) return;  // which parse_config refuses by its name
  add_missing_prefix(family->names, checkpoint.weights, where_of(directory));
}

}  // namespace

Checkpoint open_checkpoint(const fs::path& directory) {
  if (is_file(directory)) {
    const FileFormat format = kind_of_file(directory).format;
    if (format == FileFormat::kGguf || format == FileFormat::kOtherGguf) {
      return read_gguf(directory);
    }
  }
  const fs::path config = directory / "config.json";
  if (!is_file(config)) refuse_model_path(directory);
  Checkpoint checkpoint;
  checkpoint.path = directory;
  checkpoint.config_source = where_of(config);
  checkpoint.files.push_back(used_file("config", config));
  checkpoint.config_json = read_bounded(config, kMaxConfigBytes);
  const auto parsed =
      parse_json_object(checkpoint.config_json, {checkpoint.config_source, "download it again"});
  read_language_model(directory, parsed, checkpoint);
  return checkpoint;
}

}  // namespace refocus
