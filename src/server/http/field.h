// The small grammar of header fields (RFC 9110, 5): tokens, values, comma lists. ASCII, whatever the locale.
#pragma once

#include <string>
#include <string_view>

namespace refocus::http {

bool is_token_byte(char c);
bool is_token(std::string_view text);  // at least one byte, all of RFC 9110's tchar

// Bytes that a value may hold: visible ASCII, space, tab, and bytes from 0x80 on, whose meaning is nobody's.
bool is_field_value(std::string_view text);

std::string lower_case(std::string_view text);
bool same_ignoring_case(std::string_view a, std::string_view b);

// Without spaces and tabs around it.
std::string_view trimmed(std::string_view text);

// Takes the next element of a comma list off its front, trimmed; elements may be empty.
std::string_view next_element(std::string_view& list);

// Whether a comma list has that element, in any case.
bool list_has(std::string_view list, std::string_view element);

// The value of a hexadecimal digit, -1 for what is none.
int hex_digit(char c);

}  // namespace refocus::http
