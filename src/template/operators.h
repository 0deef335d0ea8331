// Python's operators on values. Failure where Python raises, and where a whole number does not fit into 64
// bits.
#pragma once

#include "template/parse/syntax.h"
#include "template/runtime.h"

namespace refocus::jinja {

Value arithmetic(Runtime& runtime, ExprKind op, const Value& a, const Value& b);
Value negated(const Value& value);
Value positive(const Value& value);

bool compared(Runtime& runtime, Comparison op, const Value& a, const Value& b);
bool equal(Runtime& runtime, const Value& a, const Value& b);
// a < b, for numbers, texts, lists and tuples.
bool less(Runtime& runtime, const Value& a, const Value& b);
bool contains(Runtime& runtime, const Value& container, const Value& item);
// Python's `is`.
bool same(const Value& a, const Value& b);

// Text of both, where either is marked as safe with the other one escaped (markupsafe's Markup).
Text added(Runtime& runtime, const Text& a, const Text& b);
// The text with &, <, >, ' and " as HTML writes them, marked as safe; as it is where it is marked already.
Text escaped_html(Runtime& runtime, const Text& text);

// Range with at most 100,000 items.
Value make_range(std::int64_t start, std::int64_t stop, std::int64_t step, Source source);

}  // namespace refocus::jinja
