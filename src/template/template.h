// Jinja templates, as models carry for chats and evaluations write for prompts, rendered with the origin of
// every byte.
//
// What is read is the language of jinja2 3.1 (https://jinja.palletsprojects.com/en/stable/templates/) without
// inheritance, inclusion and imports, in the settings of transformers' `apply_chat_template`
// (utils/chat_template_utils.py) or of lm-evaluation-harness (utils.py); docs/templates.md lists what is
// there and what differs. A template reaches nothing but its context: no files, no clock, no random numbers.
// Errors are InputErrors "[NAME:LINE:COLUMN] ..."; columns count characters from 1.
#pragma once

#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "template/value.h"

namespace refocus::jinja {

struct Settings {
  bool trim_blocks = false;            // the newline behind a block tag is dropped
  bool lstrip_blocks = false;          // blanks of a line before a block tag are dropped
  bool keep_trailing_newline = false;  // otherwise one newline at the end of the template is dropped
  bool strict_undefined = false;       // jinja2's StrictUndefined instead of Undefined
  bool chat = false;  // what transformers adds: raise_exception, strftime_now, {% break %}, {% continue %},
                      // {% generation %}, and a tojson that leaves HTML's characters alone
  bool regex_replace = false;  // what lm-evaluation-harness adds: the filter of that name

  static Settings of_chat_templates();  // transformers
  static Settings of_task_templates();  // lm-evaluation-harness
};

// How far a template may go before it is refused.
struct Limits {
  std::size_t steps = 20'000'000;  // evaluated nodes, and items and text handled by filters and methods
  std::size_t text = std::size_t{1} << 26;  // bytes of the output and of any text on the way
  std::size_t items = 1'000'000;            // of any list on the way
  int depth = 1'000;                        // of calls and of statements and expressions within each other
};

// Some of the output: text of one source.
struct Run {
  std::string text;
  OriginId origin = kTemplateOrigin;
  bool generation = false;  // inside {% generation %}
  bool operator==(const Run&) const = default;
};

// The names that a template sees, with their values.
using Context = std::vector<std::pair<std::string, Value>>;

struct Program;

class Template {
 public:
  // `name` is for messages: a file, or "chat template of MODEL". InputError where the source is no template.
  static Template parse(std::string_view source, std::string name, const Settings& settings);

  // The output, in order; neighbours differ in origin or generation. `now` is the local time that
  // strftime_now tells; InputError where the template asks for it and there is none. InputError for what the
  // template refuses (raise_exception), what goes wrong, and past a limit. One template may be rendered by
  // several threads at once.
  std::vector<Run> render(const Context& context, const std::tm* now = nullptr,
                          const Limits& limits = {}) const;

  const std::string& name() const;

 private:
  explicit Template(std::shared_ptr<const Program> program) : program_(std::move(program)) {}
  std::shared_ptr<const Program> program_;
};

// The text of runs.
std::string text_of(const std::vector<Run>& runs);

}  // namespace refocus::jinja
