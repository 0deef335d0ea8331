// Templates of prompts: {field} stands for an item's field, {{ and }} for literal braces.
//
// Fields are put in in one pass and never looked at again, so a question that contains "{A}" comes out
// literally. Special tokens are read in the template's own text and never in fields (prompt/prompt.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "eval/task/item.h"
#include "prompt/prompt.h"

namespace refocus {

struct TemplatePiece {
  std::string text;  // literal, or the placeholder's name
  bool is_field = false;
};

// InputError, beginning with `where`, for a single brace that opens or closes no placeholder.
std::vector<TemplatePiece> parse_template(std::string_view text, std::string_view where);

// InputError too for a placeholder that is none of `known`, which it lists; `key` names the template.
void check_template(std::string_view text, std::string_view key, std::span<const std::string> known,
                    std::string_view where);

// The template's own text, and what `value_of` gives for each placeholder.
Prompt fill_pieces(std::string_view text, std::string_view where,
                   const std::function<Prompt(const std::string& name)>& value_of);

// The item's field as data of that name; of {options}, the letters are template text. InputError as
// template_value.
Prompt field_pieces(const Item& item, const std::string& name);

// The item's field; {options} is option_list. InputError where it has no such field.
std::string template_value(const Item& item, const std::string& name);

// "A. first\nB. second", without a line end.
std::string option_list(const Item& item);

// 'A' + place.
char option_letter(std::size_t place);

}  // namespace refocus
