// refocus calibrate: makes the files that interventions work with (from= of --intervene,
// docs/interventions.md).
#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "analyze/head_means.h"
#include "analyze/key_directions.h"
#include "base/error.h"
#include "base/json_node.h"
#include "base/json_reader.h"
#include "base/record_kind.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/model_hashes.h"
#include "cli/options/asking_options.h"
#include "cli/options/model_options.h"
#include "cli/options/task_arguments.h"
#include "cli/options/task_options.h"
#include "eval/task/profile.h"
#include "eval/task/task_kind.h"
#include "eval/tasks/task_data.h"
#include "eval/text/progress.h"
#include "intervene/grammar/tensor_file.h"
#include "io/safetensors.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace {

struct MeanOptions {
  ModelOptions model;
  std::vector<std::string> tasks, subjects;
  std::string text, data, profile, output;
  int limit = 0;
  bool cot = false, direct = false;
};

struct SekaOptions {
  ModelOptions model;
  std::string pairs, output;
  double top_share = 0.9, least_shift = 2;
  int limit = 0;
};

void write_file(const std::string& path, RunningModel& model, const std::string& computed_on,
                const std::vector<std::pair<std::string, const std::vector<float>*>>& numbers,
                const std::vector<std::int64_t>& shape) {
  std::vector<NamedTensor> tensors;
  for (const auto& [name, values] : numbers) {
    tensors.push_back({name, {reinterpret_cast<const std::byte*>(values->data()), DType::kF32, shape}});
  }
  write_safetensors(
      path, tensors,
      {{"made_by", "refocus " REFOCUS_VERSION " calibrate"},
       {"model", model.files.name()},
       {"model_files", json_text(nlohmann::json(hash_model_files(model.files.files, model.pool)))},
       {"computed_on", computed_on}});
}

void expect_fits(std::string_view where, std::span<const std::int32_t> tokens, std::int64_t context) {
  if (!tokens.empty() && std::ssize(tokens) <= context) return;
  throw input_error(
      where,
      "expected texts of 1 to {} tokens (the context), got one of {}; leave it out, or go beyond what "
      "the model was trained for with --context",
      context, tokens.size());
}

// A text in pieces of as many tokens as the context has, each with what the tokenizer puts before a prompt.
std::vector<std::vector<std::int32_t>> pieces_of(const std::string& file, const Tokenizer& tokenizer,
                                                 std::int64_t context) {
  const std::vector<std::int32_t> all = tokenizer.encode(read_text_file(file));
  const std::vector<std::int32_t>& prefix = tokenizer.prompt_prefix();
  const std::int64_t most = context - std::ssize(prefix);
  if (all.empty() || most < 1) {
    throw input_error(file,
                      "expected a text of at least one token, got none that fits; give another, or a larger "
                      "--context");
  }
  std::vector<std::vector<std::int32_t>> out;
  for (std::int64_t first = 0; first < std::ssize(all); first += most) {
    const auto end = all.begin() + std::min(first + most, std::ssize(all));
    out.push_back(prefix);
    out.back().insert(out.back().end(), all.begin() + first, end);
  }
  return out;
}

// The prompts that an evaluation would ask.
std::vector<std::vector<std::int32_t>> prompts_of(const MeanOptions& options, const Tokenizer& tokenizer) {
  const Profile profile = profile_of(options.profile);
  const std::vector<AskedTask> asked = read_task_arguments(options.tasks);
  const PromptKind kind = prompt_kinds(asked, options.cot, options.direct, false).front();
  std::vector<std::vector<std::int32_t>> out;
  for (Task& task : load_tasks(asked, options.data, options.subjects)) {
    if (options.limit > 0) limit_items(task, options.limit);
    const PromptParts parts = prompt_parts(profile, task, kind);
    for (const Item& item : task.items)
      out.push_back(encode_prompt(tokenizer, make_prompt(parts, item)).tokens);
  }
  if (out.empty())
    throw input_error("calibrate", "expected at least one item, got none; see --subjects and --data");
  return out;
}

