#include <algorithm>

#include <fmt/format.h>

#include "template/parse/parser.h"

namespace refocus::jinja {

ExpressionParser::Level::Level(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.levels_ > kSyntaxDepth) {
    parser_.refuse(parser_.now().place,
                   fmt::format("expected at most {} levels of nesting, got more", kSyntaxDepth));
  }
}

bool ExpressionParser::take_operator(std::string_view text) {
  if (!now().is_operator(text)) return false;
  ++at_;
  return true;
}

bool ExpressionParser::take_word(std::string_view word) {
  if (!now().is_name(word)) return false;
  ++at_;
  return true;
}

void ExpressionParser::unexpected(std::string_view expected) const {
  refuse(now().place, fmt::format("expected {}, got {}", expected, described(now())));
}

void ExpressionParser::expect_operator(std::string_view text) {
  if (!take_operator(text)) unexpected(fmt::format("'{}'", text));
}

Token ExpressionParser::expect_name(std::string_view what) {
  if (!now().is(TokenKind::kName)) unexpected(what);
  return take();
}

void ExpressionParser::expect(TokenKind kind, std::string_view what) {
  if (!now().is(kind)) unexpected(what);
  take();
}

ExprPtr ExpressionParser::made(ExprKind kind, Place place, std::vector<ExprPtr> children) {
  auto expr = std::make_unique<Expr>();
  expr->kind = kind;
  expr->place = place;
  for (const ExprPtr& child : children) {
    if (child) expr->depth = std::max(expr->depth, child->depth + 1);
  }
  if (expr->depth > kChainLength) {
    refuse(place, fmt::format("expected expressions of at most {} steps, got a longer one", kChainLength));
  }
  expr->children = std::move(children);
  return expr;
}

ExprPtr ExpressionParser::constant(Place place, Value value) {
  ExprPtr expr = made(ExprKind::kConstant, place, {});
  expr->constant = std::move(value);
  return expr;
}

ExprPtr ExpressionParser::tuple(bool with_conditional, std::string_view ends, bool in_parentheses) {
  const Place place = now().place;
  std::vector<ExprPtr> items;
  bool is_tuple = false;
  const auto at_end = [&] {
    return now().is(TokenKind::kVariableEnd) || now().is(TokenKind::kBlockEnd) || now().is_operator(")") ||
           (!ends.empty() && now().is_name(ends));
  };
  while (!at_end()) {
    items.push_back(with_conditional ? conditional() : disjunction());
    if (!now().is_operator(",")) break;
    is_tuple = true;
    ++at_;
  }
  if (!is_tuple) {
    if (!items.empty()) return std::move(items[0]);
    if (!in_parentheses) unexpected("an expression");
  }
  return made(ExprKind::kTuple, place, std::move(items));
}

ExprPtr ExpressionParser::conditional() {
  const Level level(*this);
  const Place place = now().place;
  ExprPtr value = disjunction();
  while (take_word("if")) {
    ExprPtr test = disjunction();
    ExprPtr otherwise = take_word("else") ? conditional() : nullptr;
    value =
        made(ExprKind::kConditional, place, list_of(std::move(test), std::move(value), std::move(otherwise)));
  }
  return value;
}

ExprPtr ExpressionParser::disjunction() {
  ExprPtr left = conjunction();
  for (Place place = now().place; take_word("or"); place = now().place) {
    left = made(ExprKind::kOr, place, list_of(std::move(left), conjunction()));
  }
  return left;
}

ExprPtr ExpressionParser::conjunction() {
  ExprPtr left = negation();
  for (Place place = now().place; take_word("and"); place = now().place) {
    left = made(ExprKind::kAnd, place, list_of(std::move(left), negation()));
  }
  return left;
}

ExprPtr ExpressionParser::negation() {
  const Place place = now().place;
  if (!take_word("not")) return comparison();
  const Level level(*this);
  return made(ExprKind::kNot, place, list_of(negation()));
}

bool ExpressionParser::comparison_operator(Comparison& found) {
  static constexpr std::pair<std::string_view, Comparison> kAll[] = {
      {"==", Comparison::kEqual},     {"!=", Comparison::kUnequal}, {"<", Comparison::kLess},
      {"<=", Comparison::kLessEqual}, {">", Comparison::kGreater},  {">=", Comparison::kGreaterEqual}};
  for (const auto& [text, comparison] : kAll) {
    if (take_operator(text)) {
      found = comparison;
      return true;
    }
  }
  if (take_word("in")) {
    found = Comparison::kIn;
    return true;
  }
  if (!now().is_name("not") || !next().is_name("in")) return false;
  at_ += 2;
  found = Comparison::kNotIn;
  return true;
}

