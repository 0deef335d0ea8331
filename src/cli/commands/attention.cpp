// refocus attention: a prompt's attention weights and their statistics, or those of a task's prompts, in a
// directory (docs/attention.md).
#include <fmt/core.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "analyze/attention_run.h"
#include "analyze/explorer_page.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "cli/command.h"
#include "cli/commands/attention_output.h"
#include "cli/options/asking_options.h"
#include "cli/options/attention_options.h"
#include "cli/options/number_list.h"
#include "cli/options/prompt_options.h"
#include "cli/options/task_arguments.h"
#include "eval/run/plan.h"
#include "eval/task/profile.h"
#include "eval/task/task_kind.h"
#include "eval/tasks/task_data.h"
#include "eval/text/progress.h"
#include "generate/scheduler.h"
#include "io/atomic_directory.h"
#include "opened/bundled.h"

namespace refocus::cli {

namespace fs = std::filesystem;

namespace {

std::vector<CapturedArm> arms_of(const AttentionOptions& options, std::span<const NamedIntervention> asked,
                                 const ModelConfig& config) {
  std::vector<CapturedArm> arms;
  std::set<std::string> names, interventions;
  for (const auto& [given, spec] : asked) {
    CapturedArm done;
    done.intervention = spec.canonical(config.num_hidden_layers);
    const std::string name = given.empty() ? intervention_file_name(done.intervention) : given;
    if (!interventions.insert(done.intervention).second || !names.insert(name).second) {
      throw usage_error("--intervene", "expected different arms, got {} twice", done.intervention);
    }
    done.arm = {name, spec, threshold_of(spec, options.threshold)};
    arms.push_back(std::move(done));
  }
  return arms;
}

// The chosen positions of a text of `count` tokens that could have had up to `most`.
std::vector<std::int64_t> positions_of(const char* option, const std::string& text, std::int64_t count,
                                       std::int64_t most) {
  std::vector<std::int64_t> out = parse_number_list(option, text, most, "positions");
  std::erase_if(out, [&](std::int64_t position) { return position >= count; });
  if (out.empty()) {
    throw input_error(option, "expected positions that the text reaches (0 to {}), got '{}'; choose others",
                      count - 1, printable(text));
  }
  return out;
}

AttentionText text_of(const AttentionOptions& options, const OpenModel& model, const ReadPrompt& prompt,
                      const std::vector<std::int32_t>& continuation) {
  constexpr std::int64_t kLensPositions = 32;
  AttentionText text;
  text.tokens = prompt.tokens;
  text.aim_at = [&](const InterventionSpec& spec) { return prompt.aim(spec); };
  text.tokens.insert(text.tokens.end(), continuation.begin(), continuation.end());
  text.prompt_tokens = std::ssize(prompt.tokens);
  text.classes = classify_tokens(model.tokenizer.get(), text.tokens);
  text.origins = prompt.origins(std::ssize(continuation));
  const auto count = std::ssize(text.tokens), most = text.prompt_tokens + options.max_new_tokens;
  text.queries =
      options.queries.empty() ? all_numbers(count) : positions_of("--queries", options.queries, count, most);
  if (!options.lens.empty()) {
    text.lens = positions_of("--lens", options.lens, count, most);
  } else {
    for (std::int64_t i = text.prompt_tokens - 1; i < count && std::ssize(text.lens) < kLensPositions; ++i) {
      text.lens.push_back(i);
    }
  }
  return text;
}

void check_prompt(const AttentionOptions& options, RunningModel& model,
                  const std::vector<std::int32_t>& prompt) {
  const ModelConfig& config = model.files.config;
  // Where nothing is generated, the prompt may fill the context.
  const std::int64_t context = options.model.context_for(config) + (options.max_new_tokens == 0 ? 1 : 0);
  Scheduler(model.transformer, {1, context, kv_bytes(config, 1, model.transformer.kv_type())}).check(prompt);
  if (std::ssize(prompt) + options.max_new_tokens < 2) {
    throw input_error(
        "prompt",
        "expected at least two tokens, got one, which can attend to itself alone; give a longer "
        "prompt, or continue it with --max-new-tokens");
  }
  if (!options.queries.empty()) {  // before the work
    parse_number_list("--queries", options.queries, std::ssize(prompt) + options.max_new_tokens, "positions");
  }
  if (!options.lens.empty()) {
    parse_number_list("--lens", options.lens, std::ssize(prompt) + options.max_new_tokens, "positions");
  }
}

// Of the first `count` tokens, those that any part of the intervention chooses as keys.
std::vector<bool> chosen_keys(const ReadPrompt& prompt, const InterventionSpec& spec, std::size_t count) {
  std::vector<bool> out(count);
  const auto target = prompt.aim(spec);
  for (std::size_t t = 0; target && t < count; ++t) {
    out[t] = std::ranges::any_of(
        target->keys, [&](const KeyRanges& keys) { return keys.contains(static_cast<std::int64_t>(t)); });
  }
  return out;
}

void run_prompt(const AttentionOptions& options, RunningModel& model, const ReadPrompt& prompt,
                AttentionReport& report, const fs::path& directory) {
  check_prompt(options, model, prompt.tokens);
  const auto prompt_tokens = std::ssize(prompt.tokens);
  report.picture =
      options.row_choice(model.files.config, prompt_tokens, prompt_tokens + options.max_new_tokens);
  const Continuation how{options.max_new_tokens, options.model.context_for(model.files.config),
                         model.files.eos_ids};
  std::vector<std::int32_t> continuation;
  report.free = options.free && options.max_new_tokens > 0;
  for (CapturedArm& done : report.arms) {
    if (options.max_new_tokens > 0 && (report.free || &done == &report.arms.front())) {
      continuation = continue_prompt(
          model.transformer, prompt.tokens, done.arm.intervention,
          [&](const InterventionSpec& spec) { return prompt.aim(spec); }, how);
    }
    done.text = text_of(options, model.files, prompt, continuation);
    done.chosen = chosen_keys(prompt, done.arm.intervention, done.text.tokens.size());
    fs::create_directory(directory / done.arm.name);
    done.result =
        capture_text(model.transformer, *report.settings, done.arm, done.text, directory / done.arm.name);
  }
}

// What an evaluation would ask of a task, by the chat template where the options ask for a conversation.
std::vector<Question> task_questions(const AttentionOptions& options, const OpenModel& model,
                                     const Task& task, PromptKind kind, const Profile& profile) {
  const Tokenizer& tokenizer = model.need_tokenizer("use a model that has one");
  std::optional<ChatAsking> chat;
  if (options.prompt.is_chat()) {
    const ChatOptions& how = options.prompt.chat;
    chat = ChatAsking{how.find(model), how.system, true, how.settings(fixed_date())};
  }
  const PromptParts parts = prompt_parts(profile, task, kind, chat.has_value());
  std::vector<Question> out;
  for (const Item& item : task.items) {
    if (item.turn > 0) continue;  // which answers go before
    Question& question = out.emplace_back();
    question.item = &item;
    question.task = &kind_of(task);
    question.kind = kind;
    ask_for_text(tokenizer, chat, parts, question);
  }
  return out;
}

ReadPrompt read_question(const AttentionOptions& options, const OpenModel& model, const Question& question) {
  ReadPrompt out;
  out.tokenizer = model.tokenizer.get();
  out.pieces = question.pieces;
  out.encoded = options.prompt.encoded(model, question.pieces);
  out.tokens = question.tokens;
  return out;
}

void check_question(const Question& question, std::int64_t context) {
  const auto count = std::ssize(question.tokens);
  if (count > 0 && count <= context) return;
  throw input_error("attention",
                    "expected prompts of 1 to {} tokens (the context), got {} ({} item {}); choose other "
                    "subjects, or go beyond what the model was trained for with --context",
                    context, count, printable(question.item->subject), question.item->index);
}

// The task, and its prompts.
struct AskedQuestions {
  Task task;
  std::vector<Question> questions;
};

AskedQuestions read_questions(const AttentionOptions& options, const OpenModel& model,
                              AttentionReport& report) {
  const Profile profile = profile_of(options.profile);
  const std::vector<AskedTask> asked = read_task_arguments({options.task});
  const PromptKind kind = prompt_kinds(asked, options.cot, options.direct, false).front();
  AskedQuestions out{std::move(load_tasks(asked, options.data, options.subjects).front()), {}};
  if (options.limit > 0) limit_items(out.task, options.limit);
  report.task = out.task.name;
  report.prompt_kind = prompt_kind_name(kind);
  report.profile = profile.name;
  out.questions = task_questions(options, model, out.task, kind, profile);
  if (out.questions.empty()) {
    throw input_error("attention", "expected at least one item, got none; see --subjects and --data");
  }
  return out;
}

// One item of a task, as a prompt.
void run_item(const AttentionOptions& options, RunningModel& model, AttentionReport& report,
              const fs::path& directory) {
  const AskedQuestions asked = read_questions(options, model.files, report);
  if (options.item >= std::ssize(asked.questions)) {
    throw usage_error("--item", "expected an item from 0 to {}, got {}", asked.questions.size() - 1,
                      options.item);
  }
  const Question& question = asked.questions[static_cast<std::size_t>(options.item)];
  report.item = {{question.item->subject, question.item->index}};
  run_prompt(options, model, read_question(options, model.files, question), report, directory);
}

void run_task(const AttentionOptions& options, RunningModel& model, AttentionReport& report) {
  const AskedQuestions asked = read_questions(options, model.files, report);
  const std::int64_t context = options.model.context_for(model.files.config);
  std::vector<AttentionPrompt> prompts;
  for (const Question& question : asked.questions) {
    check_question(question, context);
    auto prompt = std::make_shared<const ReadPrompt>(read_question(options, model.files, question));
    prompts.push_back({question.tokens, [prompt](const InterventionSpec& spec) { return prompt->aim(spec); },
                       prompt->origins().runs});
  }
  report.prompts = std::ssize(prompts);
  Progress progress("attention", report.prompts * std::ssize(report.arms), 0);
  for (CapturedArm& done : report.arms) {
    done.result = measure_prompts(model.transformer, *report.settings, done.arm, model.files.tokenizer.get(),
                                  prompts, [&](std::int64_t tokens) { progress.advance(tokens); });
  }
}

void run(const AttentionOptions& options) {
  options.check();
  const AskedInterventions asked = parse_interventions(options.interventions);
  AtomicDirectory directory(
      options.output, options.force ? "attention.json" : "",
      options.force ? "choose another with -o" : "choose another with -o, or replace it with --force");
  const auto opened = open_running(options.model);
  RunningModel& model = *opened;
  const AttentionSettings settings = options.settings(model.files.config);
  AttentionReport report;
  report.model = &model.files;
  report.settings = &settings;
  report.arms = arms_of(options, asked.for_model(model.files), model.files.config);
  if (options.task.empty()) {
    std::vector<InterventionSpec> specs;
    for (const CapturedArm& arm : report.arms) specs.push_back(arm.arm.intervention);
    run_prompt(options, model, options.prompt.read(model.files, specs), report, directory.path());
  } else if (options.item >= 0) {
    run_item(options, model, report, directory.path());
  } else {
    run_task(options, model, report);
  }
  write_attention_files(report, directory.path());
  write_row_picture(report, directory.path());
  if (!options.no_page) write_explorer_page(directory.path());
  directory.commit();
  if (options.json) {
    fmt::print("{}\n", json_text(attention_summary(report, options.output)));
  } else {
    fmt::print(
        "{}{}: {}\n", attention_tables(report),
        options.no_page ? "Maps and statistics" : "Maps, statistics and their explorer, attention.html",
        options.output);
  }
}

}  // namespace

Action add_attention(CLI::App& command) {
  auto options = std::make_shared<AttentionOptions>();
  options->add(command);
  return [options] { run(*options); };
}

}  // namespace refocus::cli
