// The filters and tests of jinja2, by name.
#pragma once

#include "template/runtime.h"

namespace refocus::jinja {

using Filter = Value (*)(Runtime& runtime, const Value& input, const Arguments& arguments);
struct NamedFilter {
  std::string_view name;
  Filter filter;
};

// Of each file, its filters.
std::span<const NamedFilter> text_filters();
std::span<const NamedFilter> layout_filters();
std::span<const NamedFilter> item_filters();
std::span<const NamedFilter> order_filters();
std::span<const NamedFilter> number_filters();

bool is_filter_name(std::string_view name, const Settings& settings);
bool is_test_name(std::string_view name);

// Failure for an unknown name, for wrong arguments, and where jinja2's filter raises.
Value apply_filter(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments);
bool apply_test(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments);

// tojson: as transformers' (json.dumps without escapes of HTML) in chat templates, as jinja2's own otherwise.
Value to_json(Runtime& runtime, const Value& input, const Arguments& arguments);
// regex_replace of lm-evaluation-harness: Python's re.sub.
Value regex_replace(Runtime& runtime, const Value& input, const Arguments& arguments);

// The item at "a.b.0" within a value, as map(attribute=...) looks it up.
Value item_at_path(Runtime& runtime, const Value& value, const Value& path, const Value* fallback = nullptr);
// Texts in lower case, all else as it is: what sort and groupby compare.
Value without_case(Runtime& runtime, const Value& value);

}  // namespace refocus::jinja
