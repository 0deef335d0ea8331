#include "eval/harness/requests.h"

#include <algorithm>

#include "base/error.h"

namespace refocus::harness {

namespace {

using jinja::Text;
using jinja::Value;

// Where few-shot examples come from: the split that is named for them, samples of the file, or the first of
// the training, validation and test splits that there is.
const std::vector<Document>* fewshot_pool(const TaskConfig& config, Dataset& data,
                                          std::vector<Document>& samples) {
  const FewshotRules& rules = config.fewshot;
  if (rules.split) return &data.split(*rules.split).documents;
  if (rules.samples) {
    for (const auto& sample : *rules.samples) {
      samples.push_back({sample, fmt::format("{} sample {}", rules.samples_where, samples.size() + 1)});
    }
    return &samples;
  }
  for (const auto* split : {&config.training_split, &config.validation_split, &config.test_split}) {
    if (*split) return &data.split(**split).documents;
  }
  return &samples;
}

class RequestBuilder {
 public:
  RequestBuilder(const TaskConfig& config, Dataset& data, int shots)
      : config_(config),
        evaluated_(data.split(config.evaluated_split())),
        reader_(config, evaluated_.field_names),
        several_contexts_(has_several_contexts()),
        several_targets_(has_several_targets()),
        fewshot_(config, reader_, shots > 0 ? fewshot_pool(config, data, samples_) : &samples_, shots,
                 several_contexts_) {}

  std::size_t count() const { return evaluated_.documents.size(); }

  Request build(std::size_t place) {
    Request out;
    out.document = evaluated_.documents[place];
    const Document& document = out.document;
    if (config_.choice) choices_ = reader_.choices(document, *config_.choice);
    const Value target = reader_.target(document, *config_.target);
    out.target = std::string(reader_.shown(target).bytes());
    if (config_.output == OutputType::kRolling) {
      out.rolling = std::string(text_of_value(target, document, *config_.target).bytes());
      return out;
    }
    add_contexts(document, out);
    if (config_.output == OutputType::kMultipleChoice) add_options(document, target, out);
    if (config_.output == OutputType::kGenerateUntil) add_answers(document, target, out);
    if (config_.output == OutputType::kLoglikelihood) {
      out.continuations.push_back(prompt_of({{text_of_value(target, document, *config_.target)}}));
    }
    return out;
  }

 private:
  // The harness looks at the first document to know what all are like.
  bool has_several_contexts() const {
    if (!config_.choice || config_.output == OutputType::kRolling) return false;
    return reader_.text(evaluated_.documents.front(), *config_.text).is_whole();
  }
  bool has_several_targets() const {
    const Value target = reader_.target(evaluated_.documents.front(), *config_.target);
    return target.is(jinja::Kind::kList) && !target.sequence().items.empty();
  }

  Prompt prompt_of(const std::vector<PromptPart>& parts, const std::string& option = "") const {
    Prompt prompt;
    append_parts(prompt, parts, reader_.fields(), option);
    return prompt;
  }

  void add_contexts(const Document& document, Request& out) {
    std::vector<PromptPart> before;
    if (config_.description) before.push_back({reader_.printed(document, *config_.description)});
    for (PromptPart& part : fewshot_.before(document)) before.push_back(std::move(part));
    Turn turn;
    if (config_.prefix) turn.prefix = reader_.printed(document, *config_.prefix);
    if (!several_contexts_) {
      turn.question = text_of_value(reader_.text(document, *config_.text), document, *config_.text);
      turn.target_delimiter = Text(config_.target_delimiter);
      out.contexts.push_back(context_of(before, turn, ""));
      return;
    }
    for (std::size_t k = 0; k < choices_.size(); ++k) {
      turn.question = text_of_value(choices_[k], document, *config_.choice);
      out.contexts.push_back(context_of(before, turn, option_name(k)));
    }
  }

  Prompt context_of(std::vector<PromptPart> parts, const Turn& turn, const std::string& option) const {
    Prompt prompt = prompt_of(parts);
    std::vector<PromptPart> own;
    for (const Text& text : turn_texts(turn)) own.push_back({text});
    append_parts(prompt, own, reader_.fields(), option);
    return prompt;
  }

  static std::string option_name(std::size_t k) {
    return k < 26 ? std::string(1, static_cast<char>('A' + k)) : fmt::format("{}", k + 1);
  }

