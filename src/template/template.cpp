#include "template/template.h"

#include "template/interpreter.h"
#include "template/parse/parser.h"

namespace refocus::jinja {

Settings Settings::of_chat_templates() {
  Settings settings;
  settings.trim_blocks = settings.lstrip_blocks = settings.chat = true;
  return settings;
}

Settings Settings::of_task_templates() {
  Settings settings;
  settings.keep_trailing_newline = settings.strict_undefined = settings.regex_replace = true;
  return settings;
}

Template Template::parse(std::string_view source, std::string name, const Settings& settings) {
  return Template(std::make_shared<const Program>(parsed(source, std::move(name), settings)));
}

const std::string& Template::name() const { return program_->name; }

std::vector<Run> Template::render(const Context& context, const std::tm* now, const Limits& limits) const {
  Runtime runtime(program_->settings, limits, now);
  Interpreter interpreter(*program_, context, runtime);
  Text text;
  try {
    text = interpreter.run();
  } catch (const Failure& failure) {
    const Place place = interpreter.place();
    throw InputError(fmt::format("{}:{}:{}", program_->name, place.line, place.column),
                     failure.message() + "; correct the template or what it is given");
  }
  std::vector<Run> runs;
  std::size_t begin = 0;
  for (const TextRun& run : text.runs()) {
    runs.push_back(
        {std::string(text.bytes().substr(begin, run.end - begin)), run.source.origin, run.source.generation});
    begin = run.end;
  }
  return runs;
}

std::string text_of(const std::vector<Run>& runs) {
  std::string text;
  for (const Run& run : runs) text += run.text;
  return text;
}

}  // namespace refocus::jinja
