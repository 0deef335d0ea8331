// `refocus`: runs one subcommand (cli/program.h). Exit status: 0 done, 1 failed, 2 wrong usage.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "cli/program.h"

namespace {

// A file that is opened must not become one of the three standard streams because the caller had closed that:
// results would be printed into it. Such a stream is replaced by one on which every use fails.
void keep_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) == -1) {
      [[maybe_unused]] const int got =
          ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest free number: fd
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  keep_standard_streams();
  std::signal(SIGXFSZ, SIG_IGN);  // a file-size limit is then a failed write with a message
  return refocus::cli::run_program({argv + 1, argv + argc});
}