void run_mean(const MeanOptions& options) {
  if (options.text.empty() == options.tasks.empty()) {
    throw usage_error("calibrate mean", "expected either TASK... or -f TEXT, got {}; give one of the two",
                      options.text.empty() ? "neither" : "both");
  }
  check_replaceable(options.output);
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const Tokenizer& tokenizer = model.files.need_tokenizer("use a model that has one");
  const std::int64_t context = options.model.context_for(model.files.config);
  const std::vector<std::vector<std::int32_t>> texts =
      options.text.empty() ? prompts_of(options, tokenizer) : pieces_of(options.text, tokenizer, context);
  for (const auto& tokens : texts) expect_fits("calibrate", tokens, context);
  HeadMeans means(model.transformer);
  {
    Progress progress("texts", std::ssize(texts), 0);
    for (const auto& tokens : texts) {
      means.add(tokens);
      progress.advance(std::ssize(tokens));
    }
  }
  expect_not_overwritten(model.files.files);
  const ModelConfig& config = model.files.config;
  const std::vector<float> numbers = means.means();
  const std::string computed_on =
      fmt::format("{}: {} rows of {} texts",
                  options.text.empty() ? fmt::format("{}", fmt::join(options.tasks, ", ")) : options.text,
                  means.rows(), texts.size());
  write_file(options.output, model, computed_on, {{"means", &numbers}},
             {config.num_hidden_layers, config.num_attention_heads, config.head_dim});
  fmt::print("Means of {} rows of {} texts: {}\n", means.rows(), texts.size(), options.output);
}

// A text, and the tokens with a byte of the answer's first occurrence in the context.
AnswerText answer_text(const Tokenizer& tokenizer, std::string_view question, const std::string& context,
                       std::size_t answer, std::size_t bytes) {
  Prompt prompt;
  if (!question.empty()) {
    append(prompt, template_piece("Question: "));
    append(prompt, data_piece(std::string(question)));
    append(prompt, template_piece("\n"));
  }
  append(prompt, template_piece("Context: "));
  const std::size_t begin = text_of(prompt).size() + answer, end = begin + bytes;
  append(prompt, data_piece(context));
  const EncodedPrompt encoded = encode_prompt(tokenizer, prompt, PromptEnds::kBegin);
  AnswerText out{encoded.tokens, {}};
  for (std::size_t i = 0; i < encoded.tokens.size(); ++i) {
    if (encoded.bytes[i].begin < end && encoded.bytes[i].end > begin)
      out.answer.push_back(static_cast<std::int64_t>(i));
  }
  return out;
}

struct AnswerPair {
  AnswerText alone, asked, other;
};

AnswerPair read_pair(const SekaOptions& options, const JsonLine& line, const Tokenizer& tokenizer,
                     std::int64_t most) {
  constexpr std::string_view kRemedy =
      R"(write {"context": "..", "question": "..", "other_question": "..", "answer": ".."})";
  const JsonSource source{fmt::format("{}:{}", options.pairs, line.number), kRemedy, true};
  const nlohmann::json value = parse_json_object(line.text, source);
  const JsonNode<nlohmann::json> node(value, source);
  if (const RecordKind kind = kind_of_record(value, {"another object", kRemedy});
      !value.contains("other_question")) {
    throw input_error(source.where,
                      "expected a pair with context, question, other_question and answer, got {}; {}",
                      kind.name, kind.remedy);
  }
  const std::string context = node.at("context").text(), answer = node.at("answer").text();
  const std::size_t at = answer.empty() ? std::string::npos : context.find(answer);
  if (at == std::string::npos) {
    throw input_error(source.where,
                      "expected the answer in the context, got '{}', which is not there; correct it",
                      printable(answer));
  }
  const auto text = [&](std::string_view question) {
    AnswerText out = answer_text(tokenizer, question, context, at, answer.size());
    expect_fits(source.where, out.tokens, most);
    return out;
  };
  AnswerPair out{text(""), text(node.at("question").text()), text(node.at("other_question").text())};
  const auto count = out.alone.answer.size();
  if (count == 0 || out.asked.answer.size() != count || out.other.answer.size() != count) {
    throw input_error(source.where,
                      "expected an answer of as many tokens in each text, got {}, {} and {}; change it",
                      count, out.asked.answer.size(), out.other.answer.size());
  }
  return out;
}

