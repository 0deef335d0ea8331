#include "eval/likelihood_prompt.h"

#include <algorithm>

#include "base/error.h"
#include "eval/code_points.h"

namespace refocus {

namespace {

bool has_letters(std::string_view task) { return task == "mmlu" || task == "worlds"; }

// White space as Python's str.strip() knows it.
bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// The bytes of `text` up to where only white space follows.
std::size_t end_of_text(const std::vector<CodePoint>& points) {
  const auto last =
      std::find_if(points.rbegin(), points.rend(), [](const CodePoint& p) { return !is_space(p.code); });
  return last == points.rend() ? 0 : last->end;
}

std::string stripped(const std::string& text) {
  const std::vector<CodePoint> points = decode_utf8(text);
  const auto first =
      std::find_if(points.begin(), points.end(), [](const CodePoint& p) { return !is_space(p.code); });
  if (first == points.end()) return "";
  return text.substr(first->begin, end_of_text(points) - first->begin);
}

const std::string& field(const Item& item, std::string_view name) {
  const auto found =
      std::find_if(item.fields.begin(), item.fields.end(), [&](const auto& f) { return f.first == name; });
  REFOCUS_CHECK(found != item.fields.end());
  return found->second;
}

}  // namespace

std::string likelihood_context(std::string_view task, const Item& item) {
  if (task == "piqa") return "Question: " + field(item, "goal") + "\nAnswer:";
  if (task == "siqa") return "Q: " + field(item, "context") + " " + field(item, "question") + "\nA:";
  REFOCUS_CHECK(has_letters(task));
  std::string out = stripped(field(item, "question"));
  for (std::size_t k = 0; k < item.choices.size(); ++k) {
    out += fmt::format("\n{}. {}", static_cast<char>('A' + k), item.choices[k]);
  }
  return out + "\nAnswer:";
}

std::string likelihood_prefix(std::string_view task, std::string_view subject,
                              std::span<const Item> examples) {
  std::string out;
  if (task == "mmlu") {
    std::string name(subject);
    std::replace(name.begin(), name.end(), '_', ' ');
    out = "The following are multiple choice questions (with answers) about " + name + ".\n\n";
  }
  for (const Item& example : examples) {
    REFOCUS_CHECK(example.label.has_value());
    const std::vector<std::string> options = likelihood_continuations(task, example);
    out +=
        likelihood_context(task, example) + options[static_cast<std::size_t>(*example.label - 'A')] + "\n\n";
  }
  return out;
}

std::vector<std::string> likelihood_continuations(std::string_view task, const Item& item) {
  std::vector<std::string> out;
  for (std::size_t k = 0; k < item.choices.size(); ++k) {
    out.push_back(" " + (has_letters(task) ? std::string(1, static_cast<char>('A' + k)) : item.choices[k]));
  }
  return out;
}

bool is_length_normalised(std::string_view task) { return task == "piqa"; }

EncodedOptions encode_options(const Tokenizer& tokenizer, std::string_view context,
                              std::span<const std::string> continuations, const std::string& where) {
  const std::size_t end = end_of_text(decode_utf8(context));
  const std::string moved(context.substr(end)), kept(context.substr(0, end));
  EncodedOptions out;
  out.context = tokenizer.encode_prompt(kept);
  if (out.context.empty()) {
    throw input_error(where, "expected a question of at least one token, got none; correct the data");
  }
  for (std::size_t k = 0; k < continuations.size(); ++k) {
    const char letter = static_cast<char>('A' + k);
    if (end_of_text(decode_utf8(continuations[k])) == 0) {
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
