# The project's own CMake functions: compile options, one library a folder, one test program a folder.

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
if(REFOCUS_TESTS)
  find_package(GTest REQUIRED)
endif()
find_package(PkgConfig REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(spdlog REQUIRED)

add_library(refocus_options INTERFACE)
target_include_directories(refocus_options INTERFACE ${CMAKE_SOURCE_DIR}/src)
option(REFOCUS_WERROR "Let a warning end the build; off for compilers that know more of them than Debian 12's" ON)
# Libraries go into the Python extension too: code that may lie anywhere, whose names nobody else sees.
target_compile_options(refocus_options INTERFACE -Wall -Wextra $<$<BOOL:${REFOCUS_WERROR}>:-Werror> -ffp-contract=off -fPIC -fvisibility=hidden)
# From GCC 13 on this takes a reference that a function gives for one to its arguments; scripts/check_lifetimes looks for real ones.
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  target_compile_options(refocus_options INTERFACE -Wno-dangling-reference)
endif()
# What is compiled says nothing of where: __FILE__ and debug information have paths as the checkout has them.
target_compile_options(refocus_options INTERFACE
  "-ffile-prefix-map=${CMAKE_BINARY_DIR}/=build/" "-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=")
target_link_libraries(refocus_options INTERFACE Threads::Threads fmt::fmt)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ collects garbage from 128 MB on, a tenth of its time; few sources ever need 512 MB.
  target_compile_options(refocus_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=524288>)
endif()
if(REFOCUS_SANITIZE)
  set(sanitize -fsanitize=${REFOCUS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_compile_options(refocus_options INTERFACE ${sanitize})
  if(REFOCUS_SANITIZE MATCHES "undefined")
    # Undefined behaviour is looked for in the program, not in the tests' own code, which would take twice as long to
    # compile. Of two such options the last one counts.
    target_compile_options(refocus_options INTERFACE
      $<$<BOOL:$<TARGET_PROPERTY:REFOCUS_TEST_CODE>>:-fno-sanitize=undefined>)
  endif()
  target_link_options(refocus_options INTERFACE ${sanitize})
endif()

# Most of the time goes into headers (JSON, gmock, CLI11) and what they instantiate, so several sources are compiled as
# one. REFOCUS_UNITY=OFF compiles each alone, which finds a missing #include.
option(REFOCUS_UNITY "Compile several sources of a library or a test program as one" ON)

# Headers of others that most sources include are compiled once for all sources of one level. Not beside ccache, which
# keeps whole results, and whose builds find a missing #include.
option(REFOCUS_PCH "Precompile the headers of libraries that most sources include" ${REFOCUS_PCH_DEFAULT})
set(REFOCUS_HEADERS <algorithm> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string> <vector>
  <fmt/core.h> <nlohmann/json.hpp>)

# refocus_precompile(TARGET KIND HEADER...): the headers as precompiled for targets of that kind, whose options are alike.
function(refocus_precompile target kind)
  if(NOT REFOCUS_PCH)
    return()
  endif()
  if(NOT TARGET refocus_headers_${kind})
    file(WRITE ${CMAKE_BINARY_DIR}/headers/${kind}.cpp "")
    add_library(refocus_headers_${kind} STATIC ${CMAKE_BINARY_DIR}/headers/${kind}.cpp)
    target_precompile_headers(refocus_headers_${kind} PRIVATE ${ARGN})
    get_target_property(options ${target} COMPILE_OPTIONS)
    if(options)
      target_compile_options(refocus_headers_${kind} PRIVATE ${options})
    endif()
    target_link_libraries(refocus_headers_${kind} PRIVATE refocus_options nlohmann_json::nlohmann_json)
    if(kind MATCHES "^tests")
      set_target_properties(refocus_headers_${kind} PROPERTIES REFOCUS_TEST_CODE ON)
      target_link_libraries(refocus_headers_${kind} PRIVATE GTest::gmock)
    endif()
  endif()
  target_precompile_headers(${target} REUSE_FROM refocus_headers_${kind})
endfunction()

# refocus_compile(TARGET LEVEL): how a target's sources are compiled. LEVEL is -O3 for what computes, -O2 and -O1 for the
# rest, -O0 for tests, which spend their time elsewhere; LEVEL is for those that do not.
function(refocus_compile target level)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${REFOCUS_UNITY} UNITY_BUILD_BATCH_SIZE 12)
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    target_compile_options(${target} PRIVATE ${level})
  elseif(REFOCUS_SANITIZE AND (level STREQUAL "-O3" OR target MATCHES "^refocus_(base|template|tokenizer|eval_text|eval_extract)$"))
    # What tests spend their time in. The rest is not optimised there, which compiles in half the time.
    target_compile_options(${target} PRIVATE -O2)
  endif()
endfunction()

# refocus_library(NAME [COMPUTES] SOURCES a.cpp ... DEPS tensor ... [LIBS external targets ...])
# makes the static library refocus_NAME of src/NAME; DEPS are other folders of src. A room of a folder is eval/text, and
# its library refocus_eval_text. COMPUTES: its loops are what running or training a model takes.
function(refocus_library name)
  cmake_parse_arguments(arg "COMPUTES" "" "SOURCES;DEPS;LIBS" ${ARGN})
  list(TRANSFORM arg_DEPS PREPEND refocus_)
  list(TRANSFORM arg_DEPS REPLACE "/" "_")
  string(REPLACE "/" "_" name ${name})
  # What goes through texts of any length, and what waits for files, models and the user.
  set(level -O1)
  if(name MATCHES "^(base|tokenizer|template|prompt|io|stats|eval_text|eval_extract)$")
    set(level -O2)
  endif()
  add_library(refocus_${name} STATIC ${arg_SOURCES})
  if(arg_COMPUTES)
    refocus_compile(refocus_${name} -O3)
  else()
    refocus_compile(refocus_${name} ${level})
    get_target_property(own refocus_${name} COMPILE_OPTIONS)
    string(REGEX REPLACE "[^a-zA-Z0-9]" "" kind "code${own}")
    refocus_precompile(refocus_${name} ${kind} ${REFOCUS_HEADERS})
  endif()
  target_link_libraries(refocus_${name} PUBLIC refocus_options ${arg_DEPS} ${arg_LIBS})
endfunction()

# refocus_test(NAME SOURCES a_test.cpp ... DEPS base ... [LIBS ...] [LABELS slow])
# [LEVEL -O1]
# makes the test program NAME_test and registers each of its cases with CTest.
# The label parsers is for readers of bytes that others made; the target of that name builds them all.
# Tests see three places: REFOCUS_GOLDEN (tests/golden), REFOCUS_SHARED (optional data beside
# the checkout; tests skip where it is absent) and REFOCUS_SOURCE (the checkout).
add_custom_target(parsers)
function(refocus_test name)
  cmake_parse_arguments(arg "" "LEVEL" "SOURCES;DEPS;LIBS;LABELS" ${ARGN})
  list(TRANSFORM arg_DEPS PREPEND refocus_)
  list(TRANSFORM arg_DEPS REPLACE "/" "_")
  add_executable(${name}_test ${arg_SOURCES})
  set(level -O0)
  if(arg_LEVEL)
    set(level ${arg_LEVEL})
  endif()
  refocus_compile(${name}_test ${level})
  set_target_properties(${name}_test PROPERTIES REFOCUS_TEST_CODE ON)
  target_include_directories(${name}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  refocus_precompile(${name}_test tests${level} <gmock/gmock.h> <gtest/gtest.h> <fstream> ${REFOCUS_HEADERS})
  target_link_libraries(${name}_test PRIVATE ${arg_DEPS} ${arg_LIBS} GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE
    REFOCUS_GOLDEN="${CMAKE_SOURCE_DIR}/tests/golden"
    REFOCUS_SHARED="${CMAKE_SOURCE_DIR}/../shared"
    REFOCUS_SOURCE="${CMAKE_SOURCE_DIR}")
  set(properties TIMEOUT 1200)  # no limit of speed: machines may be busy
  if(arg_LABELS)
    list(APPEND properties LABELS ${arg_LABELS})
  endif()
  if("parsers" IN_LIST arg_LABELS)
    add_dependencies(parsers ${name}_test)
  endif()
  # The names that tests give their parameters, and no bytes or addresses of them.
  gtest_discover_tests(${name}_test NO_PRETTY_VALUES DISCOVERY_TIMEOUT 60 PROPERTIES ${properties})
endfunction()
if(REFOCUS_TESTS)
  include(GoogleTest)
endif()
