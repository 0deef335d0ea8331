// A template, and after "---" the JSON that it is rendered with.
#include "template/template.h"

#include <ctime>
#include <nlohmann/json.hpp>

#include "base/json_reader.h"
#include "base/utf8.h"
#include "target.h"
#include "template/json_value.h"

namespace {

using namespace refocus::jinja;

Context context_of(const std::vector<std::string_view>& parts) {
  Context context;
  if (parts.size() < 2) return context;
  const auto object = refocus::parse_ordered_json_object(parts[1], {"context"});
  for (const auto& [name, value] : object.items()) context.emplace_back(name, from_json(value, 1));
  return context;
}

}  // namespace

REFOCUS_FUZZ_TARGET(jinja_template) {
  const auto parts = refocus::fuzz::parts(input);
  const Context context = context_of(parts);
  const std::tm date{};
  Limits limits;
  limits.steps = 200'000;
  limits.text = std::size_t{1} << 20;
  limits.items = 20'000;
  limits.depth = 300;
  const Settings settings =
      input.size() % 2 == 0 ? Settings::of_chat_templates() : Settings::of_task_templates();
  const Template parsed = Template::parse(parts[0], "t", settings);
  for (const Run& run : parsed.render(context, &date, limits)) {
    refocus::fuzz::require(!run.text.empty() && refocus::is_valid_utf8(run.text), "runs are text");
    refocus::fuzz::require(run.origin <= 1, "origins are those that were given");
  }
}
