// What a long command says when Ctrl-C or a polite kill ends it.
#pragma once

namespace refocus::cli {

// From now on SIGINT, SIGTERM and SIGHUP print one line that the same command resumes, and then end the
// process as they always do. For commands whose finished work is safe at any moment.
void tell_how_to_resume();

}  // namespace refocus::cli
