// What doc_to_text, doc_to_target and doc_to_choice make of a document (lm_eval/api/task.py), with the origin
// of every byte.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "eval/harness/dataset.h"
#include "eval/harness/task_config.h"
#include "template/value.h"

namespace refocus::harness {

// The fields of a task's documents, numbered: field k is the origin k + 1.
class FieldNames {
 public:
  jinja::OriginId origin(const std::string& name);  // a new name gets the next number
  const std::string& name(jinja::OriginId origin) const { return names_.at(origin - 1); }

 private:
  std::vector<std::string> names_;
};

// Reads documents as one task does.
class DocumentReader {
 public:
  // `features` are the fields of the evaluated split: only these are taken for fields where a wording names
  // one.
  DocumentReader(const TaskConfig& config, std::vector<std::string> features);

  // A text, or another value where the wording names a field of another type, and a whole number where digits
  // are printed beside doc_to_choice. InputError, naming document and key, for fields that are not there and
  // what a template refuses.
  jinja::Value text(const Document& document, const Wording& wording) const;

  // As text(), and a list where one is printed or written.
  jinja::Value target(const Document& document, const Wording& wording) const;

  // InputError for anything but a list.
  std::vector<jinja::Value> choices(const Document& document, const Wording& wording) const;

  // The field of that name, or what the template prints; never None.
  jinja::Text printed(const Document& document, const Wording& wording) const;

  // str() of a value.
  jinja::Text shown(const jinja::Value& value) const;

  const FieldNames& fields() const { return fields_; }

 private:
  bool is_feature(const Wording& wording) const;
  jinja::Value field(const Document& document, const Wording& wording) const;
  jinja::Text rendered(const Document& document, const Wording& wording) const;

  bool has_choices_;
  std::vector<std::string> features_;
  mutable FieldNames fields_;
  jinja::Template shown_;
};

// The text; InputError, naming document and key, for another value.
jinja::Text text_of_value(const jinja::Value& value, const Document& document, const Wording& wording);

}  // namespace refocus::harness
