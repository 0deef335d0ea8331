// The program's commands within Python, its messages, and Ctrl-C.
#include "cli/program.h"

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <cstdlib>

#include "base/checkpoint.h"
#include "bindings.h"
#include "cli/commands.h"
#include "kernels/instruction_set.h"
#include "opened/bundled.h"

namespace nb = nanobind;

namespace refocus::python {
namespace {

// Messages become records of the logger "refocus". No lock is held while the interpreter is waited for.
class PythonSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const nb::gil_scoped_acquire gil;
    const int level = message.level >= spdlog::level::err    ? 40
                      : message.level >= spdlog::level::warn ? 30
                                                             : 20;
    try {
      nb::module_::import_("logging").attr("getLogger")("refocus").attr("log")(
          level, "%s", nb::str(message.payload.data(), message.payload.size()));
    } catch (nb::python_error& error) {
      error.discard_as_unraisable("a message of refocus");
    }
  }
  void flush_() override {}
};

void send_messages_to_python() {
  auto logger = std::make_shared<spdlog::logger>("refocus-python", std::make_shared<PythonSink>());
  logger->set_level(spdlog::level::warn);
  spdlog::set_default_logger(std::move(logger));
}

// At the interpreter's end.
void send_messages_to_stderr() {
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("refocus", std::make_shared<spdlog::sinks::stderr_color_sink_mt>()));
}

// Long work looks here for Ctrl-C, some times a second.
void look_for_interrupts() {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point next;
  const Clock::time_point now = Clock::now();
  if (now < next) return;
  next = now + std::chrono::milliseconds(50);
  const nb::gil_scoped_acquire gil;
  if (PyErr_CheckSignals() != 0) throw nb::python_error();
}

// Commands share what they print to, so one runs at a time.
std::mutex& one_command() {
  static std::mutex mutex;
  return mutex;
}

std::string run(std::vector<std::string> arguments, Model* model, const std::string& recorded) {
  const nb::gil_scoped_release release;
  const std::scoped_lock command(one_command());
  if (model == nullptr) return cli::run_embedded(std::move(arguments), nullptr, recorded);
  const auto lock = model->computing();
  return cli::run_embedded(std::move(arguments), &model->running(), recorded);
}

// The program itself: `refocus ARGUMENTS` of a shell, in this process. The exit status.
int run_as_program(std::vector<std::string> arguments) {
  set_checkpoint(nullptr);
  const nb::gil_scoped_release release;
  const int status = cli::run_program(std::move(arguments));
  std::fflush(nullptr);
  send_messages_to_stderr();
  return status;
}

}  // namespace

void bind_program(nb::module_& m) {
  cli::use_instruction_set_of_environment();
  send_messages_to_python();
  set_checkpoint(look_for_interrupts);
  nb::module_::import_("atexit").attr("register")(nb::cpp_function([] {
    set_checkpoint(nullptr);
    send_messages_to_stderr();
  }));
  m.def(
      "show_info",
      [](bool on) { spdlog::default_logger()->set_level(on ? spdlog::level::info : spdlog::level::warn); },
      nb::arg("on"), "Whether messages of level INFO are made, and lines of progress on standard error.");
  m.def("run", &run, nb::arg("arguments"), nb::arg("model").none(), nb::arg("recorded"),
        "Runs a command, with an open model where one is given. What it prints.");
  m.def("run_as_program", &run_as_program, nb::arg("arguments"),
        "Runs the arguments as the program `refocus` does. The exit status.");
  m.def("version_text", &cli::version_text, "What `refocus --version` prints.");
  m.def("instruction_set", &instruction_set, "The instruction set in use, such as 'AVX2'.");
  m.def("instruction_sets", &instruction_sets, "Names that this processor can run, the best first.");
  m.def(
      "limit_instruction_set", [](const std::string& name) { limit_instruction_set(name, "simd"); },
      nb::arg("name"), "From now on uses this one or what is below it; while nothing computes.");
  m.def("add_bundle_place", &add_bundle_place, nb::arg("path"),
        "A directory with models/ and data/ that come with the package.");
  m.def(
      "default_data", [](const std::string& task) { return default_data(task).string(); }, nb::arg("task"));
}

}  // namespace refocus::python
