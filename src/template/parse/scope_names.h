// Which names a scope of a template has, and what they begin as.
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/error.h"
#include "template/parse/syntax.h"

namespace refocus::jinja {

// What runs with slots of its own: the template, a macro, the test and the body of some loops.
struct Function {
  Function* outer = nullptr;
  int slots = 0;
};

// What is known of the names of a scope. Branches of an `if` begin with a copy, and are merged afterwards.
struct Names {
  std::map<std::string, int> slots;
  std::map<int, Load> loads;
  std::set<std::string> stored;
};

struct Scope {
  Scope* parent = nullptr;
  Function* function = nullptr;
  std::map<std::string, int> all;  // slots of names of any branch
  Names names;
};

struct Found {
  Function* function = nullptr;
  int index = -1;
};

// The variable of that name in a scope or around it; without a function where there is none.
Found find_around(const Scope* scope, const std::string& name);
Slot seen_from(const Function* function, Found found);

// Calls visit(expr) for the expressions directly within one, in jinja2's order.
template <class Visit>
void for_children(const Expr& expr, const Visit& visit) {
  const auto maybe = [&](const ExprPtr& child) {
    if (child) visit(*child);
  };
  for (const ExprPtr& child : expr.children) maybe(child);
  for (const ExprPtr& child : expr.arguments.positional) maybe(child);
  for (const auto& [name, child] : expr.arguments.named) maybe(child);
  maybe(expr.arguments.more);
  maybe(expr.arguments.more_named);
}

// Which of some names a body reads before it gives them another meaning (jinja2's find_undeclared).
std::set<std::string> read_names(const Body& body, std::set<std::string> names);

// Fills the names of a scope from what runs in it (jinja2's FrameSymbolVisitor).
class Survey {
 public:
  explicit Survey(Scope& scope) : scope_(scope) {}

  void declare(const std::string& name) {
    names().stored.insert(name);
    names().loads.erase(define(name));
  }
  void declare(const Target& target) {
    if (target.kind == Target::Kind::kName) declare(target.name);
    if (target.kind == Target::Kind::kAttribute) load(target.name);
    for (const Target& item : target.items) declare(item);
  }

  void visit(const Body& body) {
    for (const auto& statement : body) visit(*statement);
  }
  void visit(const Expr& expr) {
    if (expr.kind == ExprKind::kName) load(expr.name);
    for_children(expr, [&](const Expr& child) { visit(child); });
  }

 private:
  Names& names() { return scope_.names; }

  int define(const std::string& name) {
    const auto [slot, fresh] = scope_.all.emplace(name, scope_.function->slots);
    if (fresh) ++scope_.function->slots;
    names().slots[name] = slot->second;
    return slot->second;
  }

  void load(const std::string& name) {
    if (find_around(&scope_, name).function != nullptr) return;
    const int slot = define(name);
    names().loads[slot] = {Load::Kind::kResolve, slot, name, {}};
  }

  void store(const std::string& name) {
    names().stored.insert(name);
    if (names().slots.contains(name)) return;
    const int slot = define(name);
    names().loads[slot] = begin_as_around(slot, name, Load::Kind::kMissing);
  }
  void store(const Target& target) {
    if (target.kind == Target::Kind::kName) store(target.name);
    if (target.kind == Target::Kind::kAttribute) load(target.name);
    for (const Target& item : target.items) store(item);
  }

  // The variable begins as the one around of that name, or otherwise as `kind` says.
  Load begin_as_around(int slot, const std::string& name, Load::Kind kind) const {
    if (const Found outer = find_around(scope_.parent, name); outer.function != nullptr) {
      return {Load::Kind::kAlias, slot, name, seen_from(scope_.function, outer)};
    }
    return {kind, slot, name, {}};
  }

  void visit(const Statement& s) {
    switch (s.kind) {
      case StatementKind::kIf:
        return branches(s);
      case StatementKind::kFor:
        return visit(*s.exprs[0]);
      case StatementKind::kMacro:
        return store(s.targets[0].name);
      case StatementKind::kSetBlock:
        return store(s.targets[0]);
      default:
        for (const ExprPtr& expr : s.exprs) {
          if (expr) visit(*expr);
        }
        if (s.kind == StatementKind::kSet) store(s.targets[0]);
    }
  }

  void branches(const Statement& s) {
    visit(*s.exprs[0]);
    std::vector<Names> ends = {after([&] { visit(s.bodies[0]); })};
    ends.push_back(after([&] {
      for (std::size_t i = 1; i < s.exprs.size(); ++i) {
        visit(*s.exprs[i]);
        merge({after([&] { visit(s.bodies[i]); })});
      }
    }));
    if (s.bodies.size() > s.exprs.size()) ends.push_back(after([&] { visit(s.bodies.back()); }));
    merge(ends);
  }

  // The names after `run`, which begins with those there are now; these stay.
  template <class Run>
  Names after(const Run& run) {
    copied_ += names().slots.size();
    if (copied_ > kMostCopied) {
      throw InputError("template",
                       "expected fewer variables and branches in one scope, got more; shorten the template");
    }
    Names before = names();
    run();
    return std::exchange(names(), std::move(before));
  }

  // What is set in some branch only begins as what the name meant before.
  void merge(const std::vector<Names>& ends) {
    std::set<std::string> stored;
    for (const Names& end : ends) stored.insert(end.stored.begin(), end.stored.end());
    std::erase_if(stored, [&](const std::string& name) { return names().stored.contains(name); });
    for (const Names& end : ends) {
      for (const auto& [name, slot] : end.slots) names().slots[name] = slot;
      for (const auto& [slot, load] : end.loads) names().loads[slot] = load;
      names().stored.insert(end.stored.begin(), end.stored.end());
    }
    for (const std::string& name : stored) {
      const int slot = names().slots.at(name);
      names().loads[slot] = begin_as_around(slot, name, Load::Kind::kResolve);
    }
  }

  // Branches times variables: what a scope costs grows with both.
  static constexpr std::size_t kMostCopied = 2'000'000;
  std::size_t copied_ = 0;
  Scope& scope_;
};

}  // namespace refocus::jinja
