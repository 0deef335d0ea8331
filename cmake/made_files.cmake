# What the program writes of itself, for installing: cmake -DPROGRAM=... -DOUTPUT=... -P.
# OUTPUT/man1/refocus*.1.gz and OUTPUT/completions/{refocus,_refocus,refocus.fish}.
function(run output)
  execute_process(COMMAND ${ARGN} ${output} RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "expected '${ARGN}' to work, got status ${status}")
  endif()
endfunction()

file(REMOVE_RECURSE ${OUTPUT}/man1)
file(MAKE_DIRECTORY ${OUTPUT}/man1 ${OUTPUT}/completions)
run("" ${PROGRAM} manual ${OUTPUT}/man1)
find_program(GZIP gzip REQUIRED)
file(GLOB pages ${OUTPUT}/man1/*.1)
run("" ${GZIP} -9nf ${pages})
run("OUTPUT_FILE;${OUTPUT}/completions/refocus" ${PROGRAM} completion bash)
run("OUTPUT_FILE;${OUTPUT}/completions/_refocus" ${PROGRAM} completion zsh)
run("OUTPUT_FILE;${OUTPUT}/completions/refocus.fish" ${PROGRAM} completion fish)
