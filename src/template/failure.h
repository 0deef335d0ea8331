// What goes wrong while a template is evaluated, before it is known where: Template::render adds the place.
#pragma once

#include <fmt/core.h>

#include <string>

#include "base/error.h"

namespace refocus::jinja {

// `what()` is a whole message, for values that are made outside of any template.
class Failure : public InputError {
 public:
  explicit Failure(std::string message)
      : InputError("template", message + "; correct the template or what it is given"),
        message_(std::move(message)) {}
  const std::string& message() const { return message_; }

 private:
  std::string message_;
};

// fail("expected {}, got {}", ...): of one line, without a remedy, which is added.
template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw Failure(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace refocus::jinja
