#include "template/parse/scope_names.h"

namespace refocus::jinja {

Found find_around(const Scope* scope, const std::string& name) {
  for (; scope != nullptr; scope = scope->parent) {
    if (const auto slot = scope->names.slots.find(name); slot != scope->names.slots.end()) {
      return {scope->function, slot->second};
    }
  }
  return {};
}

Slot seen_from(const Function* function, Found found) {
  Slot slot{0, found.index};
  for (; function != found.function; function = function->outer) ++slot.up;
  return slot;
}

namespace {

// Which of some names a body reads before it gives them another meaning (jinja2's find_undeclared).
class ReadNames {
 public:
  explicit ReadNames(std::set<std::string> names) : names_(std::move(names)) {}

  std::set<std::string> of(const Body& body) {
    visit(body);
    return read_;
  }

 private:
  void visit(const Body& body) {
    for (const auto& statement : body) visit(*statement);
  }
  void visit(const Target& target) {
    if (target.kind == Target::Kind::kName) names_.erase(target.name);
    for (const Target& item : target.items) visit(item);
  }
  void visit(const Expr& expr) {
    if (expr.kind == ExprKind::kName) {
      if (names_.contains(expr.name)) read_.insert(expr.name);
      return;
    }
    for_children(expr, [&](const Expr& child) { visit(child); });
  }
  void visit(const Statement& s) {
    const bool is_filter = s.kind == StatementKind::kFilter, is_loop = s.kind == StatementKind::kFor;
    if (s.kind != StatementKind::kMacro) {
      for (const Target& target : s.targets) visit(target);
    }
    if (is_filter || is_loop) {
      if (is_loop) visit(*s.exprs[0]);
      for (const Body& body : s.bodies) visit(body);
      if (const ExprPtr& last = s.exprs.back()) visit(*last);
      return;
    }
    for (const ExprPtr& expr : s.exprs) {
      if (expr) visit(*expr);
    }
    if (s.function) {
      for (const Parameter& parameter : s.function->parameters) names_.erase(parameter.name);
      for (const Parameter& parameter : s.function->parameters) {
        if (parameter.fallback) visit(*parameter.fallback);
      }
      visit(s.function->body);
    }
    for (const Body& body : s.bodies) visit(body);
  }

  std::set<std::string> names_, read_;
};

}  // namespace

std::set<std::string> read_names(const Body& body, std::set<std::string> names) {
  return ReadNames(std::move(names)).of(body);
}

}  // namespace refocus::jinja
