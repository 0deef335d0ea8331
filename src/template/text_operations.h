// What methods of str and filters share.
#pragma once

#include "template/runtime.h"

namespace refocus::jinja {

// str.replace; count < 0: all. What is put in is escaped where the text is marked as safe.
Text replaced(Runtime& runtime, const Text& text, std::string_view old, const Text& by, std::int64_t count);
// str.join.
Text joined_texts(Runtime& runtime, const Text& separator, const std::vector<Text>& parts);
// str.strip, or of one side: without white space, or the characters of `chars`.
Text stripped_text(Runtime& runtime, const Text& text, const std::optional<Value>& chars, bool left,
                   bool right);
// str.center, ljust and rjust: filled up to `width` characters, with `fill` or blanks of the text's own
// origin.
enum class Side { kLeft, kCenter, kRight };
Text padded(Runtime& runtime, const Text& text, std::int64_t width, Side side,
            const std::optional<Text>& fill = {});
// str.splitlines: [begin, end) of lines without their ends, or with them.
std::vector<std::pair<std::size_t, std::size_t>> lines_of(std::string_view text, bool keep_ends);
std::vector<Text> split_lines(Runtime& runtime, const Text& text, bool keep_ends);
// str.split; limit < 0: all. Without a separator at white space.
std::vector<Text> split(Runtime& runtime, const Text& text, const std::optional<Text>& separator,
                        std::int64_t limit);
std::vector<Text> split_from_right(Runtime& runtime, const Text& text, const std::optional<Text>& separator,
                                   std::int64_t limit);
// str.format with the sandbox's lookups.
Text brace_formatted(Runtime& runtime, const Text& format, const Arguments& arguments);
// int(text, base) and float(text); nothing where they raise.
std::optional<std::int64_t> parsed_whole(std::string_view text, int base);
std::optional<double> parsed_real(std::string_view text);

// Whether the text is in lower, upper or title case as str.islower, isupper and istitle say.
bool is_lower_text(std::string_view text);
bool is_upper_text(std::string_view text);
bool is_title_text(std::string_view text);

}  // namespace refocus::jinja
