// What stands behind an operand: .name, [key], (arguments), |filter, is test; and what is assigned to.
#include <algorithm>

#include <fmt/format.h>

#include "template/parse/parser.h"

namespace refocus::jinja {

ExprPtr ExpressionParser::postfix(ExprPtr value) {
  for (;;) {
    if (now().is_operator(".") || now().is_operator("[")) {
      value = subscript(std::move(value));
    } else if (now().is_operator("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::subscript(ExprPtr value) {
  const Place place = now().place;
  if (take_operator("[")) return index_or_slice(std::move(value), place);
  take();
  if (now().is(TokenKind::kInteger)) {
    const Token number = take();
    return made(ExprKind::kItem, place, list_of(std::move(value), constant(number.place, number.number)));
  }
  const Token name = expect_name("a name or number behind '.'");
  ExprPtr attribute = made(ExprKind::kAttribute, place, list_of(std::move(value)));
  attribute->name = name.text;
  return attribute;
}

ExprPtr ExpressionParser::index_or_slice(ExprPtr value, Place place) {
  const Level level(*this);
  const auto at_end = [&] {
    return now().is_operator("]") || now().is_operator(",") || now().is_operator(":");
  };
  if (now().is_operator("]")) {
    take();
    return made(ExprKind::kItem, place, list_of(std::move(value), made(ExprKind::kTuple, place, {})));
  }
  std::vector<ExprPtr> parts = list_of(std::move(value), now().is_operator(":") ? nullptr : expression());
  if (take_operator(":")) {
    parts.push_back(at_end() ? nullptr : expression());
    parts.push_back(take_operator(":") && !at_end() ? expression() : nullptr);
    if (now().is_operator(",")) refuse(now().place, "expected ']' behind a slice, got ','");
    expect_operator("]");
    return made(ExprKind::kSlice, place, std::move(parts));
  }
  if (now().is_operator(",")) {
    std::vector<ExprPtr> items = list_of(std::move(parts[1]));
    while (take_operator(",")) items.push_back(expression());
    parts[1] = made(ExprKind::kTuple, place, std::move(items));
  }
  expect_operator("]");
  return made(ExprKind::kItem, place, std::move(parts));
}

ExprPtr ExpressionParser::filters_and_tests(ExprPtr value) {
  for (;;) {
    if (now().is_operator("|")) {
      value = filters(std::move(value), false);
    } else if (now().is_name("is")) {
      value = test(std::move(value));
    } else if (now().is_operator("(")) {
      value = call(std::move(value));
    } else {
      return value;
    }
  }
}

ExprPtr ExpressionParser::filters(ExprPtr input, bool begun) {
  while (begun || take_operator("|")) {
    begun = false;
    const Token token = expect_name("the name of a filter");
    std::string name = token.text;
    while (take_operator(".")) name += "." + expect_name("the name of a filter").text;
    ArgumentList arguments;
    if (now().is_operator("(")) arguments = call_arguments();
    input = made(ExprKind::kFilter, token.place, list_of(std::move(input)));
    input->name = std::move(name);
    input->arguments = std::move(arguments);
  }
  return input;
}

ExprPtr ExpressionParser::test(ExprPtr value) {
  const Place place = take().place;
  const bool negated = take_word("not");
  const Token token = expect_name("the name of a test");
  std::string name = token.text;
  while (take_operator(".")) name += "." + expect_name("the name of a test").text;
  ArgumentList arguments;
  const bool word =
      now().is(TokenKind::kName) && !now().is_name("else") && !now().is_name("or") && !now().is_name("and");
  if (now().is_operator("(")) {
    arguments = call_arguments();
  } else if (word || now().is(TokenKind::kString) || now().is(TokenKind::kInteger) ||
             now().is(TokenKind::kFloat) || now().is_operator("[") || now().is_operator("{")) {
    if (now().is_name("is")) refuse(now().place, "expected one test in a row, got 'is' again; write ( )");
    arguments.positional.push_back(postfix(primary()));
  }
  ExprPtr expr = made(ExprKind::kTest, place, list_of(std::move(value)));
  expr->name = std::move(name);
  expr->arguments = std::move(arguments);
  return negated ? made(ExprKind::kNot, place, list_of(std::move(expr))) : std::move(expr);
}

ExprPtr ExpressionParser::call(ExprPtr value) {
  const Place place = now().place;
  ExprPtr expr = made(ExprKind::kCall, place, list_of(std::move(value)));
  expr->arguments = call_arguments();
  return expr;
}

ArgumentList ExpressionParser::call_arguments() {
  const Level level(*this);
  const Place place = take().place;
  ArgumentList list;
  const auto ensure = [&](bool holds) {
    if (!holds) refuse(place, "expected arguments as (a, name=b, *c, **d), got another order");
  };
  for (bool first = true; !take_operator(")"); first = false) {
    if (!first) {
      expect_operator(",");
      if (take_operator(")")) break;
    }
    if (take_operator("*")) {
      ensure(!list.more && !list.more_named);
      list.more = expression();
    } else if (take_operator("**")) {
      ensure(!list.more_named);
      list.more_named = expression();
    } else if (now().is(TokenKind::kName) && next().is_operator("=")) {
      ensure(!list.more_named);
      std::string name = take().text;
      take();
      list.named.emplace_back(std::move(name), expression());
    } else {
      ensure(!list.more && !list.more_named && list.named.empty());
      list.positional.push_back(expression());
    }
  }
  return list;
}

Target ExpressionParser::name_to_assign(std::string_view what) {
  Target target;
  target.place = now().place;
  target.name = expect_name(what).text;
  static constexpr std::string_view kConstants[] = {"true", "false", "none", "True", "False", "None"};
  if (std::ranges::find(kConstants, target.name) != std::end(kConstants)) {
    refuse(target.place, fmt::format("expected {}, got '{}'", what, target.name));
  }
  return target;
}

Target ExpressionParser::target_item(bool with_attributes) {
  const Level level(*this);
  Target target;
  target.place = now().place;
  if (take_operator("(")) {
    // Within parentheses jinja2 reads any expression and then asks whether it can be assigned to.
    bool is_tuple = false;
    while (!now().is_operator(")")) {
      target.items.push_back(target_item(false));
      if (!take_operator(",")) break;
      is_tuple = true;
    }
    expect_operator(")");
    if (!is_tuple && target.items.size() == 1) return std::move(target.items[0]);
    target.kind = Target::Kind::kTuple;
    return target;
  }
  target = name_to_assign("a name to assign to");
  if (with_attributes && take_operator(".")) {
    target.kind = Target::Kind::kAttribute;
    target.attribute = expect_name("the name of an attribute").text;
  }
  return target;
}

Target ExpressionParser::target(std::string_view ends, bool with_attributes) {
  Target whole;
  whole.kind = Target::Kind::kTuple;
  whole.place = now().place;
  bool is_tuple = false;
  while (!now().is(TokenKind::kBlockEnd) && !now().is(TokenKind::kVariableEnd) && !now().is_operator(")") &&
         (ends.empty() || !now().is_name(ends))) {
    whole.items.push_back(target_item(with_attributes));
    if (!take_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && whole.items.empty()) unexpected("a name to assign to");
  return is_tuple ? std::move(whole) : std::move(whole.items[0]);
}

}  // namespace refocus::jinja
