// What every fuzz target shares: how it is registered, files that hold its input, and how it ends.
//
// A target is a function of bytes that someone else made: it may refuse them with an InputError, and do
// nothing else but return. Whatever else happens (another exception, a sanitizer's report, a broken
// invariant) is a finding. With REFOCUS_FUZZ_ALONE a target is a libFuzzer program of its own; without it all
// targets are in one program that runs files (replay.cpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace refocus::fuzz {

using Target = void (*)(std::string_view input);

// Makes `target` known to replay.cpp. Returns a value so that it can initialise a static.
bool add_target(std::string_view name, Target target);

// Runs a target: input errors are as they should be, anything else ends the program.
void run(Target target, std::string_view input);

// The text of an input error must be one line of UTF-8, say where, and not be a library's.
void check_message(std::string_view message, std::string_view input);

// A folder in memory (where the system has one) that lives as long as the program, for readers of files.
const std::filesystem::path& scratch();

// The path of a file in it with these bytes.
std::filesystem::path write_scratch(const std::string& name, std::string_view bytes);

// Ends the program with a finding where `holds` is false.
void require(bool holds, const char* what);

// The input's parts between lines that are "---": for readers of several files.
std::vector<std::string_view> parts(std::string_view input);

}  // namespace refocus::fuzz

#ifdef REFOCUS_FUZZ_ALONE
#define REFOCUS_FUZZ_TARGET(name)                                                     \
  static void fuzz_##name(std::string_view input);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    ::refocus::fuzz::run(fuzz_##name, {reinterpret_cast<const char*>(data), size});   \
    return 0;                                                                         \
  }                                                                                   \
  static void fuzz_##name(std::string_view input)
#else
#define REFOCUS_FUZZ_TARGET(name)                                                                    \
  static void fuzz_##name(std::string_view input);                                                   \
  [[maybe_unused]] static const bool added_##name = ::refocus::fuzz::add_target(#name, fuzz_##name); \
  static void fuzz_##name(std::string_view input)
#endif
