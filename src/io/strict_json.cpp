#include "io/strict_json.h"

#include <set>
#include <string>
#include <vector>

#include "base/error.h"

namespace refocus {

namespace {

template <class json>
json parse_object(std::string_view text, std::string_view where, std::string_view what, int max_depth) {
  using Event = typename json::parse_event_t;
  std::vector<std::set<std::string>> open_objects;  // the keys so far of each object around the parser
  const auto check = [&](int depth, Event event, const json& parsed) {
    if ((event == Event::object_start || event == Event::array_start) && depth >= max_depth) {
      throw input_error(where, "{} nests deeper than {} levels; make the file again", what, max_depth);
    }
    if (event == Event::object_start) open_objects.emplace_back();
    if (event == Event::object_end) open_objects.pop_back();
    if (event == Event::key && !open_objects.back().insert(parsed.template get<std::string>()).second) {
      throw input_error(where, "{} has the key '{}' twice; make the file again", what,
                        printable(parsed.template get_ref<const std::string&>()));
    }
    return true;
  };
  json parsed;
  try {
    parsed = json::parse(text, check);
  } catch (const typename json::exception& e) {
    throw input_error(where, "{} is not valid JSON ({}); download the file again", what,
                      printable(e.what(), 160));
  }
  if (!parsed.is_object()) {
    throw input_error(where, "{} must be a JSON object, got {}; download the file again", what,
                      parsed.type_name());
  }
  return parsed;
}

}  // namespace

nlohmann::json parse_strict_json_object(std::string_view text, std::string_view where, std::string_view what,
                                        int max_depth) {
  return parse_object<nlohmann::json>(text, where, what, max_depth);
}

nlohmann::ordered_json parse_strict_ordered_json_object(std::string_view text, std::string_view where,
                                                        std::string_view what, int max_depth) {
  return parse_object<nlohmann::ordered_json>(text, where, what, max_depth);
}

}  // namespace refocus
