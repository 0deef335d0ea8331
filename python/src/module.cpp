// The extension module refocus._core: what the package's Python calls. Its names are the package's own, and
// may change at any time; refocus/__init__.py has those for users.
#include <nanobind/nanobind.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "bindings.h"
#include "cli/program.h"

namespace nb = nanobind;

namespace refocus::python {

void bind_errors(nb::module_& m) {
  // Those that are registered last are tried first.
  static nb::object input = nb::exception<InputError>(m, "InputError", PyExc_ValueError);
  static nb::object usage = nb::exception<UsageError>(m, "UsageError", input.ptr());
  input.attr("__doc__") =
      "Input that cannot be used: a file, a model, a setting. The message says what to do.";
  usage.attr("__doc__") = "A wrong argument.";
  nb::register_exception_translator([](const std::exception_ptr& error, void*) {
    try {
      std::rethrow_exception(error);
    } catch (const cli::CommandLineError& e) {
      PyErr_SetString(usage.ptr(), e.what());
    } catch (const std::filesystem::filesystem_error& e) {
      PyErr_SetString(PyExc_OSError, cli::failure_of(e).message.c_str());
    }
  });
}

}  // namespace refocus::python

NB_MODULE(_core, m) {
  using namespace refocus::python;
  // What is still there when the interpreter ends is no fault of the program that it ends.
  nanobind::set_leak_warnings(std::getenv("REFOCUS_WARN_OF_LEAKS") != nullptr);
  m.attr("version") = REFOCUS_VERSION;
  bind_errors(m);
  bind_program(m);
  bind_model(m);
  bind_generation(m);
  bind_measures(m);
  bind_own(m);
}
