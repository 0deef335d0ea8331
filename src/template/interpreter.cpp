#include "template/interpreter.h"

#include "template/operators.h"

namespace refocus::jinja {

Interpreter::Interpreter(const Program& program, const Context& context, Runtime& runtime)
    : program_(program), context_(context), runtime_(runtime) {}

Interpreter::~Interpreter() {
  for (const ActivationPtr& activation : retired_) activation->slots.clear();
}

ActivationPtr Interpreter::activate(ActivationPtr outer, int slots) {
  auto activation = std::make_shared<Activation>();
  activation->outer = std::move(outer);
  activation->slots.resize(static_cast<std::size_t>(slots));
  runtime_.charge(static_cast<std::size_t>(slots));
  return activation;
}

// The function that runs holds it once more.
Interpreter::Retire::~Retire() {
  if (activation_.use_count() > 2) interpreter_.retired_.push_back(std::move(activation_));
}

Text Interpreter::run() {
  const ActivationPtr root = activate(nullptr, program_.slots);
  retired_.push_back(root);
  enter(program_.loads, root);
  TextBuilder out = runtime_.builder();
  execute(program_.body, root, out);
  return out.take();
}

std::optional<Value>& Interpreter::variable(const ActivationPtr& in, Slot slot) const {
  Activation* activation = in.get();
  for (int i = 0; i < slot.up; ++i) activation = activation->outer.get();
  return activation->slots[static_cast<std::size_t>(slot.index)];
}

std::optional<Value> Interpreter::resolve(const std::string& name) const {
  // The last one counts, as in a dict.
  for (auto it = context_.rbegin(); it != context_.rend(); ++it) {
    if (it->first == name) return it->second;
  }
  return global(runtime_, name);
}

void Interpreter::enter(const ScopeLoads& loads, const ActivationPtr& in) {
  for (const Load& load : loads) {
    runtime_.charge(1);
    std::optional<Value> value;
    if (load.kind == Load::Kind::kResolve) value = resolve(load.name);
    if (load.kind == Load::Kind::kAlias) value = variable(in, load.from);
    in->slots[static_cast<std::size_t>(load.index)] = std::move(value);
  }
}

void Interpreter::leave(const ScopeLoads& loads, const ActivationPtr& in) {
  for (const Load& load : loads) in->slots[static_cast<std::size_t>(load.index)].reset();
}

void Interpreter::check_namespaces(const Target& target, const ActivationPtr& in) const {
  if (target.kind == Target::Kind::kAttribute) {
    const std::optional<Value>& value = variable(in, target.slot);
    if (!value || !value->is(Kind::kNamespace)) {
      fail("expected a namespace to set '{}' of, got {}", printable(target.attribute, 40),
           value ? type_name(*value) : "an undefined value");
    }
  }
  for (const Target& item : target.items) check_namespaces(item, in);
}

void Interpreter::assign(const Target& target, const Value& value, const ActivationPtr& in) {
  switch (target.kind) {
    case Target::Kind::kName:
      variable(in, target.slot) = value;
      return;
    case Target::Kind::kAttribute: {
      if (program_.settings.chat && target.attribute.starts_with('_')) {
        fail("expected an attribute of a namespace that does not begin with '_', got '{}'",
             printable(target.attribute, 40));
      }
      const auto& space = static_cast<const NamespaceData&>(*variable(in, target.slot)->object());
      space.attributes.set(Text(target.attribute), value);
      return;
    }
    case Target::Kind::kTuple: {
      const auto next = iterate(runtime_, value);
      for (const Target& item : target.items) {
        const auto part = next();
        if (!part) fail("expected {} values to assign, got fewer", target.items.size());
        assign(item, *part, in);
      }
      if (next()) fail("expected {} values to assign, got more", target.items.size());
    }
  }
}

// What was assigned to a name, or a tuple of what was assigned to several.
Value Interpreter::assigned_value(const Target& target, const ActivationPtr& in) const {
  if (target.kind != Target::Kind::kTuple) return *variable(in, target.slot);
  std::vector<Value> items;
  for (const Target& item : target.items) items.push_back(assigned_value(item, in));
  return Value::tuple(std::move(items));
}

Interpreter::Flow Interpreter::execute(const Body& body, const ActivationPtr& in, TextBuilder& out) {
  for (const auto& statement : body) {
    if (const Flow flow = execute(*statement, in, out); flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

void Interpreter::print(const Value& value, TextBuilder& out) {
  if (value.is_text()) {
    runtime_.charge(value.text());
    out.add(value.text());
  } else {
    out.add(str(runtime_, value));
  }
}

void Interpreter::print_text(const Value& value, TextBuilder& out) {
  if (!value.is_text()) fail("expected a str as what a block gives, got {}", type_name(value));
  print(value, out);
}

Interpreter::Flow Interpreter::execute(const Statement& statement, const ActivationPtr& in,
                                       TextBuilder& out) {
  const Runtime::Level level(runtime_);
  runtime_.charge(1);
  place_ = statement.place;
  switch (statement.kind) {
    case StatementKind::kOutput:
      for (const ExprPtr& expr : statement.exprs) {
        const Value value = evaluate(*expr, in);
        place_ = expr->place;
        print(value, out);
      }
      return Flow::kNormal;
    case StatementKind::kIf:
      return execute_if(statement, in, out);
    case StatementKind::kFor:
      return execute_for(statement, in, out);
    case StatementKind::kSet: {
      const Target& target = statement.targets[0];
      check_namespaces(target, in);
      const Value value = evaluate(*statement.exprs[0], in);
      place_ = statement.place;
      assign(target, value, in);
      return Flow::kNormal;
    }
    case StatementKind::kSetBlock:
    case StatementKind::kFilter:
      return execute_block(statement, in, out);
    case StatementKind::kMacro:
      assign(statement.targets[0], make_macro(*statement.function, in), in);
      return Flow::kNormal;
    case StatementKind::kCall: {
      const Value caller = make_macro(*statement.function, in);
      print_text(evaluate_call(*statement.exprs[0], in, &caller), out);
      return Flow::kNormal;
    }
    case StatementKind::kWith:
      return execute_with(statement, in, out);
    case StatementKind::kGeneration:
      out.add(call_macro(*statement.function, in, {}).text().with_generation());
      return Flow::kNormal;
    case StatementKind::kBreak:
      return Flow::kBreak;
    case StatementKind::kContinue:
      return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute_if(const Statement& statement, const ActivationPtr& in,
                                          TextBuilder& out) {
  for (std::size_t i = 0; i < statement.exprs.size(); ++i) {
    const Value value = evaluate(*statement.exprs[i], in);
    place_ = statement.exprs[i]->place;
    if (truth(value)) return execute(statement.bodies[i], in, out);
  }
  if (statement.bodies.size() == statement.exprs.size()) return Flow::kNormal;
  return execute(statement.bodies.back(), in, out);
}

// The blocks of filter and set: what they print goes through filters, to the output or into a variable.
Interpreter::Flow Interpreter::execute_block(const Statement& statement, const ActivationPtr& in,
                                             TextBuilder& out) {
  enter(statement.loads[0], in);
  TextBuilder inner = runtime_.builder();
  if (const Flow flow = execute(statement.bodies[0], in, inner); flow != Flow::kNormal) return flow;
  Value value = inner.take();
  if (statement.exprs[0]) value = evaluate_filters(*statement.exprs[0], value, in);
  place_ = statement.place;
  if (statement.kind == StatementKind::kFilter) {
    print_text(value, out);
  } else {
    if (statement.targets[0].kind == Target::Kind::kAttribute) check_namespaces(statement.targets[0], in);
    assign(statement.targets[0], value, in);
  }
  leave(statement.loads[0], in);
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::execute_with(const Statement& statement, const ActivationPtr& in,
                                            TextBuilder& out) {
  enter(statement.loads[0], in);
  for (std::size_t i = 0; i < statement.targets.size(); ++i) {
    const Value value = evaluate(*statement.exprs[i], in);
    place_ = statement.place;
    assign(statement.targets[i], value, in);
  }
  const Flow flow = execute(statement.bodies[0], in, out);
  if (flow == Flow::kNormal) leave(statement.loads[0], in);
  return flow;
}

}  // namespace refocus::jinja
