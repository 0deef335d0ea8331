#include "eval/task/likelihood_prompt.h"

#include <algorithm>

#include "base/error.h"
#include "eval/task/prompt_template.h"
#include "eval/text/code_points.h"

namespace refocus {

namespace {

// The bytes of `text` up to where only white space follows.
std::size_t end_of_text(std::string_view text) {
  const std::string_view inner = stripped(text);
  return inner.empty() ? 0 : static_cast<std::size_t>(inner.data() + inner.size() - text.data());
}

const LikelihoodWording& wording_of(const TaskKind& task) {
  REFOCUS_CHECK(task.likelihood.has_value());
  return *task.likelihood;
}

}  // namespace

std::string likelihood_context(const TaskKind& task, const Item& item) {
  const LikelihoodWording& wording = wording_of(task);
  return fill_template(wording.context, "context", [&](const std::string& name) {
    const std::string value = template_value(item, name);
    return wording.strips_fields && name != "options" ? std::string(stripped(value)) : value;
  });
}

std::string likelihood_prefix(const TaskKind& task, std::string_view subject,
                              std::span<const Item> examples) {
  std::string out = fill_template(wording_of(task).description, "description", [&](const std::string&) {
    std::string name(subject);
    std::replace(name.begin(), name.end(), '_', ' ');
    return name;
  });
  for (const Item& example : examples) {
    REFOCUS_CHECK(example.label.has_value());
    const std::vector<std::string> options = likelihood_continuations(task, example);
    out +=
        likelihood_context(task, example) + options[static_cast<std::size_t>(*example.label - 'A')] + "\n\n";
  }
  return out;
}

std::vector<std::string> likelihood_continuations(const TaskKind& task, const Item& item) {
  std::vector<std::string> out;
  for (std::size_t k = 0; k < item.choices.size(); ++k) {
    out.push_back(fill_template(wording_of(task).option, "option", [&](const std::string& name) {
      return name == "letter" ? std::string(1, option_letter(k)) : item.choices[k];
    }));
  }
  return out;
}

bool is_length_normalised(const TaskKind& task) {
  return task.likelihood && task.likelihood->length_normalised;
}

EncodedOptions encode_options(const Tokenizer& tokenizer, std::string_view context,
                              std::span<const std::string> continuations, const std::string& where) {
  const std::size_t end = end_of_text(context);
  const std::string moved(context.substr(end)), kept(context.substr(0, end));
  EncodedOptions out;
  out.context = tokenizer.encode_prompt(kept);
  if (out.context.empty()) {
    throw input_error(where, "expected a question of at least one token, got none; correct the data");
  }
  for (std::size_t k = 0; k < continuations.size(); ++k) {
    const char letter = static_cast<char>('A' + k);
    if (end_of_text(continuations[k]) == 0) {
      throw input_error(where, "expected a text as option {}, got an empty one; correct the data", letter);
    }
    const std::vector<std::int32_t> whole = tokenizer.encode_prompt(kept + moved + continuations[k]);
    if (whole.size() <= out.context.size()) {
      throw input_error(where,
                        "expected option {} to add tokens to the question, got none; correct the data, or "
                        "use another tokenizer",
                        letter);
    }
    out.options.emplace_back(whole.begin() + static_cast<std::ptrdiff_t>(out.context.size()), whole.end());
  }
  return out;
}

}  // namespace refocus
