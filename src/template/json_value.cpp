#include "template/json_value.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus::jinja {
namespace {

using Json = nlohmann::ordered_json;

// A key within a JSON pointer (RFC 6901, section 3).
std::string escaped_key(const std::string& key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

// JSON that was not read from a text may hold other bytes.
std::string utf8_of(const std::string& text) {
  return is_valid_utf8(text) ? text : replace_invalid_utf8(text);
}

class Reader {
 public:
  Reader(const OriginOf& origin, const std::string& where) : origin_(origin), where_(where) {}

  Value read(const Json& json, const std::string& pointer) const {
    const Source source{origin_(pointer)};
    switch (json.type()) {
      case Json::value_t::null:
        return Value::none(source);
      case Json::value_t::boolean:
        return Value::boolean(json.get<bool>(), source);
      case Json::value_t::number_integer:
        return Value::integer(json.get<std::int64_t>(), source);
      case Json::value_t::number_unsigned:
        if (json.get<std::uint64_t>() > std::uint64_t{INT64_MAX}) {
          throw input_error(where_, "expected whole numbers up to {} as '{}', got {}; write it as a text",
                            INT64_MAX, printable(pointer), json.get<std::uint64_t>());
        }
        return Value::integer(json.get<std::int64_t>(), source);
      case Json::value_t::number_float:
        return Value::number(json.get<double>(), source);
      case Json::value_t::string:
        return Text(utf8_of(json.get_ref<const std::string&>()), source);
      case Json::value_t::array:
        return list(json, pointer, source);
      default:
        return object(json, pointer, source);
    }
  }

 private:
  Value list(const Json& json, const std::string& pointer, Source source) const {
    std::vector<Value> items;
    for (std::size_t i = 0; i < json.size(); ++i)
      items.push_back(read(json[i], fmt::format("{}/{}", pointer, i)));
    return Value::list(std::move(items), source);
  }

  Value object(const Json& json, const std::string& pointer, Source source) const {
    auto data = std::make_shared<DictData>();
    for (const auto& [key, value] : json.items()) {
      data->set(Text(utf8_of(key), source), read(value, fmt::format("{}/{}", pointer, escaped_key(key))));
    }
    return make_dict(std::move(data), source);
  }

  const OriginOf& origin_;
  const std::string& where_;
};

}  // namespace

Value from_json(const nlohmann::ordered_json& json, OriginId origin, const std::string& where) {
  return from_json(
      json, [origin](const std::string&) { return origin; }, where);
}

Value from_json(const nlohmann::ordered_json& json, const OriginOf& origin, const std::string& where) {
  return Reader(origin, where).read(json, "");
}

}  // namespace refocus::jinja