  void add_options(const Document& document, const Value& target, Request& out) const {
    for (const Value& choice : choices_) {
      out.choices.emplace_back(text_of_value(choice, document, *config_.choice).bytes());
    }
    for (std::size_t k = 0; k < choices_.size(); ++k) {
      const Text text = several_contexts_ ? reader_.shown(target) : choices_[k].text();
      out.continuations.push_back(prompt_of({{Text(config_.target_delimiter)}, {text}}, option_name(k)));
    }
    const Wording& wording = several_contexts_ ? *config_.text : *config_.target;
    out.gold =
        gold_of(several_contexts_ ? reader_.text(document, wording) : target, out.choices, document, wording);
  }

  Gold gold_of(const Value& value, const std::vector<std::string>& choices, const Document& document,
               const Wording& wording) const {
    const auto place = [&](const Value& one) {
      if (one.is_whole())
        return one.whole() < static_cast<std::int64_t>(choices.size()) ? one.whole() : Gold::kUnknown;
      const auto found = one.is_text() ? std::ranges::find(choices, one.text().bytes()) : choices.end();
      return found == choices.end() ? Gold::kUnknown : found - choices.begin();
    };
    Gold gold;
    gold.several = value.is(jinja::Kind::kList);
    const bool right = gold.several ? several_targets_ && !value.sequence().items.empty()
                                    : !several_targets_ && (value.is_whole() || value.is_text());
    if (!right) {
      throw input_error(document.where,
                        "expected the number or the text of an option{} of {}, got {}; correct the data",
                        several_targets_ ? ", in a list as in the first document," : "", wording.where,
                        jinja::type_name(value));
    }
    if (!gold.several) {
      gold.options = {place(value)};
      return gold;
    }
    for (const Value& one : value.sequence().items) {
      if (!one.is_whole()) {
        throw input_error(document.where, "expected numbers of options of {}, got {}; correct the data",
                          wording.where, jinja::type_name(one));
      }
      gold.options.push_back(place(one));
    }
    return gold;
  }

  void add_answers(const Document& document, const Value& target, Request& out) const {
    const Wording& wording = *config_.target;
    if (config_.choice) {
      if (!target.is_whole()) {
        throw input_error(document.where, "expected the number of an option of {}, got {}; correct the data",
                          wording.where, jinja::type_name(target));
      }
      const Value& right = item_at(choices_, target.whole(), document, *config_.choice);
      out.answers.emplace_back(reader_.shown(right).bytes());
    } else if (!several_targets_) {
      out.answers.emplace_back(reader_.shown(target).bytes());
    } else if (!target.is(jinja::Kind::kList)) {
      throw input_error(document.where,
                        "expected a list of {}, as in the first document, got {}; correct the data",
                        wording.where, jinja::type_name(target));
    } else {
      for (const Value& one : target.sequence().items) {
        out.answers.emplace_back(text_of_value(one, document, wording).bytes());
      }
    }
    const auto field = document.fields.find("choices");
    if (field == document.fields.end() || !field->is_array()) return;
    out.choices_field.emplace();
    for (const auto& one : *field) {
      if (!one.is_string()) {
        out.choices_field.reset();
        return;
      }
      out.choices_field->push_back(one.get<std::string>());
    }
  }

  const TaskConfig& config_;
  const Split& evaluated_;
  DocumentReader reader_;
  std::vector<Document> samples_;
  bool several_contexts_, several_targets_;
  Fewshot fewshot_;
  std::vector<Value> choices_;  // of the document at hand
};

}  // namespace

int shots_of(const TaskConfig& config, const RequestSettings& settings) {
  if (config.output == OutputType::kRolling || config.num_fewshot == 0) return 0;
  return settings.shots.value_or(config.num_fewshot.value_or(0));
}

std::vector<Request> build_requests(const TaskConfig& config, Dataset& data,
                                    const RequestSettings& settings) {
  RequestBuilder builder(config, data, shots_of(config, settings));
  std::vector<Request> out;
  const std::size_t count = std::min(builder.count(), settings.limit.value_or(builder.count()));
  for (std::size_t i = 0; i < count; ++i) out.push_back(builder.build(i));
  return out;
}

}  // namespace refocus::harness
