// Libraries of the program that are loaded while it runs, since they need what not every machine has.
#pragma once

#include <string>
#include <vector>

namespace refocus {

struct LoadedLibrary {
  const char* where;     // for messages
  const char* name;      // "librefocus_cuda.so"
  const char* variable;  // of the environment, which names another one
  // Folders, beside the program's own, where it may be; relative to that.
  std::vector<std::string> folders;
  std::string remedy;         // "build the program with ..."
  bool shares_names = false;  // with libraries that it loads itself
};

// What dlopen gives; never closed, since code and exceptions live in it. It is looked for where the variable
// says, and otherwise beside the program, in the folders, and where the system looks. InputError, which says
// why each of these would not do.
void* load_library(const LoadedLibrary& library);

}  // namespace refocus