void run_seka(const SekaOptions& options) {
  check_replaceable(options.output);
  const std::string file = read_text_file(options.pairs);
  std::vector<JsonLine> lines = json_lines(file, options.pairs, BlankLines::kSkip);
  if (options.limit > 0)
    lines.resize(std::min<std::size_t>(lines.size(), static_cast<std::size_t>(options.limit)));
  if (lines.empty())
    throw input_error(options.pairs, "expected at least one line, got none; write pairs as JSON lines");
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const ModelConfig& config = model.files.config;
  const Tokenizer& tokenizer = model.files.need_tokenizer("use a model that has one");
  std::vector<AnswerPair> pairs;
  for (const JsonLine& line : lines) {
    pairs.push_back(read_pair(options, line, tokenizer, options.model.context_for(config)));
  }
  KeyDirections directions(model.transformer);
  {
    Progress progress("pairs", std::ssize(pairs), 0);
    for (const AnswerPair& pair : pairs) {
      directions.add(pair.alone, pair.asked, pair.other);
      progress.advance(std::ssize(pair.asked.tokens));
    }
  }
  expect_not_overwritten(model.files.files);
  const Directions found = directions.directions(options.top_share, options.least_shift);
  const auto [least, most] = std::ranges::minmax(found.shifts);
  if (found.chosen == 0) {
    throw usage_error("--min-diff",
                      "expected at most {:.4g}, the largest shift of any head's keys, got {}; lower it", most,
                      options.least_shift);
  }
  write_file(options.output, model,
             fmt::format("{}: {} pairs, top_pct {}, min_diff {}", options.pairs, pairs.size(),
                         options.top_share, options.least_shift),
             {{"positive", &found.positive}, {"negative", &found.negative}},
             {config.num_hidden_layers, config.num_key_value_heads, config.head_dim, config.head_dim});
  fmt::print("Directions of {} of {} heads, whose keys shift by {:.4g} to {:.4g}, from {} pairs: {}\n",
             found.chosen, found.shifts.size(), least, most, pairs.size(), options.output);
}

void add_output(CLI::App& command, std::string& output) {
  command.add_option("-o,--output", output, "The .safetensors file to write")
      ->required()
      ->check(not_empty())
      ->type_name("FILE");
}

Action add_mean(CLI::App& command) {
  auto options = std::make_shared<MeanOptions>();
  add_tasks(command, options->tasks,
            fmt::format("Tasks whose prompts are read: {}, or task files", task_names()));
  options->model.add_model(command);
  command.add_option("-f,--file", options->text, "A UTF-8 text instead of tasks")
      ->check(not_empty())
      ->type_name("FILE");
  add_data(command, options->data);
  add_subjects(command, options->subjects);
  add_limit(command, options->limit);
  add_profile(command, options->profile);
  CLI::Option* cot =
      command.add_flag("--cot", options->cot, "Prompts that ask for an analysis first (default)");
  command.add_flag("--direct", options->direct, "Prompts that ask for the answer at once")->excludes(cot);
  add_output(command, options->output);
  options->model.add_running(command);
  return [options] { run_mean(*options); };
}

Action add_seka(CLI::App& command) {
  auto options = std::make_shared<SekaOptions>();
  command
      .add_option("pairs", options->pairs,
                  "JSON lines: context, question, other_question, answer (in the context)")
      ->required()
      ->check(not_empty())
      ->type_name("PAIRS.jsonl");
  options->model.add_model(command);
  command
      .add_option("--top-pct", options->top_share, "Share of the singular values whose directions are kept")
      ->capture_default_str()
      ->check(number(1e-6, 1));
  command.add_option("--min-diff", options->least_shift, "Heads whose keys shift less are left alone")
      ->capture_default_str()
      ->check(number(0, 1e9));
  command.add_option("--limit", options->limit, "Only the first N pairs")->check(whole_number(1, 1 << 30));
  add_output(command, options->output);
  options->model.add_running(command);
  return [options] { run_seka(*options); };
}

}  // namespace

Action add_calibrate(CLI::App& command) {
  command.require_subcommand(1);
  CLI::App* mean =
      command.add_subcommand("mean", "What each head puts out on average, for --intervene mean:from=FILE");
  CLI::App* seka =
      command.add_subcommand("seka", "Directions of keys that a question asks for, for seka:from=FILE");
  return [mean, run_mean = add_mean(*mean), run_seka = add_seka(*seka)] {
    mean->parsed() ? run_mean() : run_seka();
  };
}

}  // namespace refocus::cli
