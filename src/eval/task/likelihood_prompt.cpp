#include "eval/task/likelihood_prompt.h"

#include <algorithm>

#include "base/error.h"
#include "eval/task/prompt_template.h"
#include "eval/task/ready_prompts.h"
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

// Without the white space around a field's text.
Prompt stripped_piece(Prompt pieces) {
  for (PromptPiece& piece : pieces) piece.text = std::string(stripped(piece.text));
  return pieces;
}

// Where the option's tokens begin in `whole`.
std::size_t seam_of(const std::vector<std::int32_t>& context, const std::vector<std::int32_t>& whole,
                    Seam seam) {
  if (seam == Seam::kLmEval) return context.size();
  const auto differing = std::mismatch(context.begin(), context.end(), whole.begin(), whole.end());
  return static_cast<std::size_t>(differing.first - context.begin());
}

}  // namespace

Prompt likelihood_context(const TaskKind& task, const Item& item) {
  const LikelihoodWording& wording = wording_of(task);
  return fill_pieces(wording.context, "context", [&](const std::string& name) {
    Prompt value = field_pieces(item, name);
    return wording.strips_fields && name != "options" ? stripped_piece(std::move(value)) : value;
  });
}

Prompt likelihood_prefix(const TaskKind& task, std::string_view subject, std::span<const Item> examples) {
  Prompt out = fill_pieces(wording_of(task).description, "description", [&](const std::string& field) {
    std::string name(subject);
    std::replace(name.begin(), name.end(), '_', ' ');
    PieceOrigin origin;
    origin.field = field;
    return Prompt{data_piece(std::move(name), origin)};
  });
  for (std::size_t shot = 0; shot < examples.size(); ++shot) {
    const Item& example = examples[shot];
    REFOCUS_CHECK(example.label.has_value());
    Prompt one = likelihood_context(task, example);
    append(one, likelihood_continuations(task, example)[static_cast<std::size_t>(*example.label - 'A')]);
    append(one, template_piece("\n\n"));
    for (PromptPiece& piece : one) {
      piece.origin.shot = static_cast<int>(shot);
      append(out, std::move(piece));
    }
  }
  return out;
}

std::vector<Prompt> likelihood_continuations(const TaskKind& task, const Item& item) {
  if (item.ready) return item.ready->continuations;
  std::vector<Prompt> out;
  for (std::size_t k = 0; k < item.choices.size(); ++k) {
    const std::string letter(1, option_letter(k));
    out.push_back(fill_pieces(wording_of(task).option, "option", [&](const std::string& name) {
      if (name == "letter") return Prompt{template_piece(letter)};
      PieceOrigin origin;
      origin.option = letter;
      return Prompt{data_piece(item.choices[k], origin)};
    }));
  }
  return out;
}

bool is_length_normalised(const TaskKind& task) {
  return task.likelihood && task.likelihood->length_normalised;
}

std::string_view name_of(Seam seam) { return seam == Seam::kDifference ? "difference" : "lm-eval"; }

Seam parse_seam(std::string_view name) {
  for (const Seam seam : {Seam::kDifference, Seam::kLmEval}) {
    if (name == name_of(seam)) return seam;
  }
  throw usage_error("--seam", "expected difference or lm-eval, got '{}'", printable(name));
}

EncodedOptions encode_options(const Tokenizer& tokenizer, const Prompt& context,
                              std::span<const Prompt> continuations, PromptEnds ends, Seam seam,
                              const std::string& where) {
  const std::string text = text_of(context);
  const auto [kept, moved] = split(context, ends == PromptEnds::kBegin ? text.size() : end_of_text(text));
  const std::vector<std::int32_t> alone = encode_prompt(tokenizer, kept, ends).tokens;
  if (alone.empty()) {
    throw input_error(where, "expected a question of at least one token, got none; correct the data");
  }
  EncodedOptions out;
  std::vector<std::size_t> seams;
  for (std::size_t k = 0; k < continuations.size(); ++k) {
    const char letter = static_cast<char>('A' + k);
    if (end_of_text(text_of(continuations[k])) == 0) {
      throw input_error(where, "expected a text as option {}, got an empty one; correct the data", letter);
    }
    Prompt together = kept;
    append(together, moved);
    append(together, continuations[k]);
    out.options.push_back(encode_prompt(tokenizer, together, ends).tokens);
    seams.push_back(seam_of(alone, out.options.back(), seam));
    if (out.options.back().size() <= seams.back()) {
      throw input_error(where,
                        "expected option {} to add tokens to the question, got none; correct the data, or "
                        "use another tokenizer",
                        letter);
    }
    if (seams.back() == 0) {
      throw input_error(where,
                        "expected a token of the question before option {}, got one that holds all of the "
                        "question and the option's beginning; lengthen the question, or use --seam lm-eval",
                        letter);
    }
    out.over_seam += seam_of(alone, out.options.back(), Seam::kDifference) < alone.size();
  }
  const std::size_t begin = seams.empty() ? alone.size() : *std::min_element(seams.begin(), seams.end());
  out.context.assign(alone.begin(), alone.begin() + static_cast<std::ptrdiff_t>(begin));
  for (std::size_t k = 0; k < seams.size(); ++k) {
    out.options[k].erase(out.options[k].begin(), out.options[k].begin() + static_cast<std::ptrdiff_t>(begin));
    out.leads.push_back(static_cast<std::int64_t>(seams[k] - begin));
  }
  return out;
}

}  // namespace refocus
