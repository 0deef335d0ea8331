#include "cli/commands/attention_output.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "analyze/origin_files.h"
#include "analyze/statistics_table.h"
#include "base/error.h"
#include "base/text_file.h"

namespace refocus::cli {

namespace {

using nlohmann::ordered_json;

// The first `count` tokens of a text.
ordered_json text_tokens(const AttentionReport& report, const AttentionText& text, std::size_t count) {
  const std::span<const std::string> origins(text.origins.texts);
  return tokens_json(report.model->tokenizer.get(), std::span(text.tokens).first(count),
                     std::span(text.classes).first(count), origins.first(std::min(count, origins.size())));
}

ordered_json item_json(const AttentionReport& report) {
  return {{"task", report.task},
          {"prompt", report.prompt_kind},
          {"profile", report.profile},
          {"subject", report.item->first},
          {"index", report.item->second}};
}

// What is known of one prompt, before the arms.
void add_prompt(const AttentionReport& report, ordered_json& out) {
  const AttentionText& text = report.arms.front().text;
  const MapSettings& maps = report.settings->maps;
  const auto count = static_cast<std::size_t>(report.free ? text.prompt_tokens : std::ssize(text.tokens));
  if (report.item) out["item"] = item_json(report);
  out["prompt_tokens"] = text.prompt_tokens;
  out["tokens"] = text_tokens(report, text, count);
  out["classes"] = classes_json();
  out["layers"] = report.settings->layers;
  out["heads"] = report.settings->heads;
  if (!report.free) {
    out["queries"] = text.queries;
    out["keys"] = count;
  }
  out["kind"] = maps.dense ? "dense" : "sparse";
  if (!maps.dense)
    out["top_k"] = report.free ? maps.top_k : std::min<std::int64_t>(maps.top_k, std::ssize(text.tokens));
  out["before"] = maps.before;
}

ordered_json arm_json(const AttentionReport& report, const CapturedArm& arm) {
  ordered_json out = {
      {"name", arm.arm.name}, {"intervention", arm.intervention}, {"threshold", arm.arm.threshold}};
  if (report.is_task()) return out;
  out["directory"] = arm.arm.name;
  if (report.free) {
    out["tokens"] = text_tokens(report, arm.text, arm.text.tokens.size());
    out["queries"] = arm.text.queries;
    out["keys"] = arm.text.tokens.size();
  }
  for (const std::string& name : arm.result.files) out["files"][name] = arm.arm.name + "/" + name + ".npy";
  return out;
}

ordered_json dataset_json(const AttentionReport& report) {
  return {{"task", report.task},
          {"prompt", report.prompt_kind},
          {"profile", report.profile},
          {"prompts", report.prompts},
          {"tokens", report.arms.front().result.tokens}};
}

ordered_json attention_json(const AttentionReport& report) {
  ordered_json out = {{"format", "refocus-attention"},
                      {"version", 1},
                      {"refocus", REFOCUS_VERSION},
                      {"model", model_json(report.model->name(), report.model->config)}};
  if (report.is_task()) {
    out["dataset"] = dataset_json(report);
    out["classes"] = classes_json();
    out["layers"] = report.settings->layers;
    out["heads"] = report.settings->heads;
  } else {
    add_prompt(report, out);
  }
  out["window"] = report.settings->window;
  out["arms"] = ordered_json::array();
  for (const CapturedArm& arm : report.arms) out["arms"].push_back(arm_json(report, arm));
  out["statistics"] = "statistics.json";
  out["statistics_csv"] = "statistics.csv";
  if (report.has_origins()) out["origins_csv"] = "origins.csv";
  if (!report.is_task()) out["lens"] = "lens.json";
  return out;
}

std::string shown_token(const AttentionReport& report, std::int32_t id) {
  const Tokenizer* tokenizer = report.model->tokenizer.get();
  if (tokenizer == nullptr || !tokenizer->contains(id)) return fmt::format("{}", id);
  return "'" + printable(tokenizer->piece(id)) + "'";
}

// The keys that are outliers in the most heads: "0 '<s>' in 12 of 20 heads".
std::string outlier_line(const AttentionReport& report, const CapturedArm& arm) {
  std::map<std::int64_t, int> heads_of;
  for (const LayerHeadOutlier& outlier : arm.result.outliers) ++heads_of[outlier.key.key];
  std::vector<std::pair<std::int64_t, int>> most(heads_of.begin(), heads_of.end());
  std::stable_sort(most.begin(), most.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (most.empty()) return "Outlier keys: none\n";
  most.resize(std::min<std::size_t>(most.size(), 5));
  std::string out;
  for (const auto& [key, heads] : most) {
    out += fmt::format("{}{} {} in {}", out.empty() ? "Outlier keys: " : ", ", key,
                       shown_token(report, arm.text.tokens[static_cast<std::size_t>(key)]), heads);
  }
  return fmt::format("{} of {} heads\n", out, report.settings->layers.size() * report.settings->heads.size());
}

// What each layer would predict after the first position of the lens.
std::string lens_line(const AttentionReport& report, const CapturedArm& arm) {
  if (arm.result.lens.empty()) return "";
  const LensPosition& position = arm.result.lens.front();
  std::string out;
  for (const auto& tokens : position.layers) {
    out += fmt::format("{}{} {:.0f}%", out.empty() ? "" : ", ", shown_token(report, tokens[0].id),
                       100 * tokens[0].probability);
  }
  return fmt::format("Lens after position {}, by layer: {}\n", position.position, out);
}

}  // namespace

std::vector<NamedResult> AttentionReport::results() const {
  std::vector<NamedResult> out;
  for (const CapturedArm& done : arms) out.push_back({&done.arm, done.intervention, &done.result});
  return out;
}

bool AttentionReport::has_origins() const {
  return std::ranges::any_of(arms, [](const CapturedArm& arm) { return arm.result.origins.has_value(); });
}

void write_attention_files(const AttentionReport& report, const std::filesystem::path& directory) {
  const std::vector<NamedResult> results = report.results();
  write_json_file(directory / "attention.json", attention_json(report));
  write_json_file(directory / "statistics.json",
                  statistics_json(*report.settings, results, !report.is_task()));
  write_file_atomically(directory / "statistics.csv", statistics_csv(*report.settings, results));
  if (report.has_origins()) {
    write_file_atomically(directory / "origins.csv", origins_csv(*report.settings, results));
  }
  if (!report.is_task()) {
    write_json_file(directory / "lens.json", lens_json(report.model->tokenizer.get(), results));
  }
}

void write_row_picture(const AttentionReport& report, const std::filesystem::path& directory) {
  if (!report.picture) return;
  ChosenKeys chosen;
  for (const CapturedArm& arm : report.arms) chosen.push_back(arm.chosen);
  write_file_atomically(directory / "row.svg", row_figure(directory, *report.picture, chosen));
}

std::string attention_tables(const AttentionReport& report) {
  std::string out;
  for (const CapturedArm& done : report.arms) {
    const std::string texts = report.is_task() ? fmt::format("{} prompts, ", report.prompts) : "";
    out += fmt::format("{}: {}{} tokens; means over {} heads\n", done.intervention, texts, done.result.tokens,
                       report.settings->heads.size());
    out += statistics_table(*report.settings, done.result);
    if (done.result.origins) out += origins_table(*done.result.origins);
    if (!report.is_task()) out += outlier_line(report, done) + lens_line(report, done);
    out += "\n";
  }
  return out;
}

ordered_json attention_summary(const AttentionReport& report, const std::string& directory) {
  ordered_json out = {{"output", directory}, {"model", report.model->name()}};
  if (report.is_task()) {
    out["dataset"] = dataset_json(report);
  } else {
    if (report.item) out["item"] = item_json(report);
    out["prompt_tokens"] = report.arms.front().text.prompt_tokens;
  }
  out["layers"] = report.settings->layers;
  out["heads"] = report.settings->heads;
  out["arms"] = ordered_json::array();
  for (const CapturedArm& done : report.arms) {
    const double seconds = done.result.seconds;
    ordered_json arm = {
        {"arm", done.arm.name}, {"intervention", done.intervention}, {"threshold", done.arm.threshold}};
    if (!report.is_task()) arm["tokens"] = done.text.tokens;
    arm["layer_means"] = layer_means_json(*report.settings, done.result);
    if (done.result.origins) {
      arm["origin_means"] = origin_means_json(*done.result.origins, report.settings->heads.size());
    }
    arm["timing"] = {{"seconds", seconds},
                     {"tps", seconds > 0 ? static_cast<double>(done.result.tokens) / seconds : 0.0}};
    out["arms"].push_back(std::move(arm));
  }
  return out;
}

}  // namespace refocus::cli
