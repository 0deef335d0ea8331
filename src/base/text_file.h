// Reading a whole text file, and writing one so that a reader sees the old content or the new, never a half.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace refocus {

// The file's bytes. InputError where it cannot be read.
std::string read_text_file(const std::filesystem::path& path);

// Writes `content` beside `path`, flushes it to the disk and renames it over `path`. On any failure (a full
// disk, a missing folder) an InputError is thrown, the temporary file is removed and `path` is as before.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Refuses what must not be replaced by a file: a directory, a device such as /dev/null, or a pipe, which a
// rename would take away from everybody. For writers that rename; `path` need not exist.
void check_replaceable(const std::filesystem::path& path);

// What a user can do about a failed write, by its errno; the end of a message.
const char* write_remedy(int error);

}  // namespace refocus
