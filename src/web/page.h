// Pages: self-contained HTML files made of a bundled page of web/ (docs/report.md, web/README.md) and what
// this run puts into it. A page needs no server and asks the network for nothing.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace refocus {

// `text` for the content of an element or the value of an attribute in double quotes.
std::string html_escape(std::string_view text);

// A named piece of data, which the page's script reads with readBlock(id) of web/src/shared/blocks.js.
struct PageBlock {
  std::string id;        // [a-z0-9-]+
  std::string bytes;     // JSON, as a rule
  bool numbers = false;  // planes of binary numbers, in which a longer search finds no more
};

struct PageContents {
  std::string title;                   // plain text
  std::string body;                    // HTML: what is there before, and without, any script
  std::vector<PageBlock> blocks = {};  // stored compressed (zstd) in base64
};

// Whether the program was built with that page.
bool has_page(std::string_view name);

// The page `name` with its contents; where the program was built without it, the plain page, which shows the
// body alone. Compresses blocks on all processors; the bytes do not depend on their number.
std::string make_page(std::string_view name, const PageContents& contents);

// The page `name`, which the program must have, without its blocks: a file too large to be held is `begin`,
// one block_element after another, `end`.
struct PageFrame {
  std::string begin, end;
};
PageFrame page_frame(std::string_view name, std::string_view title, std::string_view body);
std::string block_element(const PageBlock& block);

// A page of one block, "data".
std::string make_page(std::string_view name, const std::string& title, const nlohmann::ordered_json& data);

// A page without script that shows `body` in the same style.
std::string plain_page(const PageContents& contents);

}  // namespace refocus
