// Heads of requests that have to be refused: what two programs could understand differently, what smuggles
// one request into another, and what is no HTTP.
#pragma once

#include <string>
#include <vector>

namespace refocus::testing {

struct Refused {
  const char* name;
  std::string bytes;
  const char* expected;  // the status
};

inline std::string after_host(const std::string& lines) {
  return "GET / HTTP/1.1\r\nHost: x\r\n" + lines + "\r\n";
}
inline std::string for_target(const std::string& target) {
  return "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
}

inline const std::vector<Refused>& refused() {
  static const std::vector<Refused> kCases = {
      // The first line.
      {"tls", std::string("\x16\x03\x01\x02\x00\x01", 6), "400"},
      {"http2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505"},
      {"http2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "505"},
      {"http12", "GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505"},
      {"http09", "GET /\r\n", "400"},
      {"version_in_lower_case", "GET / http/1.1\r\n\r\n", "400"},
      {"version_of_two_digits", "GET / HTTP/1.10\r\n\r\n", "400"},
      {"no_version", "GET / \r\n\r\n", "400"},
      {"two_spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"space_at_the_end", "GET / HTTP/1.1 \r\nHost: x\r\n\r\n", "400"},
      {"tab_between", "GET\t/\tHTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"space_in_front", " GET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"no_method", "/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"method_no_token", "G(T / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"nul_in_method", std::string("G\0T / HTTP/1.1\r\n\r\n", 18), "400"},
      {"two_empty_lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"lf_in_front", "\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
      {"line_of_lf", "GET / HTTP/1.1\nHost: x\n\n", "400"},
      {"cr_in_line", "GET / HTTP/1.1\rHost: x\r\n\r\n", "400"},
      {"connect", "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n", "501"},
      // The target.
      {"relative", for_target("v1/models"), "400"},
      {"star_of_get", for_target("*"), "400"},
      {"https", for_target("https://x/"), "400"},
      {"authority_form", for_target("example.com:80"), "400"},
      {"user_in_authority", for_target("http://u@x/"), "400"},
      {"no_authority", for_target("http:///x"), "400"},
      {"fragment", for_target("/a#b"), "400"},
      {"raw_utf8", for_target("/\xC3\xA4"), "400"},
      {"percent_alone", for_target("/%"), "400"},
      {"percent_cut", for_target("/%4"), "400"},
      {"percent_no_hex", for_target("/%g0"), "400"},
      {"percent_signed", for_target("/%+1"), "400"},
      {"nul", for_target("/%00"), "400"},
      {"line_end", for_target("/a%0d%0aX:%20y"), "400"},
      {"overlong", for_target("/%c0%af"), "400"},
      {"surrogate", for_target("/%ed%a0%80"), "400"},
      {"nul_in_query", for_target("/?a=%00"), "400"},
      {"bad_utf8_in_query", for_target("/?%ff=1"), "400"},
      {"percent_in_query", for_target("/?a=%zz"), "400"},
      // Headers.
      {"no_host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two_hosts", after_host("Host: x\r\n"), "400"},
      {"empty_host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "400"},
      {"host_with_user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400"},
      {"host_with_path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400"},
      {"host_with_space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400"},
      {"host_list", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", "400"},
      {"host_port_no_number", "GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", "400"},
      {"host_bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", "400"},
      {"continued", after_host("A: b\r\n c\r\n"), "400"},
      {"continued_by_tab", after_host("A: b\r\n\tc\r\n"), "400"},
      {"space_before_first", "GET / HTTP/1.1\r\n Host: x\r\n\r\n", "400"},
      {"space_before_colon", after_host("A : b\r\n"), "400"},
      {"space_in_name", after_host("A b: c\r\n"), "400"},
      {"no_name", after_host(": b\r\n"), "400"},
      {"no_colon", after_host("abc\r\n"), "400"},
      {"name_no_ascii", after_host("\xC3\xA4: b\r\n"), "400"},
      {"nul_in_value", "GET / HTTP/1.1\r\nHost: x\r\nA: b" + std::string(1, '\0') + "\r\n\r\n", "400"},
      {"escape_in_value", after_host("A: \x1b[2J\r\n"), "400"},
      {"delete_in_value", after_host("A: \x7f\r\n"), "400"},
      {"header_of_lf", after_host("A: b\nC: d\r\n"), "400"},
      {"cr_in_value", after_host("A: b\rC: d\r\n"), "400"},
      {"end_of_lf", "GET / HTTP/1.1\r\nHost: x\r\n\n", "400"},
      {"expectation", after_host("Expect: 200-ok\r\n"), "417"},
      // The length of the body.
      {"length_and_coding", after_host("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "400"},
      {"coding_and_length", after_host("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), "400"},
      {"two_lengths", after_host("Content-Length: 5\r\nContent-Length: 6\r\n"), "400"},
      {"same_length_twice", after_host("Content-Length: 5\r\ncontent-length: 5\r\n"), "400"},
      {"list_of_lengths", after_host("Content-Length: 5, 5\r\n"), "400"},
      {"plus", after_host("Content-Length: +5\r\n"), "400"},
      {"minus", after_host("Content-Length: -5\r\n"), "400"},
      {"blank_length", after_host("Content-Length: \r\n"), "400"},
      {"space_in_length", after_host("Content-Length: 1 0\r\n"), "400"},
      {"hex_length", after_host("Content-Length: 0x5\r\n"), "400"},
      {"length_beyond_64_bits", after_host("Content-Length: 18446744073709551621\r\n"), "413"},
      {"length_of_digits", after_host("Content-Length: " + std::string(300, '9') + "\r\n"), "413"},
      {"length_over_limit", after_host("Content-Length: 8388609\r\n"), "413"},
      {"gzip", after_host("Transfer-Encoding: gzip\r\n"), "400"},
      {"gzip_chunked", after_host("Transfer-Encoding: gzip, chunked\r\n"), "501"},
      {"chunked_twice", after_host("Transfer-Encoding: chunked, chunked\r\n"), "400"},
      {"chunked_in_two_lines", after_host("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
       "400"},
      {"chunked_identity", after_host("Transfer-Encoding: chunked, identity\r\n"), "400"},
      {"xchunked", after_host("Transfer-Encoding: xchunked\r\n"), "400"},
      {"quoted_chunked", after_host("Transfer-Encoding: \"chunked\"\r\n"), "400"},
      {"vertical_tab_chunked",
       after_host("Transfer-Encoding: \x0b"
                  "chunked\r\n"),
       "400"},
      {"blank_coding", after_host("Transfer-Encoding:\r\n"), "400"},
      {"chunked_in_http10", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400"},
      {"post_without_length_in_http10", "POST / HTTP/1.0\r\n\r\n", "411"},
  };
  return kCases;
}

}  // namespace refocus::testing
