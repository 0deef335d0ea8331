// Who runs a command: the program and the machine, for the record of a run.
#pragma once

#include "eval/journal/sessions.h"

namespace refocus::cli {

SessionFacts this_session();

}  // namespace refocus::cli
