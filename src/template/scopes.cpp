#include "template/scopes.h"

#include "template/filters/filters.h"
#include "template/parse/lexer.h"
#include "template/parse/scope_names.h"

namespace refocus::jinja {
namespace {

// Gives names their slots, scope by scope (jinja2's CodeGenerator).
class Binder {
 public:
  explicit Binder(Program& program) : program_(program) {}

  void run() {
    Function function;
    Scope scope{nullptr, &function, {}, {}};
    Survey(scope).visit(program_.body);
    bind(program_.body, scope);
    program_.loads = loads_of(scope);
    program_.slots = function.slots;
  }

 private:
  static ScopeLoads loads_of(const Scope& scope) {
    ScopeLoads loads;
    for (const auto& [slot, load] : scope.names.loads) loads.push_back(load);
    return loads;
  }

  static Slot slot_of(const std::string& name, const Scope& scope) {
    const Found found = find_around(&scope, name);
    REFOCUS_CHECK(found.function != nullptr);
    return seen_from(scope.function, found);
  }

  void bind(Body& body, Scope& scope) {
    for (const auto& statement : body) bind(*statement, scope);
  }

  void bind(Target& target, const Scope& scope) {
    if (target.kind != Target::Kind::kTuple) target.slot = slot_of(target.name, scope);
    for (Target& item : target.items) bind(item, scope);
  }

  void bind(Expr& expr, const Scope& scope) {
    const bool soft = soft_;
    if (expr.kind == ExprKind::kName) expr.slot = slot_of(expr.name, scope);
    if (expr.kind == ExprKind::kConditional) soft_ = true;
    const bool is_filter = expr.kind == ExprKind::kFilter;
    if (!soft_ && (is_filter || expr.kind == ExprKind::kTest) &&
        !(is_filter ? is_filter_name(expr.name, program_.settings) : is_test_name(expr.name))) {
      syntax_error(program_.name, expr.place,
                   fmt::format("expected the name of a {}, got '{}'", is_filter ? "filter" : "test",
                               printable(expr.name, 40)));
    }
    for_children(expr, [&](const Expr& child) { bind(const_cast<Expr&>(child), scope); });
    soft_ = soft;
  }

  void bind(Statement& s, Scope& scope) {
    if (s.kind == StatementKind::kFor) return bind_loop(s, scope);
    const bool soft = soft_;
    if (s.kind == StatementKind::kIf) soft_ = true;
    const bool inner = s.kind == StatementKind::kFilter || s.kind == StatementKind::kSetBlock;
    if (s.kind != StatementKind::kWith) {
      for (Target& target : s.targets) {
        if (s.kind != StatementKind::kMacro) check_target(target);
        bind(target, scope);
      }
    }
    for (const ExprPtr& expr : s.exprs) {
      if (expr && !inner) bind(*expr, scope);
    }
    if (s.kind == StatementKind::kIf) {
      for (Body& body : s.bodies) bind(body, scope);
    }
    soft_ = false;
    if (inner || s.kind == StatementKind::kWith) bind_block(s, scope);
    if (s.function) bind_function(*s.function, scope);
    soft_ = soft;
  }

  // The block of filter, set or with.
  void bind_block(Statement& s, Scope& around) {
    Scope scope{&around, around.function, {}, {}};
    Survey survey(scope);
    if (s.kind == StatementKind::kWith) {
      for (const Target& target : s.targets) survey.declare(target);
    }
    survey.visit(s.bodies[0]);
    if (s.kind != StatementKind::kWith && s.exprs[0]) {
      survey.visit(*s.exprs[0]);
      bind(*s.exprs[0], scope);
    }
    if (s.kind == StatementKind::kWith) {
      for (Target& target : s.targets) bind(target, scope);
    }
    bind(s.bodies[0], scope);
    s.loads = {loads_of(scope)};
  }

  void bind_function(FunctionBody& body, Scope& around) {
    Function function{around.function, 0};
    Scope scope{&around, &function, {}, {}};
    Survey survey(scope);
    for (const Parameter& parameter : body.parameters) survey.declare(parameter.name);
    const auto read = read_names(body.body, {"caller", "kwargs", "varargs"});
    const auto special = [&](const char* name) {
      if (!read.contains(name) || scope.names.slots.contains(name)) return -1;
      survey.declare(name);
      return scope.names.slots.at(name);
    };
    check_caller(body, read.contains("caller"));
    body.caller = special("caller");
    body.kwargs = special("kwargs");
    body.varargs = special("varargs");
    for (Parameter& parameter : body.parameters) {
      parameter.index = scope.names.slots.at(parameter.name);
      if (parameter.fallback) survey.visit(*parameter.fallback);
    }
    survey.visit(body.body);
    for (Parameter& parameter : body.parameters) {
      if (parameter.fallback) bind(*parameter.fallback, scope);
    }
    bind(body.body, scope);
    body.loads = loads_of(scope);
    body.slots = function.slots;
  }

  // A parameter called `caller` whose value the body reads needs a default, since it may not be given.
  void check_caller(const FunctionBody& body, bool read) const {
    for (const Parameter& parameter : body.parameters) {
      if (read && parameter.name == "caller" && !parameter.fallback) {
        syntax_error(program_.name, parameter.place,
                     "expected a default of the parameter 'caller', got none");
      }
    }
  }

  void check_target(const Target& target) const {
    if (loops_ > 0 && target.kind == Target::Kind::kName && target.name == "loop") {
      syntax_error(program_.name, target.place,
                   "expected another name than 'loop' to assign to within a loop, got it");
    }
    for (const Target& item : target.items) check_target(item);
  }

  void bind_loop(Statement& s, Scope& around) {
    bind(*s.exprs[0], around);
    ++loops_;
    check_target(s.targets[0]);
    const bool soft = std::exchange(soft_, false);
    Function function{around.function, 0};
    Scope scope{&around, s.recursive ? &function : around.function, {}, {}};
    Survey survey(scope);
    const bool reads_loop = s.recursive || !read_names(s.bodies[0], {"loop"}).empty();
    if (reads_loop) {
      survey.declare("loop");
      s.loop = scope.names.slots.at("loop");
    }
    survey.declare(s.targets[0]);
    survey.visit(s.bodies[0]);
    bind(s.targets[0], scope);
    bind(s.bodies[0], scope);

    Scope otherwise{&around, scope.function, {}, {}};
    Survey(otherwise).visit(s.bodies[1]);
    bind(s.bodies[1], otherwise);
    if (s.exprs[1]) bind_loop_test(s, around);
    s.loads = {loads_of(scope), loads_of(otherwise)};
    s.recursive_slots = function.slots;
    soft_ = soft;
    --loops_;
  }

  // The test is a function of its own, since it is asked for one item after the other.
  void bind_loop_test(Statement& s, Scope& around) {
    Function function{around.function, 0};
    Scope scope{&around, &function, {}, {}};
    Survey survey(scope);
    survey.declare(s.test_target);
    survey.visit(*s.exprs[1]);
    bind(s.test_target, scope);
    bind(*s.exprs[1], scope);
    s.test_loads = loads_of(scope);
    s.test_slots = function.slots;
  }

  Program& program_;
  bool soft_ = false;  // within `if`: filters and tests may be unknown
  int loops_ = 0;
};

}  // namespace

void resolve_names(Program& program) { Binder(program).run(); }

}  // namespace refocus::jinja
