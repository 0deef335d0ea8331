// Reading a whole text file, and writing one so that a reader sees the old content or the new, never a half.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace refocus {

inline constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // U+FEFF in UTF-8

// The text of a file: its bytes, without a UTF-8 byte order mark (U+FEFF) at their start, which is no part of
// the text. A mark further on is a character like any other. InputError where the file cannot be read, and
// where it begins with the mark of UTF-16 or UTF-32.
std::string read_text_file(const std::filesystem::path& path);

// The file's bytes, whatever they are. InputError where it cannot be read.
std::string read_binary_file(const std::filesystem::path& path);

// What read_text_file does to a text that came another way, such as the first line of standard input.
std::string_view without_byte_order_mark(std::string_view text, const std::string& where);

// Writes `content` beside `path`, flushes it to the disk and renames it over `path`. On any failure (a full
// disk, a missing folder) an InputError is thrown, the temporary file is removed and `path` is as before.
void write_file_atomically(const std::filesystem::path& path, std::string_view content);

// Refuses what must not be replaced by a file: a directory, a device such as /dev/null, or a pipe, which a
// rename would take away from everybody. For writers that rename; `path` need not exist.
void check_replaceable(const std::filesystem::path& path);

// What a user can do about a failed write, by its errno; the end of a message.
const char* write_remedy(int error);

}  // namespace refocus
