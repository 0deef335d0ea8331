// The functions that every template has.
#include "template/interpreter.h"
#include "template/operators.h"

namespace refocus::jinja {
namespace {

Value range(Runtime&, const Arguments& arguments) {
  const auto given = bound("range", arguments, {"", "", ""}, 1);
  Source source;
  std::int64_t numbers[3] = {0, 0, 1};
  for (std::size_t i = 0; i < 3 && given[i]; ++i) {
    numbers[i] = whole_argument("range", *given[i]);
    source = joined(source, given[i]->source());
  }
  if (!given[1]) std::swap(numbers[0], numbers[1]);
  return make_range(numbers[0], numbers[1], numbers[2], source);
}

// What dict(...) and namespace(...) hold: of a dict or of pairs, and of named arguments.
void fill(Runtime& runtime, DictData& dict, std::string_view function, const Arguments& arguments) {
  const auto put = [&](const Value& key, const Value& value) {
    refuse_strict(key);
    if (!dict.set(key, value)) fail("expected keys of a dict in '{}', got {}", function, type_name(key));
  };
  if (arguments.positional.size() > 1)
    fail("expected at most one dict in '{}', got {}", function, arguments.positional.size());
  for (const Value& from : arguments.positional) {
    if (from.is_dict()) {
      for (const auto& [key, value] : from.dict().members) put(key, value);
      continue;
    }
    for (const Value& pair : listed(runtime, from)) {
      const std::vector<Value> two = listed(runtime, pair);
      if (two.size() != 2)
        fail("expected pairs of keys and values in '{}', got {} values", function, two.size());
      put(two[0], two[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) put(Text(name), value);
}

Value dict(Runtime& runtime, const Arguments& arguments) {
  auto data = std::make_shared<DictData>();
  fill(runtime, *data, "dict", arguments);
  const bool of_data = !arguments.positional.empty();
  return make_dict(std::move(data), of_data ? arguments.positional[0].source() : Source());
}

Value make_space(Runtime& runtime, const Arguments& arguments) {
  const Value space = runtime.make_namespace();
  DictData& attributes = static_cast<const NamespaceData&>(*space.object()).attributes;
  fill(runtime, attributes, "namespace", arguments);
  for (const auto& [key, value] : attributes.members) {
    if (runtime.settings.chat && key.is_text() && key.text().bytes().starts_with('_')) {
      fail("expected attributes of a namespace that do not begin with '_', got '{}'",
           printable(key.text().bytes(), 40));
    }
  }
  return space;
}

Value joiner(Runtime& runtime, const Arguments& arguments) {
  const auto given = bound("joiner", arguments, {"sep"}, 0);
  const Value separator = given[0].value_or(Text(", "));
  runtime.charge(10);
  return callable(
      "joiner",
      [separator, used = std::make_shared<bool>(false)](Runtime&, const Arguments& none) -> Value {
        bound("joiner", none, {}, 0);
        return std::exchange(*used, true) ? separator : Text();
      },
      separator.depth() + 1);
}

[[noreturn]] void raise_exception(Runtime& runtime, const Arguments& arguments) {
  const auto given = bound("raise_exception", arguments, {"message"}, 1);
  fail("the template refuses what it is given: '{}'", printable(str(runtime, *given[0]).bytes(), 400));
}

Value strftime_now(Runtime& runtime, const Arguments& arguments) {
  const auto given = bound("strftime_now", arguments, {"format"}, 1);
  const Text format = text_argument("strftime_now", *given[0]);
  if (runtime.now == nullptr) fail("expected no use of 'strftime_now', since no date is given, got one");
  if (format.size() > 1000)
    fail("expected a format of at most 1000 bytes in 'strftime_now', got {}", format.size());
  // With a character more, nothing as a result means that the buffer is too small.
  const std::string ended = std::string(format.bytes()) + ".";
  std::string out(64 * 1024, '\0');
  const std::size_t size = std::strftime(out.data(), out.size(), ended.c_str(), runtime.now);
  if (size == 0) fail("expected a format of a date in 'strftime_now', got one that is too long");
  return Text(std::string_view(out).substr(0, size - 1), format.source());
}

Value not_read(Runtime&, const Arguments&) {
  fail("expected no use of 'cycler' and 'lipsum', which are not read, got one");
}

}  // namespace

std::optional<Value> global(Runtime& runtime, std::string_view name) {
  const auto function = [&](auto does) { return callable(std::string(name), does); };
  if (name == "range") return function(range);
  if (name == "dict") return function(dict);
  if (name == "namespace") return function(make_space);
  if (name == "joiner") return function(joiner);
  if (name == "cycler" || name == "lipsum") return function(not_read);
  if (runtime.settings.chat && name == "raise_exception") {
    return callable(std::string(name),
                    [](Runtime& at, const Arguments& given) -> Value { raise_exception(at, given); });
  }
  if (runtime.settings.chat && name == "strftime_now") return function(strftime_now);
  return std::nullopt;
}

}  // namespace refocus::jinja
