#include "eval/task/prompt_template.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace refocus {

std::vector<TemplatePiece> parse_template(std::string_view text, std::string_view where) {
  std::vector<TemplatePiece> pieces;
  const auto add_text = [&](std::string_view piece) {
    if (pieces.empty() || pieces.back().is_field) pieces.emplace_back();
    pieces.back().text += piece;
  };
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t brace = std::min(text.find_first_of("{}", at), text.size());
    if (brace > at) add_text(text.substr(at, brace - at));
    if (brace == text.size()) break;
    if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
      add_text(text.substr(brace, 1));
      at = brace + 2;
      continue;
    }
    const std::size_t close =
        text[brace] == '{' ? text.find_first_of("{}", brace + 1) : std::string_view::npos;
    if (close == std::string_view::npos || text[close] != '}') {
      throw input_error(where,
                        "expected a placeholder such as {{question}}, got a single '{}' at byte {}; write "
                        "it twice for a literal brace",
                        text[brace], brace);
    }
    pieces.push_back({std::string(text.substr(brace + 1, close - brace - 1)), true});
    at = close + 1;
  }
  return pieces;
}

void check_template(std::string_view text, std::string_view key, std::span<const std::string> known,
                    std::string_view where) {
  for (const TemplatePiece& piece : parse_template(text, where)) {
    if (!piece.is_field || std::ranges::find(known, piece.text) != known.end()) continue;
    throw input_error(where, "unknown placeholder '{{{}}}' in {}; known placeholders: {}",
                      printable(piece.text), key, printable(fmt::format("{}", fmt::join(known, ", ")), 400));
  }
}

Prompt fill_pieces(std::string_view text, std::string_view where,
                   const std::function<Prompt(const std::string& name)>& value_of) {
  Prompt out;
  for (TemplatePiece& piece : parse_template(text, where)) {
    if (piece.is_field) {
      append(out, value_of(piece.text));
    } else {
      append(out, template_piece(std::move(piece.text)));
    }
  }
  return out;
}

Prompt field_pieces(const Item& item, const std::string& name) {
  PieceOrigin origin;
  origin.field = name;
  if (name != "options" || item.choices.empty()) return {data_piece(template_value(item, name), origin)};
  Prompt out;
  for (std::size_t k = 0; k < item.choices.size(); ++k) {
    origin.option = std::string(1, option_letter(k));
    append(out, template_piece(fmt::format("{}{}. ", k == 0 ? "" : "\n", option_letter(k))));
    append(out, data_piece(item.choices[k], origin));
  }
  return out;
}

std::string template_value(const Item& item, const std::string& name) {
  const auto field = std::ranges::find(item.fields, name, [](const auto& f) { return f.first; });
  if (name == "options" && !item.choices.empty()) return option_list(item);
  if (field == item.fields.end()) {
    throw input_error(fmt::format("{} item {}", printable(item.subject), item.index),
                      "expected a field '{}', got none; is this an item of the task?", printable(name));
  }
  return field->second;
}

char option_letter(std::size_t place) { return static_cast<char>('A' + place); }

std::string option_list(const Item& item) {
  return item.choices.empty() ? "" : text_of(field_pieces(item, "options"));
}

}  // namespace refocus
