#include "eval/harness/fewshot.h"

#include <algorithm>

#include "base/error.h"
#include "eval/harness/python_text.h"

namespace refocus::harness {

namespace {

using jinja::Text;
using jinja::Value;

constexpr std::string_view kBlank = " ";

// Neither has white space where they meet; false where there is nothing before.
bool needs_delimiter(const Text& before, const Text& after) {
  return !before.empty() && !ends_with_space(before.bytes()) && !starts_with_space(after.bytes());
}

// maybe_delimit: a blank goes between where neither has white space there.
Text joined_by_blank(const Text& before, const Text& after) {
  if (before.empty()) return after;
  if (after.empty()) return before;
  jinja::TextBuilder out(jinja::Limits().text);
  out.add(before);
  if (needs_delimiter(before, after)) out.add(kBlank, jinja::Source{});
  out.add(after);
  return out.take();
}

}  // namespace

void append_parts(Prompt& prompt, std::span<const PromptPart> parts, const FieldNames& names,
                  const std::string& option) {
  for (const PromptPart& part : parts) {
    std::size_t begin = 0;
    for (const jinja::TextRun& run : part.text.runs()) {
      PromptPiece piece;
      piece.text = std::string(part.text.bytes().substr(begin, run.end - begin));
      piece.is_template = run.source.origin == jinja::kTemplateOrigin;
      piece.origin.shot = part.shot;
      piece.origin.option = option;
      if (!piece.is_template) piece.origin.field = names.name(run.source.origin);
      append(prompt, std::move(piece));
      begin = run.end;
    }
  }
}

std::vector<Text> turn_texts(const Turn& turn) {
  const bool has_answer = turn.answer && !turn.answer->empty(), has_prefix = !turn.prefix.empty();
  std::vector<Text> out = {turn.question};
  if (has_prefix ? needs_delimiter(turn.question, turn.prefix) : has_answer)
    out.push_back(turn.target_delimiter);
  if (has_answer) {
    out.push_back(joined_by_blank(turn.prefix, *turn.answer));
    out.push_back(turn.example_delimiter);
  } else if (has_prefix) {
    out.push_back(turn.prefix);
  }
  return out;
}

const Value& item_at(const std::vector<Value>& items, std::int64_t place, const Document& document,
                     const Wording& wording) {
  const auto count = static_cast<std::int64_t>(items.size());
  const std::int64_t at = place < 0 ? count + place : place;
  if (at < 0 || at >= count) {
    throw input_error(document.where, "expected an option from 0 to {} of {}, got {}; correct the data",
                      count - 1, wording.where, place);
  }
  return items[static_cast<std::size_t>(at)];
}

Fewshot::Fewshot(const TaskConfig& config, const DocumentReader& reader, const std::vector<Document>* pool,
                 int count, bool several_contexts)
    : config_(config),
      reader_(reader),
      pool_(pool),
      count_(static_cast<std::size_t>(count)),
      several_contexts_(several_contexts),
      written_(pool->size()) {}

std::vector<std::size_t> Fewshot::choose(const Document& document) {
  if (count_ == 0) return {};
  // The harness takes the document itself out where examples come from the split that is evaluated, and also
  // where the task names neither.
  const bool without_document = config_.fewshot.split == config_.test_split;
  const auto is_other = [&](std::size_t place) {
    return !without_document || (*pool_)[place].fields != document.fields;
  };
  const auto refuse = [&](std::size_t wanted, std::size_t there) {
    return input_error(config_.name,
                       "expected at least {} documents to choose examples from, got {}; use fewer --shots",
                       wanted, there);
  };
  std::vector<std::size_t> others;
  if (config_.fewshot.first_n) {
    for (std::size_t i = 0; i < pool_->size() && others.size() < count_; ++i) {
      if (is_other(i)) others.push_back(i);
    }
    if (others.size() < count_) throw refuse(count_, others.size());
    return others;
  }
  const std::size_t wanted = count_ + (without_document ? 1 : 0);
  if (wanted > pool_->size()) throw refuse(wanted, pool_->size());
  std::vector<std::size_t> out = random_.sample(pool_->size(), wanted);
  std::erase_if(out, [&](std::size_t place) { return !is_other(place); });
  out.resize(std::min(out.size(), count_));
  if (out.size() == count_) return out;
  // The document is there more than once, and was drawn more than once.
  for (std::size_t i = 0; i < pool_->size(); ++i) {
    if (is_other(i)) others.push_back(i);
  }
  if (count_ > others.size()) throw refuse(count_, others.size());
  out = random_.sample(others.size(), count_);
  for (std::size_t& place : out) place = others[place];
  return out;
}

Turn Fewshot::example_turn(const Document& document) const {
  const FewshotRules& rules = config_.fewshot;
  Turn turn;
  turn.target_delimiter = Text(rules.target_delimiter);
  turn.example_delimiter = Text(rules.delimiter);
  if (rules.prefix) turn.prefix = reader_.printed(document, *rules.prefix);
  const Wording& text = rules.text ? *rules.text : *config_.text;
  const Wording& target = rules.target ? *rules.target : *config_.target;
  std::vector<Value> choices;
  if (rules.choice) choices = reader_.choices(document, *rules.choice);
  Value question = reader_.text(document, text);
  if (several_contexts_) {
    if (!question.is_whole() || choices.empty()) {
      throw input_error(document.where, "expected the number of an option of {}, got {}; correct the data",
                        text.where, jinja::type_name(question));
    }
    question = item_at(choices, question.whole(), document, *rules.choice);
    choices.clear();
  }
  turn.question = text_of_value(question, document, text);
  const Value answer = reader_.target(document, target);
  if (answer.is_none()) return turn;
  if (!choices.empty() && answer.is_whole()) {
    turn.answer =
        text_of_value(item_at(choices, answer.whole(), document, *rules.choice), document, *rules.choice);
  } else if (answer.is(jinja::Kind::kList)) {
    turn.answer = text_of_value(item_at(answer.sequence().items, 0, document, target), document, target);
  } else {
    turn.answer = text_of_value(answer, document, target);
  }
  return turn;
}

const std::vector<Text>& Fewshot::example(std::size_t place) {
  std::optional<std::vector<Text>>& written = written_[place];
  if (!written) written = turn_texts(example_turn((*pool_)[place]));
  return *written;
}

std::vector<PromptPart> Fewshot::before(const Document& document) {
  std::vector<PromptPart> parts;
  int shot = 0;
  for (const std::size_t place : choose(document)) {
    for (const Text& text : example(place)) parts.push_back({text, shot});
    ++shot;
  }
  return parts;
}

}  // namespace refocus::harness
