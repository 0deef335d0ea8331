// The tree of a template. Names are resolved to slots before it is evaluated (scopes.h).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "template/template.h"
#include "template/value.h"

namespace refocus::jinja {

struct Place {
  int line = 1, column = 1;
};

// Where a variable lies: in the slots of the function that is so many levels around.
struct Slot {
  int up = 0;
  int index = -1;
};

enum class ExprKind : std::uint8_t {
  kConstant,
  kName,
  kTuple,
  kList,
  kDict,         // children: key, value, key, value ...
  kConditional,  // test, then, else or none
  kOr,
  kAnd,
  kNot,
  kCompare,  // what is compared; `operators` stand between
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,
  kFloorDivide,
  kModulo,
  kPower,
  kConcat,
  kNegate,
  kPositive,
  kAttribute,  // of the child, with the name
  kItem,       // of the first child, at the second
  kSlice,      // of the first child: start, stop, step, each or none
  kCall,
  kFilter,  // of the child; none in a filter block
  kTest,
};

enum class Comparison : std::uint8_t {
  kEqual,
  kUnequal,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

struct Expr;
using ExprPtr = std::unique_ptr<Expr>;

struct ArgumentList {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
  ExprPtr more, more_named;  // *more, **more_named
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  Place place;
  int depth = 1;  // levels of expressions within it
  Value constant;
  std::string name;  // of a variable, attribute, filter or test
  std::vector<ExprPtr> children;
  std::vector<Comparison> operators;
  ArgumentList arguments;
  Slot slot;
};

// What is assigned to.
struct Target {
  enum class Kind : std::uint8_t { kName, kAttribute, kTuple } kind = Kind::kName;
  Place place;
  std::string name, attribute;
  std::vector<Target> items;
  Slot slot;
};

// What happens to variables where a scope begins: slots of the running function.
struct Load {
  enum class Kind : std::uint8_t { kResolve, kAlias, kMissing } kind = Kind::kMissing;
  int index = -1;
  std::string name;  // of the context's variable
  Slot from;         // the variable around that it begins as
};
using ScopeLoads = std::vector<Load>;

struct Statement;
using Body = std::vector<std::unique_ptr<Statement>>;

struct Parameter {
  std::string name;
  Place place;
  ExprPtr fallback;  // or none
  int index = -1;
};

// A macro, or the body of a call block.
struct FunctionBody {
  std::string name;
  std::vector<Parameter> parameters;
  Body body;
  ScopeLoads loads;
  int slots = 0;
  int caller = -1, kwargs = -1, varargs = -1;  // their slots where the body reads them
};

enum class StatementKind : std::uint8_t {
  kOutput,      // expressions
  kIf,          // a body for each expression, and one more for else
  kFor,         // expressions: what is walked over, the test or none; bodies: each time, else
  kSet,         // target, expression
  kSetBlock,    // target, body; expression: a chain of filters or none
  kMacro,       // target, function
  kCall,        // expression: the call; function: the body
  kFilter,      // expression: a chain of filters; body
  kWith,        // targets, expressions, body
  kGeneration,  // function: the body
  kBreak,
  kContinue,
};

struct Statement {
  StatementKind kind = StatementKind::kOutput;
  Place place;
  std::vector<ExprPtr> exprs;
  std::vector<Target> targets;
  std::vector<Body> bodies;
  std::vector<ScopeLoads> loads;  // of each body that has a scope of its own
  std::unique_ptr<FunctionBody> function;

  // Of a loop.
  bool recursive = false;
  int loop = -1;       // slot of `loop`, where the body reads it
  Target test_target;  // the target again, in the scope of the test
  ScopeLoads test_loads;
  int test_slots = 0;       // of the function that a test is
  int recursive_slots = 0;  // of the function that a recursive loop is
};

// A whole template.
struct Program {
  std::string name;
  Settings settings;
  Body body;
  ScopeLoads loads;
  int slots = 0;
};

}  // namespace refocus::jinja
