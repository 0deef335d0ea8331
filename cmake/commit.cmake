# Writes OUTPUT, a header that says which commit is built, where that has changed: cmake -DOUTPUT=... -DSOURCE=... -P.
# Nothing is known outside a git checkout; ", changed" stands behind a commit whose files were edited.
set(commit "")
set(date "")
find_program(GIT git)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --short=10 HEAD OUTPUT_VARIABLE commit
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND ${GIT} -C ${SOURCE} status --porcelain --untracked-files=no OUTPUT_VARIABLE changes ERROR_QUIET)
  execute_process(COMMAND ${GIT} -C ${SOURCE} log -1 --format=%cs OUTPUT_VARIABLE date OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET)
  if(commit AND changes)
    string(APPEND commit ", changed")
  endif()
endif()
set(text "// Made by cmake/commit.cmake.\n#pragma once\n#define REFOCUS_COMMIT \"${commit}\"\n#define REFOCUS_COMMIT_DATE \"${date}\"\n")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT text STREQUAL before)
  file(WRITE ${OUTPUT} "${text}")
endif()
