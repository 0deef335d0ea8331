#include "eval/run/plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "eval/run/common_prefix.h"
#include "eval/task/likelihood_prompt.h"
#include "eval/task/prompt_template.h"
#include "eval/task/ready_prompts.h"
#include "eval/task/transcript.h"
#include "eval/text/code_points.h"

namespace refocus {

namespace {

std::vector<PlannedArm> plan_arms(const EvalSettings& settings, std::int64_t layers) {
  std::vector<PlannedArm> arms;
  std::set<std::string> names;
  std::map<std::pair<PromptKind, std::string>, std::string> asked;  // the folder of each computation
  for (const PromptKind kind : settings.prompts) {
    for (const auto& [label, spec] : settings.interventions) {
      if (spec.has_keys(KeyTerm::Kind::kMarked)) {
        throw usage_error(
            "--intervene",
            "expected keys that items have, got marked, which is for a prompt of your own; choose "
            "them by field:, role:, text: or regex:");
      }
      const Arm arm{kind, spec.canonical(layers), label};
      const auto [other, is_new] = asked.emplace(std::pair(kind, arm.intervention), arm.name());
      if (!is_new) {
        const bool named = arm.name() != other->second;
        throw usage_error("--intervene", "expected different arms, got {} twice{}", arm.intervention,
                          named ? fmt::format(" (as {} and {})", other->second, arm.name()) : "");
      }
      if (!names.insert(arm.name()).second) {
        throw usage_error("--intervene", "expected different names of arms, got {} twice; rename one",
                          arm.name());
      }
      arms.push_back({arm, arm.name(), spec});
    }
  }
  return arms;
}

ChatMessage user_message(Prompt content) {
  ChatMessage out;
  out.role = "user";
  out.content = std::move(content);
  return out;
}

void plan_generation(const EvalModel& model, const EvalSettings& settings, const Task& task, PromptKind kind,
                     std::vector<Question>& questions) {
  const TaskKind& own = kind_of(task);
  const PromptParts parts = prompt_parts(settings.profile, task, kind, settings.chat.has_value());
  const bool transcript = own.type == AnswerType::kTranscript;
  std::vector<std::int32_t> prefix;
  if (!settings.chat && !parts.instruction.empty()) {
    prefix = encode_prompt(model.tokenizer, {template_piece(parts.instruction)}).tokens;
  } else if (settings.chat && !transcript) {
    Question beginning{nullptr, &own, kind, {}, {}, 0, {}, {}, ""};
    ask_as_chat(model.tokenizer, *settings.chat, {user_message({template_piece(parts.instruction)})},
                beginning);
    prefix = std::move(beginning.tokens);
  }
  for (const Item& item : task.items) {
    Question question{&item, &own, kind, {}, {}, 0, {}, {}, parts.instruction};
    if (item.turn > 0) {
      questions.push_back(std::move(question));
      continue;
    }
    ask_for_text(model.tokenizer, settings.chat, parts, question);
    if (question.tokens.empty()) {
      throw input_error(
          "eval", "expected prompts of at least one token, got an empty one ({} item {}); check --profile",
          printable(item.subject), item.index);
    }
    if (item.ready && prefix.empty()) prefix = question.tokens;  // ready prompts begin as the first one does
    question.shared_prefix = common_prefix(prefix, question.tokens);
    questions.push_back(std::move(question));
  }
}

// Without the blank that divides an option from the text before it: an answer begins a message.
Prompt without_blank(const Prompt& option) {
  const std::string text = text_of(option);
  return split(option, text.size() - without_leading_space(text).size()).second;
}

ChatMessage assistant_message(Prompt content) {
  ChatMessage out = user_message(std::move(content));
  out.role = "assistant";
  return out;
}

// Description, worked examples and the item as messages.
std::vector<ChatMessage> likelihood_messages(const TaskKind& wording, const Item& item,
                                             std::span<const Item> examples, bool as_turns) {
  std::vector<ChatMessage> out;
  Prompt next = likelihood_prefix(wording, item.subject, as_turns ? std::span<const Item>() : examples);
  if (as_turns) {
    for (std::size_t shot = 0; shot < examples.size(); ++shot) {
      const Item& example = examples[shot];
      Prompt question = likelihood_context(wording, example);
      Prompt answer = without_blank(
          likelihood_continuations(wording, example)[static_cast<std::size_t>(*example.label - 'A')]);
      for (Prompt* part : {&question, &answer}) {
        for (PromptPiece& piece : *part) piece.origin.shot = static_cast<int>(shot);
      }
      append(next, question);
      out.push_back(user_message(std::exchange(next, {})));
      out.push_back(assistant_message(std::move(answer)));
    }
  }
  append(next, likelihood_context(wording, item));
  out.push_back(user_message(std::move(next)));
  return out;
}

void take_options(EncodedOptions encoded, Question& question, Plan& plan) {
  question.tokens = std::move(encoded.context);
  question.options = std::move(encoded.options);
  question.leads = std::move(encoded.leads);
  plan.options += std::ssize(question.options);
  plan.over_seam += encoded.over_seam;
}

// A question of ready prompts; `first` are the tokens of the task's first one, with which others may begin.
Question ready_question(const EvalModel& model, const EvalSettings& settings, const TaskKind& kind,
                        const Item& item, std::vector<std::int32_t>& first, Plan& plan) {
  const std::string where = fmt::format("{} item {}", printable(item.subject), item.index);
  EncodedOptions encoded = encode_ready(model.tokenizer, *item.ready, settings.seam, where);
  Question question{&item, &kind, PromptKind::kLoglikelihood, item.ready->contexts.front(), {}, 0, {},
                    {},    ""};
  take_options(std::move(encoded), question, plan);
  if (first.empty()) first = question.tokens;
  question.shared_prefix = common_prefix(first, question.tokens);
  return question;
}

void plan_likelihoods(const EvalModel& model, const EvalSettings& settings, const Task& task, Plan& plan) {
  const TaskKind& wording = kind_of(task);
  std::string subject;
  Prompt beginning;
  std::vector<std::int32_t> prefix;
  for (const Item& item : task.items) {
    if (item.ready) {
      plan.questions.push_back(ready_question(model, settings, wording, item, prefix, plan));
      continue;
    }
    const auto found = settings.examples.find(item.subject);
    const std::span<const Item> examples =
        found == settings.examples.end() ? std::span<const Item>() : std::span(found->second);
    Question question{&item, &wording, PromptKind::kLoglikelihood, {}, {}, 0, {}, {}, ""};
    std::vector<Prompt> options = likelihood_continuations(wording, item);
    if (settings.chat) {
      ask_as_chat(model.tokenizer, *settings.chat,
                  likelihood_messages(wording, item, examples, settings.chat->shots_as_turns), question);
      for (Prompt& option : options) option = without_blank(option);
      if (item.subject == subject) prefix = plan.questions.back().tokens;
    } else {
      if (item.subject != subject) {
        beginning = likelihood_prefix(wording, item.subject, examples);
        prefix = encode_prompt(model.tokenizer, beginning).tokens;
      }
      question.pieces = beginning;
      append(question.pieces, likelihood_context(wording, item));
    }
    subject = item.subject;
    const std::string where = fmt::format("{} item {}", printable(subject), item.index);
    EncodedOptions encoded =
        encode_options(model.tokenizer, question.pieces, options,
                       settings.chat ? PromptEnds::kBegin : PromptEnds::kModel, settings.seam, where);
    take_options(std::move(encoded), question, plan);
    question.shared_prefix = common_prefix(prefix, question.tokens);
    plan.questions.push_back(std::move(question));
  }
}

bool fits(const Question& question, std::int64_t context) {
  // Of a text, at least one token is to be generated.
  return question.options.empty() ? question.length() < context : question.length() <= context;
}

// The length of the longest question. InputError where there is none, or where one does not fit.
std::int64_t check_lengths(const std::vector<Question>& questions, std::int64_t context) {
  const auto longest =
      std::max_element(questions.begin(), questions.end(),
                       [](const Question& a, const Question& b) { return a.length() < b.length(); });
  if (longest == questions.end())
    throw input_error("eval", "expected at least one item, got none; see --subjects and --limit");
  const std::int64_t most = longest->length();
  const bool scored = !longest->options.empty();
  if (fits(*longest, context)) return most;
  const auto prompt = static_cast<std::int64_t>(longest->tokens.size());
  const std::string item = fmt::format("{} item {}", printable(longest->item->subject), longest->item->index);
  const std::int64_t enough = (most + 511) / 256 * 256;
  if (scored && prompt < context) {
    throw input_error(
        "eval",
        "expected a question with an option of at most {} tokens (the context), got {} and {} ({}); choose "
        "other subjects, leave such items out with --skip-long, or go beyond what the model was trained for "
        "with --context {}",
        context, prompt, most - prompt + 1, item, enough);
  }
  throw input_error("eval",
                    "expected prompts of fewer than {} tokens (the context), got up to {} ({}); choose other "
                    "subjects{}, leave such items out with --skip-long, or go beyond what the model was "
                    "trained for with --context {}",
                    context, prompt, item, scored ? " or fewer --shots" : "", enough);
}

Plan plan_questions(const EvalModel& model, const EvalSettings& settings) {
  Plan plan;
  plan.context = settings.context > 0 ? settings.context : model.transformer.config().context_length();
  plan.arms = plan_arms(settings, model.transformer.config().num_hidden_layers);
  for (const Task& task : settings.tasks) {
    for (const PromptKind kind : settings.prompts) {
      if (kind == PromptKind::kLoglikelihood) {
        plan_likelihoods(model, settings, task, plan);
      } else {
        plan_generation(model, settings, task, kind, plan.questions);
      }
    }
  }
  return plan;
}

}  // namespace

void ask_as_chat(const Tokenizer& tokenizer, const ChatAsking& chat, std::vector<ChatMessage> messages,
                 Question& out) {
  if (!chat.system.empty()) {
    ChatMessage system;
    system.role = "system";
    system.content = {template_piece(chat.system)};
    if (!messages.empty() && messages.front().role == "system") {
      append(system.content, template_piece("\n\n"));
      append(system.content, messages.front().content);
      messages.erase(messages.begin());
    }
    messages.insert(messages.begin(), std::move(system));
  }
  int place = 0;
  for (ChatMessage& message : messages) {
    for (PromptPiece& piece : message.content) {
      piece.origin.role = message.role;
      piece.origin.message = place;
    }
    ++place;
  }
  out.pieces = chat.chat_template->apply(messages, chat.settings).prompt;
  out.tokens = encode_prompt(tokenizer, out.pieces, PromptEnds::kBegin).tokens;
  std::int64_t at = 0;
  out.question_end = 0;
  for (const PromptPiece& piece : out.pieces) {
    at += std::ssize(piece.text);
    if (piece.origin.message == place - 1) out.question_end = at;
  }
}

void ask_for_text(const Tokenizer& tokenizer, const std::optional<ChatAsking>& chat, const PromptParts& parts,
                  Question& out) {
  const Item& item = *out.item;
  const Item* turns[] = {&item};
  const bool transcript = out.task->type == AnswerType::kTranscript;
  if (item.ready) {
    out.pieces = item.ready->contexts.front();
  } else if (chat) {
    ask_as_chat(tokenizer, *chat,
                transcript ? transcript_messages(turns, {}, parts.instruction)
                           : std::vector<ChatMessage>{user_message(make_prompt(parts, item))},
                out);
    return;
  } else {
    out.pieces =
        transcript ? transcript_prompt(*out.task, parts.instruction, turns, {}) : make_prompt(parts, item);
  }
  out.tokens = encode_prompt(tokenizer, out.pieces).tokens;
}

std::vector<ChatMessage> transcript_messages(std::span<const Item* const> turns,
                                             std::span<const std::string> answers,
                                             const std::string& instruction) {
  std::vector<ChatMessage> out;
  if (!instruction.empty()) {
    out.emplace_back();
    out.back().role = "system";
    out.back().content = {template_piece(instruction)};
  }
  for (std::size_t t = 0; t < turns.size(); ++t) {
    out.push_back(user_message({data_piece(template_value(*turns[t], kTurnField))}));
    if (t == answers.size()) break;
    out.emplace_back();
    out.back().role = "assistant";
    out.back().content = {data_piece(answers[t])};
  }
  return out;
}

std::int64_t Question::tokens_with_options() const {
  std::int64_t out = std::ssize(tokens);
  for (const auto& option : options) out += std::ssize(option);
  return out;
}

std::int64_t Question::option_rows() const {
  const std::int64_t stem = options.empty() ? 0 : option_stem(options);
  std::int64_t out = stem;
  for (const auto& option : options) out += std::ssize(option) - 1 - stem;
  return out;
}

std::int64_t Question::length() const {
  std::size_t most = 1;  // an option's last token is not computed
  for (const auto& option : options) most = std::max(most, option.size());
  return static_cast<std::int64_t>(tokens.size() + most - 1);
}

Plan make_plan(const EvalModel& model, const EvalSettings& settings) {
  Plan plan = plan_questions(model, settings);
  plan.longest = check_lengths(plan.questions, plan.context);
  for (const PlannedArm& arm : plan.arms) {
    for (const Question& question : plan.questions) {
      check_whole_prompt(arm.intervention, std::ssize(question.tokens), model.transformer.max_rows());
    }
  }
  return plan;
}

void leave_out_long(const EvalModel& model, EvalSettings& settings) {
  const Plan plan = plan_questions(model, settings);
  std::set<const Item*> long_ones;
  for (const Question& question : plan.questions) {
    if (!fits(question, plan.context)) long_ones.insert(question.item);
  }
  if (long_ones.empty()) return;
  for (const Task& task : settings.tasks) {  // a question's later turns follow it
    bool follows = false;
    for (const Item& item : task.items) {
      follows = item.turn > 0 ? follows : long_ones.contains(&item);
      if (follows) long_ones.insert(&item);
    }
    if (std::ranges::all_of(task.items, [&](const Item& item) { return long_ones.contains(&item); })) {
      check_lengths(plan.questions, plan.context);  // says which is too long
    }
  }
  for (Task& task : settings.tasks) {
    std::vector<Item> kept;
    std::set<std::string> subjects;
    for (Item& item : task.items) {
      if (long_ones.contains(&item)) {
        if (item.turn == 0) ++settings.left_out[task.name][item.subject];
        continue;
      }
      subjects.insert(item.subject);
      kept.push_back(std::move(item));
    }
    task.items = std::move(kept);
    std::erase_if(task.subjects, [&](const std::string& subject) { return !subjects.contains(subject); });
  }
}

}  // namespace refocus
