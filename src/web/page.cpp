#include "web/page.h"

#include <zstd.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/markup.h"
#include "base/thread_pool.h"
#include "web/built_pages.h"
#include "web/plain_style.h"

namespace refocus {
namespace {

// Zstandard and not deflate, which browsers decode by themselves: its window spans a whole block instead of
// 32 KiB, and texts of a run take a quarter less.
std::string compressed(std::string_view bytes, bool numbers) {
  // Beyond 12 time doubles for one hundredth of a text's size; 7 leaves 0.98 of 1's bytes of numbers, in five
  // times the time.
  const int level = numbers ? 1 : 12;
  std::string out(ZSTD_compressBound(bytes.size()), '\0');
  const std::size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), level);
  REFOCUS_CHECK(!ZSTD_isError(size));  // the buffer is large enough; only memory could be short
  out.resize(size);
  return out;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out((bytes.size() + 2) / 3 * 4, '=');
  const auto byte = [&](std::size_t at) { return std::uint32_t{static_cast<unsigned char>(bytes[at])}; };
  char* to = out.data();
  std::size_t at = 0;
  for (; at + 3 <= bytes.size(); at += 3, to += 4) {
    const std::uint32_t group = byte(at) << 16 | byte(at + 1) << 8 | byte(at + 2);
    for (int k = 0; k < 4; ++k) to[k] = kDigits[group >> (18 - 6 * k) & 63];
  }
  const std::size_t left = bytes.size() - at;
  if (left > 0) {
    const std::uint32_t group = byte(at) << 16 | (left > 1 ? byte(at + 1) << 8 : 0u);
    for (std::size_t k = 0; k <= left; ++k) to[k] = kDigits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

std::string block_elements(const std::vector<PageBlock>& blocks) {
  std::vector<std::string> elements(blocks.size());
  ThreadPool pool(static_cast<int>(
      std::clamp<std::size_t>(blocks.size(), 1, static_cast<std::size_t>(available_threads()))));
  pool.parallel_for(static_cast<std::int64_t>(blocks.size()), [&](std::int64_t at, int) {
    const auto i = static_cast<std::size_t>(at);
    elements[i] = block_element(blocks[i]);
  });
  std::string all;
  for (const std::string& element : elements) all += element;
  return all;
}

const BuiltPage* find_page(std::string_view name) {
  const auto pages = built_pages();
  const auto found = std::ranges::find(pages, name, &BuiltPage::name);
  return found == pages.end() ? nullptr : &*found;
}

// Appends what of `html` comes before the mark, and takes it away together with the mark.
void append_until(std::string_view& html, std::string_view mark, std::string& out) {
  const std::size_t at = html.find(mark);
  REFOCUS_CHECK(at != std::string_view::npos);  // tests/web makes every built page
  out += html.substr(0, at);
  html.remove_prefix(at + mark.size());
}

}  // namespace

std::string html_escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (const char* entity = markup_entity(c)) {
      out += entity;
    } else if (c == '\r') {
      out += "&#13;";  // a parser would make a line feed of it
    } else if (c == '\0') {
      out += "\xEF\xBF\xBD";  // U+FFFD: HTML cannot hold a NUL
    } else {
      out += c;
    }
  }
  return out;
}

bool has_page(std::string_view name) { return find_page(name) != nullptr; }

// An element that browsers neither run nor show; base64 cannot end it early.
std::string block_element(const PageBlock& block) {
  return fmt::format(
      "<script type=\"application/octet-stream\" id=\"block-{}\" data-size=\"{}\">{}</script>\n",
      html_escape(block.id), block.bytes.size(), base64(compressed(block.bytes, block.numbers)));
}

PageFrame page_frame(std::string_view name, std::string_view title, std::string_view body) {
  const BuiltPage* page = find_page(name);
  REFOCUS_CHECK(page != nullptr);
  std::string_view rest = page->html;
  PageFrame frame;
  append_until(rest, "<!--refocus:title-->", frame.begin);
  frame.begin += html_escape(title);
  append_until(rest, "<!--refocus:body-->", frame.begin);
  frame.begin += body;
  append_until(rest, "<!--refocus:blocks-->", frame.begin);
  frame.end = rest;
  return frame;
}

std::string make_page(std::string_view name, const PageContents& contents) {
  if (!has_page(name)) return plain_page(contents);
  PageFrame frame = page_frame(name, contents.title, contents.body);
  return std::move(frame.begin) + block_elements(contents.blocks) + frame.end;
}

std::string make_page(std::string_view name, const std::string& title, const nlohmann::ordered_json& data) {
  const std::string text = json_text(data);
  return make_page(name, {title, "", {{"data", text}}});
}

std::string plain_page(const PageContents& contents) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body class=\"plain\">\n{}</body>\n</html>\n",
      html_escape(contents.title), kPlainStyle, contents.body);
}

}  // namespace refocus
