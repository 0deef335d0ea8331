// Finds out which variable each name of a template means, by jinja2's rules of scopes.
//
// Loops, macros, and blocks of call, filter, set and with have scopes of their own, `if` has none. As in
// jinja2 (idtracking.py), a scope is looked at as a whole before it runs: a name that is set anywhere in it
// is a variable of that scope from its beginning, which starts as the variable around it of that name, or as
// the context's where it is read first.
#pragma once

#include "template/parse/syntax.h"

namespace refocus::jinja {

// Fills in slots, and what happens where scopes begin. InputError for a loop that assigns to `loop`, and for
// filters and tests that there are not; within `if`, those are errors only where they are used.
void resolve_names(Program& program);

}  // namespace refocus::jinja
