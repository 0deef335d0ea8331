#include "template/interpreter.h"

namespace refocus::jinja {

// The items of which the loop's test is true, asked for one after the other.
IteratorData::Next Interpreter::tested(const Statement& statement, const Value& iterable,
                                       const ActivationPtr& outer) {
  const ActivationPtr in = activate(outer, statement.test_slots);
  retired_.push_back(in);
  return [this, &statement, in, items = iterate(runtime_, iterable),
          begun = false]() mutable -> std::optional<Value> {
    if (!std::exchange(begun, true)) enter(statement.test_loads, in);
    while (auto item = items()) {
      assign(statement.test_target, *item, in);
      const Value holds = evaluate(*statement.exprs[1], in);
      if (truth(holds)) return assigned_value(statement.test_target, in);
    }
    return std::nullopt;
  };
}

Interpreter::Flow Interpreter::execute_for(const Statement& statement, const ActivationPtr& in,
                                           TextBuilder& out) {
  const Value iterable = evaluate(*statement.exprs[0], in);
  place_ = statement.place;
  if (statement.recursive) {
    out.add(recursive_loop(statement, iterable, 0, in));
    return Flow::kNormal;
  }
  std::shared_ptr<LoopData> loop;
  if (statement.loop >= 0) loop = std::make_shared<LoopData>();
  return run_loop(statement, iterable, loop, in, out);
}

Text Interpreter::recursive_loop(const Statement& statement, const Value& iterable, std::int64_t depth,
                                 const ActivationPtr& outer) {
  const ActivationPtr in = activate(outer, statement.recursive_slots);
  const auto loop = std::make_shared<LoopData>();
  loop->depth0 = depth;
  loop->recurse = [this, &statement, outer](const Value& inner, std::int64_t depth0) -> Value {
    return recursive_loop(statement, inner, depth0, outer);
  };
  TextBuilder out = runtime_.builder();
  const Retire retire(*this, in);
  run_loop(statement, iterable, loop, in, out);
  return out.take();
}

// A loop in the function `in`. `loop`: what its body sees under that name, or none.
Interpreter::Flow Interpreter::run_loop(const Statement& statement, const Value& iterable,
                                        const std::shared_ptr<LoopData>& loop, const ActivationPtr& in,
                                        TextBuilder& out) {
  const ActivationPtr& around = statement.recursive ? in->outer : in;
  Value items = iterable;
  if (statement.exprs[1])
    items = make_iterator(tested(statement, iterable, around), iterable.depth(), iterable.source());
  IteratorData::Next next = iterate(runtime_, items);
  if (loop) {
    loop->depth = std::min(items.depth() + 1, kValueDepth);
    loop->iterable = items;
    loop->items = std::move(next);
    next = [loop] { return loop->next(); };
    if (statement.loop >= 0) in->slots[static_cast<std::size_t>(statement.loop)].reset();
  }
  // What loop.changed was asked about may be the loop itself.
  struct Forget {
    LoopData* loop;
    ~Forget() {
      if (loop != nullptr) loop->changed.reset();
    }
  } const forget{loop.get()};
  bool completed =
      false;  // a whole body, which keeps `else` from running; jinja2 counts none that was left early
  while (const auto item = next()) {
    place_ = statement.place;
    if (loop) in->slots[static_cast<std::size_t>(statement.loop)] = Value::of(Kind::kLoop, loop);
    assign(statement.targets[0], *item, in);
    enter(statement.loads[0], in);
    const Flow flow = execute(statement.bodies[0], in, out);
    if (flow == Flow::kBreak) break;
    if (flow == Flow::kNormal) completed = true;
  }
  leave(statement.loads[0], in);
  if (statement.bodies[1].empty() || completed) return Flow::kNormal;
  enter(statement.loads[1], in);
  const Flow flow = execute(statement.bodies[1], in, out);
  leave(statement.loads[1], in);
  return flow;
}

Value Interpreter::make_macro(const FunctionBody& function, const ActivationPtr& outer) {
  auto data = std::make_shared<CallableData>(function.name,
                                             [this, &function, outer](Runtime&, const Arguments& arguments) {
                                               return call_macro(function, outer, arguments);
                                             });
  data->macro = true;
  return Value::of(Kind::kCallable, std::move(data));
}

// Gives parameters their values, as jinja2's Macro.__call__ does.
void Interpreter::place_arguments(const FunctionBody& function, const Arguments& arguments,
                                  const ActivationPtr& in) {
  auto named = arguments.named;
  const auto take = [&](std::string_view name) -> std::optional<Value> {
    for (auto it = named.begin(); it != named.end(); ++it) {
      if (it->first != name) continue;
      Value value = it->second;
      named.erase(it);
      return value;
    }
    return std::nullopt;
  };
  const std::size_t given = std::min(arguments.positional.size(), function.parameters.size());
  bool found_caller = false;
  for (std::size_t i = 0; i < function.parameters.size(); ++i) {
    const Parameter& parameter = function.parameters[i];
    if (parameter.name == "caller") found_caller = true;
    auto& slot = in->slots[static_cast<std::size_t>(parameter.index)];
    slot = i < given ? std::optional(arguments.positional[i]) : take(parameter.name);
  }
  if (function.caller >= 0 && !found_caller) {
    auto caller = take("caller");
    if (!caller || caller->is_none()) caller = runtime_.undefined("no caller is defined");
    in->slots[static_cast<std::size_t>(function.caller)] = caller;
  }
  if (function.kwargs >= 0) {
    auto dict = std::make_shared<DictData>();
    for (const auto& [name, value] : named) dict->set(Text(name), value);
    in->slots[static_cast<std::size_t>(function.kwargs)] = make_dict(std::move(dict));
  } else if (!named.empty()) {
    fail("expected no argument '{}' of macro '{}', got one", printable(named[0].first, 40),
         printable(function.name, 40));
  }
  const auto& positional = arguments.positional;
  if (function.varargs >= 0) {
    in->slots[static_cast<std::size_t>(function.varargs)] =
        Value::tuple({positional.begin() + static_cast<std::ptrdiff_t>(given), positional.end()});
  } else if (positional.size() > given) {
    fail("expected at most {} arguments of macro '{}', got {}", given, printable(function.name, 40),
         positional.size());
  }
}

Value Interpreter::call_macro(const FunctionBody& function, const ActivationPtr& outer,
                              const Arguments& arguments) {
  const Runtime::Level level(runtime_);
  const Place caller = place_;
  const ActivationPtr in = activate(outer, function.slots);
  const Retire retire(*this, in);
  place_arguments(function, arguments, in);
  enter(function.loads, in);
  for (const Parameter& parameter : function.parameters) {
    auto& slot = in->slots[static_cast<std::size_t>(parameter.index)];
    if (slot) continue;
    slot = parameter.fallback
               ? evaluate(*parameter.fallback, in)
               : runtime_.undefined(fmt::format("parameter '{}' was not given", parameter.name));
  }
  TextBuilder out = runtime_.builder();
  execute(function.body, in, out);
  place_ = caller;
  return out.take();
}

}  // namespace refocus::jinja
