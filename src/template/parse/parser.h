// Makes the tree of a template from its tokens, by jinja2's grammar.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "template/parse/lexer.h"
#include "template/parse/syntax.h"

namespace refocus::jinja {

// Statements, brackets and operators within each other, at most. A pair of parentheses counts three.
inline constexpr int kSyntaxDepth = 250;
// Operands in a row, such as a + b + c, at most.
inline constexpr int kChainLength = 400;

// Reads expressions; the base of the parser of statements.
class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, const std::string& name)
      : tokens_(std::move(tokens)), name_(name) {}

 protected:
  // Where commas may stand without brackets: a, b. `ends`: the word that ends it besides the tag's end.
  ExprPtr tuple(bool with_conditional = true, std::string_view ends = "", bool in_parentheses = false);
  ExprPtr expression() { return conditional(); }
  // Filters one after the other. `input`: none in blocks. `begun`: the first has no '|' before it.
  ExprPtr filters(ExprPtr input, bool begun);
  Target target(std::string_view ends, bool with_attributes);
  Target name_to_assign(std::string_view what);

  const Token& now() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take() { return at_ + 1 < tokens_.size() ? tokens_[at_++] : tokens_[at_]; }
  bool take_operator(std::string_view text);
  bool take_word(std::string_view word);
  void expect_operator(std::string_view text);
  Token expect_name(std::string_view what);
  void expect(TokenKind kind, std::string_view what);
  [[noreturn]] void unexpected(std::string_view expected) const;
  [[noreturn]] void refuse(Place place, std::string_view message) const {
    syntax_error(name_, place, message);
  }

  // Counts what is open; one for each level of what may nest.
  class Level {
   public:
    explicit Level(ExpressionParser& parser);
    ~Level() { --parser_.levels_; }

   private:
    ExpressionParser& parser_;
  };

 private:
  ExprPtr made(ExprKind kind, Place place, std::vector<ExprPtr> children);
  ExprPtr constant(Place place, Value value);
  ExprPtr conditional();
  ExprPtr disjunction();
  ExprPtr conjunction();
  ExprPtr negation();
  ExprPtr comparison();
  bool comparison_operator(Comparison& found);
  ExprPtr sum();
  ExprPtr concatenation();
  ExprPtr product();
  ExprPtr power();
  ExprPtr unary(bool with_filters = true);
  ExprPtr primary();
  ExprPtr primary_name();
  ExprPtr list();
  ExprPtr dict();
  ExprPtr postfix(ExprPtr value);
  ExprPtr subscript(ExprPtr value);
  ExprPtr index_or_slice(ExprPtr value, Place place);
  ExprPtr filters_and_tests(ExprPtr value);
  ExprPtr test(ExprPtr value);
  ExprPtr call(ExprPtr value);
  ArgumentList call_arguments();
  Target target_item(bool with_attributes);

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int levels_ = 0;

 protected:
  const std::string& name_;
};

// A list of these, which cannot be copied.
template <class... Ptr>
std::vector<ExprPtr> list_of(Ptr... ptr) {
  std::vector<ExprPtr> out;
  (out.push_back(std::move(ptr)), ...);
  return out;
}

// The whole template. InputError where it is none.
Program parsed(std::string_view source, std::string name, const Settings& settings);

}  // namespace refocus::jinja
