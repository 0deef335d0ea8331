// What may stand where the cursor is in a command line, by the program's own definitions: for the scripts of
// completion_scripts.h.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::cli {

struct CompletionWord {
  std::string text, meaning;
};

struct Completion {
  std::vector<CompletionWord> words;        // whole ones that begin with what is typed
  bool files = false, directories = false;  // beside them, files or folders may be named
  bool open = false;                        // a word may go on: no blank is to follow it
};

// `words`: those after the program's name; the last one is being typed, and may be empty.
Completion complete(const CLI::App& app, std::vector<std::string> words);

// A line up to the cursor as a POSIX shell takes it apart, quotes and backslashes included; a last empty word
// where it ends with a blank.
std::vector<std::string> words_of_line(std::string_view line);

// A line a word, "TEXT\tMEANING", and ":" with what else: ":files open".
std::string completion_text(const Completion& completion);

}  // namespace refocus::cli
