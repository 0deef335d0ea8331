// Cuts a template into tokens, as jinja2's lexer does.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "template/parse/syntax.h"
#include "template/template.h"

namespace refocus::jinja {

enum class TokenKind : std::uint8_t {
  kData,
  kVariableBegin,
  kVariableEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Place place;
  std::string text;  // data, name, string without its escapes, operator
  Value number;

  bool is(TokenKind k) const { return kind == k; }
  bool is_operator(std::string_view o) const { return kind == TokenKind::kOperator && text == o; }
  bool is_name(std::string_view n) const { return kind == TokenKind::kName && text == n; }
};

// `name` is for messages. InputError where the source is not UTF-8 or has a token that there is not.
std::vector<Token> tokens_of(std::string_view source, const std::string& name, const Settings& settings);

// How a token is called in messages.
std::string described(const Token& token);

// InputError "[NAME:LINE:COLUMN] MESSAGE; correct the template".
[[noreturn]] void syntax_error(const std::string& name, Place place, std::string_view message);

}  // namespace refocus::jinja
