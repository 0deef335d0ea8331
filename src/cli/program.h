// The program without its process: a command line is parsed and its subcommand run, in main() or in another
// program.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "cli/options/model_options.h"

namespace refocus::cli {

// The command line is none: the message is what is said, without [where].
class CommandLineError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Computes with the instruction set that REFOCUS_SIMD names, where it names one. InputError as
// limit_instruction_set.
void use_instruction_set_of_environment();

// Runs the arguments behind the program's name, which become the command line of records. An error is one
// line on standard error. The exit status: 0, what asking for help ends with, or that of failure_of.
int run_program(std::vector<std::string> arguments);

// Runs them within another program, computing with an open model where one is given: messages go to spdlog's
// default logger as it is, signals stay that program's, and what the command prints is returned. One at a
// time in the whole process. CommandLineError for what cannot be parsed; other errors as the command throws
// them. `recorded`: what a run's record says instead of the command line; the call that was made.
std::string run_embedded(std::vector<std::string> arguments, RunningModel* model,
                         const std::string& recorded);

// What an error is to a user: a line, and the status that the program ends with.
struct Failure {
  std::string message;
  int status = 1;
};
Failure failure_of(const std::exception& error);
// One line on standard error, whatever the names of files and the texts in it hold; gives the status.
int say_failure(const Failure& failure);

}  // namespace refocus::cli
