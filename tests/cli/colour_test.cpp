// Colours of messages on a terminal, and none where NO_COLOR asks for that or the output is no terminal.
#include <cstdlib>

#include "cli/cli_support.h"
#include "cli/pty_process.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::PtyProcess;

constexpr const char* kEscape = "\x1b[";

std::string shown_on_a_terminal(bool colours) {
  ::setenv("TERM", "xterm-256color", 1);
  return PtyProcess({"info"}, 24, 80, colours).to_end();  // says which bundled model it takes
}

TEST(Colour, IsOnATerminalOnly) {
  const std::string shown = shown_on_a_terminal(true);
  EXPECT_THAT(shown, HasSubstr("\x1b[32minfo\x1b[m"));
  EXPECT_THAT(shown, HasSubstr(": model "));
  const testing::ProcessResult piped = testing::refocus({"info"});
  EXPECT_THAT(piped.err, HasSubstr("info: model "));
  EXPECT_THAT(piped.err + piped.out, Not(HasSubstr(kEscape)));
}

TEST(Colour, IsLeftOutWhereNoColorIsSet) {
  const std::string shown = shown_on_a_terminal(false);
  EXPECT_THAT(shown, HasSubstr("info: model "));
  EXPECT_THAT(shown, Not(HasSubstr(kEscape)));
}

}  // namespace
}  // namespace refocus
