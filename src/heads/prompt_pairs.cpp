#include "heads/prompt_pairs.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "eval/run/common_prefix.h"
#include "eval/task/task_kind.h"

namespace refocus {

namespace {

using ItemPlace = std::pair<std::string, int>;  // subject, index

void ask_corrupted(Task& task) {
  const TaskKind& kind = kind_of(task);
  if (!kind.likelihood || kind.likelihood->corrupted.empty()) {
    throw usage_error("--by",
                      "expected a task that has a corrupted prompt beside each clean one, got {}; write "
                      "corrupted: beside context: in a task file of your own",
                      task.name);
  }
  auto own = std::make_shared<TaskKind>(kind);
  own->likelihood->context = own->likelihood->corrupted;
  task.own = std::move(own);
}

void erase_items(Task& task, const std::set<ItemPlace>& places) {
  std::erase_if(task.items, [&](const Item& item) { return places.contains({item.subject, item.index}); });
  std::erase_if(task.subjects, [&](const std::string& subject) {
    return std::ranges::find(task.items, subject, &Item::subject) == task.items.end();
  });
}

[[noreturn]] void refuse_unaligned(const Question& clean, const Question& corrupted, bool all) {
  throw input_error(
      "heads",
      "expected a clean and a corrupted prompt of as many tokens, got {} and {} ({} item {}{}); "
      "make them as long, patch the last token alone with --positions last{}",
      clean.tokens.size(), corrupted.tokens.size(), printable(clean.item->subject), clean.item->index,
      all ? ", and all others like it" : "", all ? "" : ", or leave such pairs out with --skip-unaligned");
}

}  // namespace

InterventionSpec patch_method_of(const PatchSettings& settings) {
  InterventionPart part;
  part.method = &patch_method();
  part.values["direction"] = settings.noise() ? "noise" : "denoise";
  part.rows.kind = settings.positions == PatchSettings::Positions::kLast ? RowSelector::Kind::kLast
                                                                         : RowSelector::Kind::kPrompt;
  InterventionSpec out;
  out.parts.push_back(std::move(part));
  return out;
}

PromptPairs::PromptPairs(const EvalModel& model, const EvalSettings& settings, const PatchSettings& patch)
    : patch_(patch), clean_(settings), corrupted_(settings) {
  for (Task& task : corrupted_.tasks) ask_corrupted(task);
  make_plans(model);
  leave_out_unaligned();
  if (left_out_ > 0) make_plans(model);
  check_lengths(model);
  for (std::size_t q = 0; q < clean_plan_.questions.size(); ++q) {
    if (clean_plan_.questions[q].tokens != corrupted_plan_.questions[q].tokens) return;
  }
  throw input_error("heads",
                    "expected corrupted prompts that differ from the clean ones, got the same ones in all {} "
                    "pairs; correct corrupted: in the task file",
                    clean_plan_.questions.size());
}

PromptPairs::PromptPairs(const EvalModel& model, const EvalSettings& settings, Plan clean, Plan corrupted,
                         const PatchSettings& patch)
    : patch_(patch),
      clean_(settings),
      corrupted_(settings),
      clean_plan_(std::move(clean)),
      corrupted_plan_(std::move(corrupted)) {
  for (std::size_t q = 0; q < clean_plan_.questions.size(); ++q) {
    if (!aligned(q)) refuse_unaligned(clean_plan_.questions[q], corrupted_plan_.questions[q], false);
  }
  check_lengths(model);
}

void PromptPairs::check_lengths(const EvalModel& model) const {
  for (const Plan* plan : {&clean_plan_, &corrupted_plan_}) {
    for (const Question& question : plan->questions) {
      if (!model.transformer.keys_depend_on_length(question.length())) continue;
      throw input_error("heads",
                        "expected prompts up to the length that the model was trained for, beyond which its "
                        "rotary angles change with every token, got {} tokens ({} item {}); shorten it",
                        question.length(), printable(question.item->subject), question.item->index);
    }
  }
}

void PromptPairs::make_plans(const EvalModel& model) {
  clean_plan_ = make_plan(model, clean_);
  corrupted_plan_ = make_plan(model, corrupted_);
  REFOCUS_CHECK(clean_plan_.questions.size() == corrupted_plan_.questions.size());
}

bool PromptPairs::aligned(std::size_t q) const {
  return patch_.positions == PatchSettings::Positions::kLast ||
         clean_plan_.questions[q].tokens.size() == corrupted_plan_.questions[q].tokens.size();
}

void PromptPairs::leave_out_unaligned() {
  std::set<ItemPlace> places;
  std::size_t first = clean_plan_.questions.size();
  for (std::size_t q = clean_plan_.questions.size(); q-- > 0;) {
    if (aligned(q)) continue;
    const Item& item = *clean_plan_.questions[q].item;
    places.emplace(item.subject, item.index);
    first = q;
  }
  if (places.empty()) return;
  const bool all = places.size() == clean_plan_.questions.size();
  if (!patch_.skip_unaligned || all) {
    refuse_unaligned(clean_plan_.questions[first], corrupted_plan_.questions[first],
                     all && patch_.skip_unaligned);
  }
  left_out_ = std::ssize(places);
  for (EvalSettings* settings : {&clean_, &corrupted_}) {
    for (Task& task : settings->tasks) erase_items(task, places);
    std::erase_if(settings->tasks, [](const Task& task) { return task.items.empty(); });
  }
}

std::int64_t PromptPairs::rows(std::size_t q) const {
  if (patch_.positions == PatchSettings::Positions::kLast) return 1;
  const std::vector<std::int32_t>& clean = clean_plan_.questions[q].tokens;
  return std::ssize(clean) - common_prefix(clean, corrupted_plan_.questions[q].tokens);
}

}  // namespace refocus
