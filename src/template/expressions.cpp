#include "template/filters/filters.h"
#include "template/interpreter.h"
#include "template/operators.h"

namespace refocus::jinja {

Value Interpreter::evaluate(const Expr& expr, const ActivationPtr& in) {
  const Runtime::Level level(runtime_);
  runtime_.charge(1);
  place_ = expr.place;
  switch (expr.kind) {
    case ExprKind::kConstant:
      return expr.constant;
    case ExprKind::kName: {
      const std::optional<Value>& value = variable(in, expr.slot);
      return value ? *value : runtime_.undefined(fmt::format("'{}' is undefined", printable(expr.name, 40)));
    }
    case ExprKind::kTuple:
    case ExprKind::kList:
    case ExprKind::kDict:
      return evaluate_collection(expr, in);
    case ExprKind::kConditional:
      if (truth(evaluate(*expr.children[0], in))) return evaluate(*expr.children[1], in);
      if (expr.children[2]) return evaluate(*expr.children[2], in);
      return Value::undefined("the condition of an expression without 'else' was false");
    case ExprKind::kOr:
    case ExprKind::kAnd: {
      Value left = evaluate(*expr.children[0], in);
      return truth(left) == (expr.kind == ExprKind::kOr) ? left : evaluate(*expr.children[1], in);
    }
    case ExprKind::kCompare:
      return evaluate_comparison(expr, in);
    case ExprKind::kConcat:
      return evaluate_concatenation(expr, in);
    case ExprKind::kSlice:
      return evaluate_slice(expr, in);
    case ExprKind::kCall:
      return evaluate_call(expr, in, nullptr);
    case ExprKind::kFilter:
    case ExprKind::kTest:
      return evaluate_filter(expr, evaluate(*expr.children[0], in), in);
    default:
      return evaluate_operator(expr, in);
  }
}

Value Interpreter::evaluate_operator(const Expr& expr, const ActivationPtr& in) {
  const Value left = evaluate(*expr.children[0], in);
  switch (expr.kind) {
    case ExprKind::kNot:
      return Value::boolean(!truth(left));
    case ExprKind::kNegate:
      return negated(left);
    case ExprKind::kPositive:
      return positive(left);
    case ExprKind::kAttribute:
      place_ = expr.place;
      return attribute_of(runtime_, left, expr.name);
    case ExprKind::kItem: {
      const Value key = evaluate(*expr.children[1], in);
      place_ = expr.place;
      return item_of(runtime_, left, key);
    }
    default: {
      const Value right = evaluate(*expr.children[1], in);
      place_ = expr.place;
      return arithmetic(runtime_, expr.kind, left, right);
    }
  }
}

Value Interpreter::evaluate_collection(const Expr& expr, const ActivationPtr& in) {
  std::vector<Value> items;
  items.reserve(expr.children.size());
  for (const ExprPtr& child : expr.children) items.push_back(evaluate(*child, in));
  place_ = expr.place;
  if (expr.kind == ExprKind::kTuple) return Value::tuple(std::move(items));
  if (expr.kind == ExprKind::kList) return Value::list(std::move(items));
  auto dict = std::make_shared<DictData>();
  for (std::size_t i = 0; i < items.size(); i += 2) {
    refuse_strict(items[i]);
    if (!dict->set(items[i], items[i + 1]))
      fail("expected keys of a dict that can be looked up, got {}", type_name(items[i]));
  }
  return make_dict(std::move(dict));
}

// a < b <= c: each operand once, and none after the first comparison that does not hold.
Value Interpreter::evaluate_comparison(const Expr& expr, const ActivationPtr& in) {
  Value left = evaluate(*expr.children[0], in);
  for (std::size_t i = 0; i < expr.operators.size(); ++i) {
    Value right = evaluate(*expr.children[i + 1], in);
    place_ = expr.place;
    if (!compared(runtime_, expr.operators[i], left, right)) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_concatenation(const Expr& expr, const ActivationPtr& in) {
  std::vector<Value> parts;
  for (const ExprPtr& child : expr.children) parts.push_back(evaluate(*child, in));
  place_ = expr.place;
  TextBuilder out = runtime_.builder();
  for (const Value& part : parts) print(part, out);
  return out.take();
}

Value Interpreter::evaluate_slice(const Expr& expr, const ActivationPtr& in) {
  const Value object = evaluate(*expr.children[0], in);
  Value parts[3];
  for (std::size_t i = 0; i < 3; ++i) {
    if (expr.children[i + 1]) parts[i] = evaluate(*expr.children[i + 1], in);
  }
  place_ = expr.place;
  return slice_of(runtime_, object, parts[0], parts[1], parts[2]);
}

Arguments Interpreter::evaluate_arguments(const ArgumentList& list, const ActivationPtr& in) {
  Arguments out;
  for (const ExprPtr& expr : list.positional) out.positional.push_back(evaluate(*expr, in));
  for (const auto& [name, expr] : list.named) out.named.emplace_back(name, evaluate(*expr, in));
  if (list.more) {
    for (Value& value : listed(runtime_, evaluate(*list.more, in)))
      out.positional.push_back(std::move(value));
  }
  if (list.more_named) {
    const Value more = evaluate(*list.more_named, in);
    refuse_undefined(more);
    if (!more.is_dict()) fail("expected a dict behind '**', got {}", type_name(more));
    for (const auto& [key, value] : more.dict().members) {
      out.named.emplace_back(std::string(text_argument("**", key).bytes()), value);
    }
  }
  for (std::size_t i = 0; i < out.named.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      runtime_.charge(1);
      if (out.named[i].first == out.named[j].first) {
        fail("expected each argument once, got '{}' twice", printable(out.named[i].first, 40));
      }
    }
  }
  return out;
}

Value Interpreter::evaluate_call(const Expr& expr, const ActivationPtr& in, const Value* caller) {
  const Value function = evaluate(*expr.children[0], in);
  Arguments arguments = evaluate_arguments(expr.arguments, in);
  place_ = expr.place;
  if (caller != nullptr) {
    for (const auto& [name, value] : arguments.named) {
      if (name == "caller") fail("expected no argument 'caller' in {{% call %}}, got one");
    }
    arguments.named.emplace_back("caller", *caller);
  }
  return call(runtime_, function, arguments);
}

Value Interpreter::evaluate_filters(const Expr& expr, const Value& input, const ActivationPtr& in) {
  const Runtime::Level level(runtime_);
  const ExprPtr& inner = expr.children[0];
  return evaluate_filter(expr, inner ? evaluate_filters(*inner, input, in) : input, in);
}

Value Interpreter::evaluate_filter(const Expr& expr, const Value& input, const ActivationPtr& in) {
  const Arguments arguments = evaluate_arguments(expr.arguments, in);
  place_ = expr.place;
  if (expr.kind == ExprKind::kTest) return Value::boolean(apply_test(runtime_, expr.name, input, arguments));
  return apply_filter(runtime_, expr.name, input, arguments);
}

}  // namespace refocus::jinja
