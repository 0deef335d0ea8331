#include "eval/run/dry_run.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "eval/report/power_report.h"
#include "eval/run/asking.h"
#include "eval/run/layer_sharing.h"
#include "eval/task/shard.h"
#include "eval/text/progress.h"
#include "eval/text/table_text.h"
#include "prompt/answer_end.h"

namespace refocus {

namespace {

constexpr std::int64_t kFirstNewTokens = 16;  // of the answer that says how much can be measured in that time

// Tokens of a question's prompt that it has from the prompt before, since full blocks of a common beginning
// are kept.
std::int64_t shared_tokens(const Question& question) {
  const std::int64_t most = std::min(question.shared_prefix, std::ssize(question.tokens) - 1);
  return std::max<std::int64_t>(most, 0) / kKeyBlock * kKeyBlock;
}

std::vector<const Question*> questions_of(const Plan& plan, PromptKind kind) {
  std::vector<const Question*> out;
  for (const Question& question : plan.questions) {
    if (question.kind == kind) out.push_back(&question);
  }
  return out;
}

// The arms that are measured for all of a kind: the last one, or of arms that share layers several together,
// with the one that is computed whole for the others.
std::vector<PlannedArm> measured_arms(const Plan& plan, const LayerSharing& sharing, const PlannedArm& last) {
  constexpr std::int64_t kMost = 5;
  if (!sharing.is_on()) return {last};
  const std::size_t base = sharing.base();
  std::vector<PlannedArm> out = {plan.arms[base]};
  const std::int64_t others = std::ssize(plan.arms) - 1, count = std::min(kMost - 1, others);
  for (std::int64_t i = 0; i < count; ++i) {
    const auto other = static_cast<std::size_t>(i * others / count);
    out.push_back(plan.arms[other + (other >= base ? 1 : 0)]);
  }
  return out;
}

DryRun::Arm counts_of(const PlannedArm& arm, const std::vector<const Question*>& questions) {
  DryRun::Arm out{arm.name, arm.arm.intervention};
  out.questions = std::ssize(questions);
  std::int64_t common = 0;
  for (const Question* question : questions) {
    const std::int64_t tokens = std::ssize(question->tokens);
    out.prompt_tokens += tokens;
    out.longest = std::max(out.longest, tokens);
    out.computed_tokens += tokens - shared_tokens(*question) + question->option_rows();
    common = std::max(common, shared_tokens(*question));
  }
  out.computed_tokens += common;
  return out;
}

// So many of the questions, from all over them, in these arms.
Plan part_of(const Plan& plan, const std::vector<PlannedArm>& arms,
             const std::vector<const Question*>& questions, std::int64_t count) {
  Plan out;
  out.arms = arms;
  out.context = plan.context;
  out.longest = plan.longest;
  count = std::min(count, std::ssize(questions));
  for (std::int64_t i = 0; i < count; ++i) {
    const Question* one = questions[static_cast<std::size_t>(i * std::ssize(questions) / count)];
    if (one->item->turn == 0) out.questions.push_back(*one);
  }
  return out;
}

double rate(std::int64_t tokens, double seconds) {
  return static_cast<double>(tokens) / std::max(seconds, 1e-6);
}

// The lengths of the answers that were measured; `most`: tokens that one may have.
void measure_lengths(const AskedSample& sample, std::int64_t most, DryRun::Measured& out) {
  double ended = 0, cut = 0;
  for (const Response& response : sample.responses) {
    const auto tokens = static_cast<double>(response.generated_tokens);
    if (response.finish_reason == kFinishLength) {
      ++out.cut_off;
      cut += tokens;
    } else {
      ended += tokens;
    }
  }
  const auto count = static_cast<double>(std::max<std::size_t>(sample.responses.size(), 1));
  out.least_tokens = (ended + cut) / count;
  out.most_tokens = (ended + std::max(cut, static_cast<double>(out.cut_off * most))) / count;
}

DryRun::Measured measure(const EvalModel& model, const EvalSettings& settings, const Plan& plan,
                         const std::vector<PlannedArm>& arms) {
  const PlannedArm& arm = arms.front();
  DryRun::Measured out;
  out.arm = arm.name;
  out.arms = std::ssize(arms);
  out.scored = is_scored(settings);
  const std::vector<const Question*> questions = questions_of(plan, arm.arm.prompt);
  EvalSettings few = settings;
  few.max_new_tokens = std::min(settings.max_new_tokens, kFirstNewTokens);
  const AskedSample first = ask_sample(model, few, part_of(plan, arms, questions, 1));
  const auto count = static_cast<std::int64_t>(
      std::clamp(kMeasuredSeconds / std::max(first.seconds, 1e-6), 1.0, static_cast<double>(settings.batch)));
  const double of_a_token =
      first.stats.decode_seconds / static_cast<double>(std::max<std::int64_t>(1, first.stats.decode_tokens));
  const double most_new = kMeasuredSeconds / std::max(of_a_token * static_cast<double>(count), 1e-9);
  few.max_new_tokens =
      std::min(settings.max_new_tokens,
               static_cast<std::int64_t>(std::clamp(most_new, static_cast<double>(kFirstNewTokens), 1e9)));
  const AskedSample sample = ask_sample(model, few, part_of(plan, arms, questions, count));
  std::ranges::copy_if(sample.responses, std::back_inserter(out.answers),
                       [&](const Response& response) { return response.arm == arm.name; });
  out.questions = std::ssize(out.answers);
  out.prompt_rate = rate(sample.stats.prefill_tokens, sample.stats.prefill_seconds);
  if (!out.scored && sample.stats.decode_tokens > 0)
    out.new_rate = rate(sample.stats.decode_tokens, sample.stats.decode_seconds);
  const DryRun::Arm counts = counts_of(arm, questions);
  const std::int64_t room = plan.context - counts.prompt_tokens / counts.questions;
  measure_lengths(sample, std::min(settings.max_new_tokens, room), out);
  return out;
}

// What the arms of the kind take at the rates that were measured.
void estimate(const std::vector<DryRun::Arm>& arms, DryRun::Measured& out) {
  for (const DryRun::Arm& arm : arms) {
    const double prompts =
        static_cast<double>(arm.computed_tokens) * arm.computed_share / std::max(out.prompt_rate, 1e-6);
    const auto answers = [&](double tokens) {
      return out.new_rate > 0 ? static_cast<double>(arm.questions) * tokens / out.new_rate : 0;
    };
    out.least_seconds += prompts + answers(out.least_tokens);
    out.most_seconds += prompts + answers(out.most_tokens);
  }
}

// What two arms or more will be compared on.
std::vector<DryRun::Compared> compared_tasks(const EvalSettings& settings, const Plan& plan) {
  std::vector<DryRun::Compared> out;
  if (plan.arms.size() < 2) return out;
  for (const Task& task : settings.tasks) {
    const auto items = std::ranges::count_if(task.items, &Item::has_target);
    if (items > 0) out.push_back({task.name, items});
  }
  return out;
}

}  // namespace

DryRun::Prompt first_prompt(const EvalModel& model, const Question& question) {
  DryRun::Prompt out;
  out.subject = question.item->subject;
  out.index = question.item->index;
  out.tokens = std::ssize(question.tokens);
  out.text = model.tokenizer.decode(question.tokens, {.skip_special = false});
  for (const auto& option : question.options) {
    out.options.push_back(model.tokenizer.decode(option, {.skip_special = false}));
  }
  return out;
}

std::int64_t cache_bytes_of(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  const std::int64_t longest = is_scored(settings)
                                   ? plan.longest + kKeyBlock
                                   : std::min(plan.context, plan.longest + settings.max_new_tokens);
  const Transformer& transformer = model.transformer;
  const std::int64_t wanted = kv_bytes_of_many(transformer.config(), settings.batch, longest,
                                               transformer.kv_type(), transformer.max_rows());
  return settings.kv_bytes > 0 ? std::min(wanted, settings.kv_bytes) : wanted;
}

DryRun dry_run(const EvalModel& model, const EvalSettings& settings) {
  Plan plan = make_plan(model, settings);
  check_memory(model, settings, plan);
  if (!settings.shard.is_whole()) {
    const auto items = items_of_shard(settings.tasks, settings.shard);
    std::erase_if(plan.questions, [&](const Question& question) { return !items.contains(question.item); });
  }
  DryRun out = dry_run(model, settings, plan);
  if (settings.shard.is_whole()) out.compared = compared_tasks(settings, plan);
  return out;
}

DryRun dry_run(const EvalModel& model, const EvalSettings& settings, const Plan& plan) {
  DryRun out;
  for (const Task& task : settings.tasks) out.tasks.push_back(task.name);
  std::set<const Item*> items;
  for (const Question& question : plan.questions) items.insert(question.item);
  out.items = std::ssize(items);
  out.kv_bytes = cache_bytes_of(model, settings, plan);
  const LayerSharing sharing(model, settings, plan);
  out.saved_bytes = sharing.saved_bytes();
  for (const PromptKind kind : settings.prompts) {
    const std::vector<const Question*> questions = questions_of(plan, kind);
    if (questions.empty()) continue;  // of a shard of fewer items than shards
    std::vector<DryRun::Arm> arms;
    DryRun::Prompt prompt = first_prompt(model, *questions.front());
    const PlannedArm* last = nullptr;
    for (const PlannedArm& arm : plan.arms) {
      if (arm.arm.prompt != kind) continue;
      arms.push_back(counts_of(arm, questions));
      arms.back().computed_share = sharing.computed_share(static_cast<std::size_t>(&arm - plan.arms.data()));
      prompt.arms.push_back(arm.name);
      last = &arm;
    }
    out.prompts.push_back(std::move(prompt));
    out.measured.push_back(measure(model, settings, plan, measured_arms(plan, sharing, *last)));
    estimate(arms, out.measured.back());
    out.arms.insert(out.arms.end(), arms.begin(), arms.end());
  }
  return out;
}

namespace {

std::string megabytes(std::int64_t bytes) {
  return with_thousands(std::max<std::int64_t>(1, (bytes + 500'000) / 1'000'000)) + " MB";
}

std::string counts_text(const DryRun& run) {
  TextLines out;
  std::size_t width = 4;
  for (const DryRun::Arm& arm : run.arms) width = std::max(width, arm.name.size());
  const int columns = static_cast<int>(width);
  out.line(left("arm", columns) + right("prompts", 9) + right("tokens", 12) + right("mean", 8) +
           right("longest", 9) + right("computed", 12));
  for (const DryRun::Arm& arm : run.arms) {
    const double mean = static_cast<double>(arm.prompt_tokens) /
                        static_cast<double>(std::max<std::int64_t>(arm.questions, 1));
    const auto computed = static_cast<std::int64_t>(
        std::llround(static_cast<double>(arm.computed_tokens) * arm.computed_share));
    out.line(left(arm.name, columns) + right(with_thousands(arm.questions), 9) +
             right(with_thousands(arm.prompt_tokens), 12) + right(one_decimal(mean), 8) +
             right(with_thousands(arm.longest), 9) + right(with_thousands(computed), 12));
  }
  return out.take();
}

std::string time_text(const DryRun& run) {
  double least = 0, most = 0;
  std::string how;
  for (const DryRun::Measured& one : run.measured) {
    least += one.least_seconds;
    most += one.most_seconds;
    how += "  " + one.arm;
    if (one.arms > 1) how += fmt::format(" and {} that share its layers", one.arms - 1);
    how += fmt::format(": {} questions measured, {:.0f} tokens of prompts", one.questions, one.prompt_rate);
    if (one.new_rate > 0) {
      how += fmt::format(" and {:.0f} of answers a second; answers of {:.0f} tokens", one.new_rate,
                         one.least_tokens);
    } else {
      how += " and options a second";
    }
    if (one.cut_off > 0 && one.most_tokens > one.least_tokens) {
      how += fmt::format(" to {:.0f}, since {} went on when the measurement ended", one.most_tokens,
                         one.cut_off);
    }
    how += "\n";
  }
  for (const DryRun::Further& one : run.further) {
    least += one.least_seconds;
    most += one.most_seconds;
    how += "  " + one.how + "\n";
  }
  const std::string low = duration_text(least), high = duration_text(most);
  return fmt::format("Time: about {}\n{}", low == high ? low : low + " to " + high, how);
}

}  // namespace

std::string prompt_text(const DryRun::Prompt& prompt) {
  constexpr std::size_t kNames = 4;
  std::vector<std::string> names(
      prompt.arms.begin(),
      prompt.arms.begin() + static_cast<std::ptrdiff_t>(std::min(kNames, prompt.arms.size())));
  if (prompt.arms.size() > kNames) names.push_back(fmt::format("{} more", prompt.arms.size() - kNames));
  std::string out =
      fmt::format("First prompt of {} ({} item {}), {} tokens, between the lines:\n{}\n{}\n{}\n",
                  fmt::join(names, ", "), printable(prompt.subject), prompt.index, prompt.tokens,
                  repeated('-', 72), prompt.text, repeated('-', 72));
  for (const std::string& option : prompt.options)
    out += fmt::format("  goes on with '{}'\n", printable(option, 400));
  return out;
}

std::string memory_line(const DryRunMemory& memory, std::int64_t kv_bytes, std::int64_t saved_bytes) {
  return fmt::format(
      "Memory: weights {}, keys and values up to {}, {}about {} with everything\n", megabytes(memory.weights),
      megabytes(kv_bytes),
      saved_bytes > 0 ? fmt::format("layers that arms share up to {}, ", megabytes(saved_bytes)) : "",
      megabytes(memory.peak + kv_bytes + saved_bytes));
}

std::string dry_run_text(const DryRun& run, const DryRunMemory& memory) {
  std::int64_t answers = 0;
  for (const DryRun::Arm& arm : run.arms) answers += arm.questions;
  std::string out = fmt::format("Dry run of {}: {} items, {} arms, {} answers; nothing is kept\n\n",
                                fmt::join(run.tasks, ", "), with_thousands(run.items), run.arms.size(),
                                with_thousands(answers));
  for (const DryRun::Prompt& prompt : run.prompts) out += prompt_text(prompt) + "\n";
  out += counts_text(run);
  for (const DryRun::Compared& one : run.compared)
    out += could_show_line(one.items, run.compared.size() > 1 ? " of " + printable(one.task) : "");
  return out + "\n" + memory_line(memory, run.kv_bytes, run.saved_bytes) + time_text(run);
}

}  // namespace refocus
