#include "template/filters/filters.h"

#include <algorithm>

namespace refocus::jinja {
namespace {

constexpr std::string_view kRegexReplace = "regex_replace";

Filter find_filter(std::string_view name) {
  for (const auto filters :
       {text_filters(), layout_filters(), item_filters(), order_filters(), number_filters()}) {
    const auto found = std::ranges::find(filters, name, &NamedFilter::name);
    if (found != filters.end()) return found->filter;
  }
  return nullptr;
}

}  // namespace

bool is_filter_name(std::string_view name, const Settings& settings) {
  return find_filter(name) != nullptr || (settings.regex_replace && name == kRegexReplace);
}

Value apply_filter(Runtime& runtime, std::string_view name, const Value& input, const Arguments& arguments) {
  const Runtime::Level level(runtime);
  runtime.charge(1);
  if (runtime.settings.regex_replace && name == kRegexReplace)
    return regex_replace(runtime, input, arguments);
  const Filter filter = find_filter(name);
  if (filter == nullptr) fail("expected the name of a filter, got '{}'", printable(name, 40));
  return filter(runtime, input, arguments);
}

}  // namespace refocus::jinja
