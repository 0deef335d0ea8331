// Python's formatting of texts by "%".
#pragma once

#include "template/runtime.h"

namespace refocus::jinja {

// format % arguments: a tuple gives them one by one, a dict by name, and anything else is the only one. What
// is put in is from where its value is.
Text percent_formatted(Runtime& runtime, const Text& format, const Value& arguments);

}  // namespace refocus::jinja
