// What a long command says when Ctrl-C or a polite kill ends it.
#pragma once

namespace refocus::cli {

// From now on SIGINT, SIGTERM and SIGHUP print `hint` (a text of static lifetime) on one line, and then end
// the process as they always do. For commands whose finished work is safe at any moment.
void tell_how_to_resume(
    const char* hint = "stopped; finished answers are kept, and the same command goes on from there");

}  // namespace refocus::cli
