#include "train/run_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/json_node.h"
#include "base/text_file.h"
#include "io/peft/peft_adapter.h"
#include "io/peft/peft_config.h"
#include "tokenizer/tokenizer_files.h"
#include "train/loss_curve.h"

namespace refocus {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kUnfinished = ".unfinished-";
constexpr const char* kStep = "step-";

// Makes a rename or a new file in `directory` survive a power cut.
void flush_directory(const fs::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

// The names of base/text_file and io/atomic_file while they write: NAME.tmp, then numbers.
bool is_temporary(const std::string& name) {
  const std::size_t at = name.rfind(".tmp");
  return at != std::string::npos && at + 4 < name.size() &&
         name.find_first_not_of("0123456789.", at + 4) == std::string::npos;
}

void write_model_files(const ModelFiles& files, const fs::path& to) {
  if (!files.adapter_config.empty()) {
    write_file_atomically(to / kAdapterConfigName, files.adapter_config);
    return;
  }
  copy_tokenizer_files(files.tokenizer_directory, to);
  write_file_atomically(to / "config.json", files.config_json);
}

}  // namespace

const char* ModelFiles::weights_name() const {
  return adapter_config.empty() ? "model.safetensors" : kAdapterWeightsName;
}

void TrainingDirectory::clean() const {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / "checkpoints")) {
    if (entry.path().filename().string().starts_with(kUnfinished)) fs::remove_all(entry.path(), ignored);
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(path_)) {
    if (is_temporary(entry.path().filename().string())) fs::remove(entry.path(), ignored);
  }
}

std::optional<fs::path> TrainingDirectory::last_checkpoint() const {
  std::optional<fs::path> last;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_ / "checkpoints", error)) {
    const bool is_step = entry.path().filename().string().starts_with(kStep);
    if (is_step && (!last || entry.path().filename() > last->filename())) last = entry.path();
  }
  return last;
}

bool TrainingDirectory::holds_a_run() const {
  return last_checkpoint() || fs::exists(log_path()) || fs::exists(path_ / "model.safetensors") ||
         fs::exists(path_ / kAdapterWeightsName);
}

void TrainingDirectory::write_checkpoint(const RunState& state, const ModelFiles& files,
                                         const std::vector<NamedTensor>& weights,
                                         const std::vector<NamedTensor>& moments) const {
  const fs::path all = path_ / "checkpoints";
  const std::string name = fmt::format("{}{:08}", kStep, state.step);
  const fs::path unfinished = all / (kUnfinished + name), finished = all / name;
  std::error_code ignored;
  try {
    fs::create_directories(unfinished);
    write_safetensors(unfinished / files.weights_name(), weights, {{"format", "pt"}});
    write_safetensors(unfinished / "optimizer.safetensors", moments);
    write_model_files(files, unfinished);
    const json text = {{"format", 1},
                       {"step", state.step},
                       {"tokens", state.tokens},
                       {"epoch", state.data.epoch},
                       {"next", state.data.next},
                       {"settings", state.settings}};
    write_file_atomically(unfinished / "state.json", json_text(text, 1) + "\n");
    flush_directory(unfinished);
    fs::rename(unfinished, finished);
  } catch (const fs::filesystem_error& e) {
    fs::remove_all(unfinished, ignored);
    throw input_error(finished.string(), "cannot be written: {}; {}", e.code().message(),
                      write_remedy(e.code().value()));
  } catch (const InputError&) {
    fs::remove_all(unfinished, ignored);
    throw;
  }
  flush_directory(all);
  for (const fs::directory_entry& entry : fs::directory_iterator(all, ignored)) {
    const std::string other = entry.path().filename().string();
    if (other.starts_with(kStep) && other < name) fs::remove_all(entry.path(), ignored);
  }
}

void TrainingDirectory::write_model(const ModelFiles& files, const std::vector<NamedTensor>& weights) const {
  write_model_files(files, path_);
  write_safetensors(path_ / files.weights_name(), weights, {{"format", "pt"}});
  flush_directory(path_);
}

void TrainingDirectory::trim_log(std::int64_t step) const {
  if (!fs::exists(log_path())) return;
  const std::string text = read_text_file(log_path());
  std::string kept;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;  // a line cut short
    const auto line = json_or_nothing(std::string_view(text).substr(begin, end - begin));
    const json at = line && line->is_object() ? line->value("step", json()) : json();
    if (at.is_number_integer() && at <= step) kept += text.substr(begin, end + 1 - begin);
    begin = end + 1;
  }
  write_file_atomically(log_path(), kept);
}

void TrainingDirectory::write_loss_curve() const {
  const std::string log = read_text_file(log_path());
  const std::string svg = loss_curve_svg(loss_points(log, "loss"), loss_points(log, "validation_loss"));
  if (!svg.empty()) write_file_atomically(path_ / "loss.svg", svg);
}

RunState read_state(const fs::path& checkpoint) {
  const fs::path path = checkpoint / "state.json";
  const JsonSource source{path.string(), "delete this checkpoint"};
  const json text = parse_json_object(read_text_file(path), source);
  const JsonNode state(text, source);
  const auto number = [&](const char* key) { return static_cast<std::uint64_t>(state.at(key).whole()); };
  if (number("format") != 1) {
    throw input_error(path.string(), "expected format 1, got {}; use the program that wrote it",
                      number("format"));
  }
  return {state.at("step").whole(),
          number("tokens"),
          {number("epoch"), number("next")},
          state.at("settings").object()};
}

}  // namespace refocus