ExprPtr ExpressionParser::comparison() {
  const Place place = now().place;
  std::vector<ExprPtr> operands = list_of(sum());
  std::vector<Comparison> operators;
  for (Comparison found{}; comparison_operator(found);) {
    operators.push_back(found);
    operands.push_back(sum());
  }
  if (operators.empty()) return std::move(operands[0]);
  ExprPtr expr = made(ExprKind::kCompare, place, std::move(operands));
  expr->operators = std::move(operators);
  return expr;
}

ExprPtr ExpressionParser::sum() {
  ExprPtr left = concatenation();
  for (;;) {
    const Place place = now().place;
    const ExprKind kind = now().is_operator("+") ? ExprKind::kAdd : ExprKind::kSubtract;
    if (!take_operator("+") && !take_operator("-")) return left;
    left = made(kind, place, list_of(std::move(left), concatenation()));
  }
}

ExprPtr ExpressionParser::concatenation() {
  const Place place = now().place;
  std::vector<ExprPtr> parts = list_of(product());
  while (take_operator("~")) parts.push_back(product());
  return parts.size() == 1 ? std::move(parts[0]) : made(ExprKind::kConcat, place, std::move(parts));
}

ExprPtr ExpressionParser::product() {
  static constexpr std::pair<std::string_view, ExprKind> kAll[] = {{"*", ExprKind::kMultiply},
                                                                   {"/", ExprKind::kDivide},
                                                                   {"//", ExprKind::kFloorDivide},
                                                                   {"%", ExprKind::kModulo}};
  ExprPtr left = power();
  for (;;) {
    const Place place = now().place;
    const auto* found = std::ranges::find_if(kAll, [&](const auto& one) { return take_operator(one.first); });
    if (found == std::end(kAll)) return left;
    left = made(found->second, place, list_of(std::move(left), power()));
  }
}

ExprPtr ExpressionParser::power() {
  ExprPtr left = unary();
  for (Place place = now().place; take_operator("**"); place = now().place) {
    left = made(ExprKind::kPower, place, list_of(std::move(left), unary()));
  }
  return left;
}

// A sign binds less than what stands behind its operand, but filters bind less than it: -1|abs is (-1)|abs.
ExprPtr ExpressionParser::unary(bool with_filters) {
  const Level level(*this);
  const Place place = now().place;
  ExprPtr value;
  if (take_operator("-")) {
    value = made(ExprKind::kNegate, place, list_of(unary(false)));
  } else if (take_operator("+")) {
    value = made(ExprKind::kPositive, place, list_of(unary(false)));
  } else {
    value = primary();
  }
  value = postfix(std::move(value));
  return with_filters ? filters_and_tests(std::move(value)) : std::move(value);
}

ExprPtr ExpressionParser::primary_name() {
  const Token token = take();
  if (token.text == "true" || token.text == "True") return constant(token.place, Value::boolean(true));
  if (token.text == "false" || token.text == "False") return constant(token.place, Value::boolean(false));
  if (token.text == "none" || token.text == "None") return constant(token.place, Value::none());
  ExprPtr name = made(ExprKind::kName, token.place, {});
  name->name = token.text;
  return name;
}

ExprPtr ExpressionParser::primary() {
  const Place place = now().place;
  switch (now().kind) {
    case TokenKind::kName:
      return primary_name();
    case TokenKind::kString: {
      std::string text;
      while (now().is(TokenKind::kString)) text += take().text;
      return constant(place, Text(text));
    }
    case TokenKind::kInteger:
    case TokenKind::kFloat:
      return constant(place, take().number);
    default:
      break;
  }
  if (take_operator("(")) {
    const Level level(*this);
    ExprPtr value = tuple(true, "", true);
    expect_operator(")");
    return value;
  }
  if (now().is_operator("[")) return list();
  if (now().is_operator("{")) return dict();
  unexpected("an expression");
}

ExprPtr ExpressionParser::list() {
  const Place place = take().place;
  std::vector<ExprPtr> items;
  while (!take_operator("]")) {
    if (!items.empty()) expect_operator(",");
    if (take_operator("]")) break;
    items.push_back(expression());
  }
  return made(ExprKind::kList, place, std::move(items));
}

ExprPtr ExpressionParser::dict() {
  const Place place = take().place;
  std::vector<ExprPtr> items;
  while (!take_operator("}")) {
    if (!items.empty()) expect_operator(",");
    if (take_operator("}")) break;
    items.push_back(expression());
    expect_operator(":");
    items.push_back(expression());
  }
  return made(ExprKind::kDict, place, std::move(items));
}

}  // namespace refocus::jinja
