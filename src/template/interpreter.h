// Evaluates the tree of a template.
#pragma once

#include "template/parse/syntax.h"
#include "template/runtime.h"

namespace refocus::jinja {

// The variables of a function that runs. Functions made in it may outlive it.
struct Activation {
  std::shared_ptr<Activation> outer;
  std::vector<std::optional<Value>> slots;  // nothing: not set
};
using ActivationPtr = std::shared_ptr<Activation>;

class Interpreter {
 public:
  Interpreter(const Program& program, const Context& context, Runtime& runtime);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;

  Text run();
  // Where evaluation is.
  Place place() const { return place_; }

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  ActivationPtr activate(ActivationPtr outer, int slots);
  // At the end of a function: keeps what functions made in it still need.
  class Retire {
   public:
    Retire(Interpreter& interpreter, ActivationPtr activation)
        : interpreter_(interpreter), activation_(std::move(activation)) {}
    ~Retire();
    Retire(const Retire&) = delete;

   private:
    Interpreter& interpreter_;
    ActivationPtr activation_;
  };

  // interpreter.cpp
  std::optional<Value>& variable(const ActivationPtr& in, Slot slot) const;
  std::optional<Value> resolve(const std::string& name) const;
  void enter(const ScopeLoads& loads, const ActivationPtr& in);
  void leave(const ScopeLoads& loads, const ActivationPtr& in);
  void assign(const Target& target, const Value& value, const ActivationPtr& in);
  Value assigned_value(const Target& target, const ActivationPtr& in) const;
  void check_namespaces(const Target& target, const ActivationPtr& in) const;
  Flow execute(const Body& body, const ActivationPtr& in, TextBuilder& out);
  Flow execute(const Statement& statement, const ActivationPtr& in, TextBuilder& out);
  Flow execute_if(const Statement& statement, const ActivationPtr& in, TextBuilder& out);
  Flow execute_block(const Statement& statement, const ActivationPtr& in, TextBuilder& out);
  Flow execute_with(const Statement& statement, const ActivationPtr& in, TextBuilder& out);
  void print(const Value& value, TextBuilder& out);
  // What a block of call or filter gives must be text.
  void print_text(const Value& value, TextBuilder& out);

  // loops_and_macros.cpp
  Flow execute_for(const Statement& statement, const ActivationPtr& in, TextBuilder& out);
  Flow run_loop(const Statement& statement, const Value& iterable, const std::shared_ptr<LoopData>& loop,
                const ActivationPtr& in, TextBuilder& out);
  Text recursive_loop(const Statement& statement, const Value& iterable, std::int64_t depth,
                      const ActivationPtr& outer);
  IteratorData::Next tested(const Statement& statement, const Value& iterable, const ActivationPtr& outer);
  Value make_macro(const FunctionBody& function, const ActivationPtr& outer);
  Value call_macro(const FunctionBody& function, const ActivationPtr& outer, const Arguments& arguments);
  void place_arguments(const FunctionBody& function, const Arguments& arguments, const ActivationPtr& in);

  // expressions.cpp
  Value evaluate(const Expr& expr, const ActivationPtr& in);
  Value evaluate_operator(const Expr& expr, const ActivationPtr& in);
  Value evaluate_collection(const Expr& expr, const ActivationPtr& in);
  Value evaluate_comparison(const Expr& expr, const ActivationPtr& in);
  Value evaluate_concatenation(const Expr& expr, const ActivationPtr& in);
  Value evaluate_slice(const Expr& expr, const ActivationPtr& in);
  Value evaluate_call(const Expr& expr, const ActivationPtr& in, const Value* caller);
  // A chain of filters, of which the innermost has no expression, on `input`.
  Value evaluate_filters(const Expr& expr, const Value& input, const ActivationPtr& in);
  Value evaluate_filter(const Expr& expr, const Value& input, const ActivationPtr& in);
  Arguments evaluate_arguments(const ArgumentList& list, const ActivationPtr& in);

  const Program& program_;
  const Context& context_;
  Runtime& runtime_;
  Place place_;
  std::vector<ActivationPtr>
      retired_;  // emptied at the end, since functions and their variables hold each other
};

// The values of names that every template has: range, dict, namespace ...; nothing for other names.
std::optional<Value> global(Runtime& runtime, std::string_view name);

}  // namespace refocus::jinja
