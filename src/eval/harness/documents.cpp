#include "eval/harness/documents.h"

#include <algorithm>

#include "base/error.h"
#include "eval/harness/literal.h"
#include "template/json_value.h"

namespace refocus::harness {

namespace {

using jinja::Kind;
using jinja::Text;
using jinja::Value;
using Json = nlohmann::ordered_json;

Text text_of_runs(const std::vector<jinja::Run>& runs) {
  jinja::TextBuilder out(jinja::Limits().text);
  for (const jinja::Run& run : runs) out.add(run.text, jinja::Source{run.origin, run.generation});
  return out.take();
}

// A value that the task's file says itself.
Value own_value(const Wording& wording) {
  return jinja::from_json(wording.value, jinja::kTemplateOrigin, wording.where);
}

const std::string& source_of(const Wording& wording) { return wording.value.get_ref<const std::string&>(); }

}  // namespace

jinja::OriginId FieldNames::origin(const std::string& name) {
  const auto found = std::ranges::find(names_, name);
  if (found != names_.end()) return static_cast<jinja::OriginId>(found - names_.begin()) + 1;
  names_.push_back(name);
  return static_cast<jinja::OriginId>(names_.size());
}

DocumentReader::DocumentReader(const TaskConfig& config, std::vector<std::string> features)
    : has_choices_(config.choice.has_value()),
      features_(std::move(features)),
      shown_(jinja::Template::parse("{{ value }}", "a value", jinja::Settings::of_task_templates())) {}

bool DocumentReader::is_feature(const Wording& wording) const {
  return wording.is_text() && std::ranges::find(features_, source_of(wording)) != features_.end();
}

Value DocumentReader::field(const Document& document, const Wording& wording) const {
  const std::string& name = source_of(wording);
  const auto found = document.fields.find(name);
  if (found == document.fields.end()) {
    throw input_error(document.where, "expected the field '{}' of {}, got none; add it", printable(name),
                      wording.where);
  }
  return jinja::from_json(*found, fields_.origin(name), document.where);
}

Text DocumentReader::rendered(const Document& document, const Wording& wording) const {
  jinja::Context context;
  for (const auto& [name, value] : document.fields.items()) {
    context.emplace_back(name, jinja::from_json(value, fields_.origin(name), document.where));
  }
  try {
    return text_of_runs(wording.compiled->render(context));
  } catch (const InputError& error) {
    throw input_error(document.where, "{}", std::string_view(error.what()));
  }
}

Value DocumentReader::text(const Document& document, const Wording& wording) const {
  if (!wording.is_text()) return own_value(wording);
  if (is_feature(wording)) return field(document, wording);
  Text printed = rendered(document, wording);
  if (!has_choices_ || !is_ascii_digits(printed.bytes())) return Value(printed);
  if (const auto number = literal_value(printed)) return *number;
  throw input_error(document.where,
                    "expected a whole number of {}, got '{}'; correct the data or the template",
                    wording.where, printable(printed.bytes()));
}

Value DocumentReader::target(const Document& document, const Wording& wording) const {
  const Value value = text(document, wording);
  if (!wording.is_text() || is_feature(wording) || !value.is_text()) return value;
  const std::string_view bytes = value.text().bytes();
  if (bytes.size() < 2 || bytes.front() != '[' || bytes.back() != ']') return value;
  return literal_value(value.text()).value_or(value);
}

std::vector<Value> DocumentReader::choices(const Document& document, const Wording& wording) const {
  std::optional<Value> value;
  if (!wording.is_text()) {
    value = own_value(wording);
  } else if (is_feature(wording)) {
    value = field(document, wording);
  } else {
    value = literal_value(rendered(document, wording));
  }
  if (!value || !value->is_items() || value->sequence().items.empty()) {
    throw input_error(
        document.where,
        "expected a list of options of {}, got something else; correct the data or the template",
        wording.where);
  }
  return value->sequence().items;
}

Text DocumentReader::printed(const Document& document, const Wording& wording) const {
  // Here any field of the document counts, whether the evaluated split has it or not.
  if (document.fields.contains(source_of(wording))) {
    const Value value = field(document, wording);
    return value.is_none() ? Text() : text_of_value(value, document, wording);
  }
  return source_of(wording).empty() ? Text() : rendered(document, wording);
}

Text DocumentReader::shown(const Value& value) const {
  if (value.is_text()) return value.text();
  return text_of_runs(shown_.render({{"value", value}}));
}

Text text_of_value(const Value& value, const Document& document, const Wording& wording) {
  if (value.is_text()) return value.text();
  throw input_error(document.where, "expected a text of {}, got {}; correct the data or the task",
                    wording.where, jinja::type_name(value));
}

}  // namespace refocus::harness
