// What is put into a page comes out of it as it was, and cannot break out of its place.
#include "web/page.h"

#include <zstd.h>

#include "support.h"
#include "web/built_pages.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The bytes of a block as a browser would find them.
std::string block_of(const std::string& html, const std::string& id) {
  const std::size_t element = html.find("id=\"block-" + id + "\"");
  if (element == std::string::npos) return "no such block";
  const std::size_t begin = html.find('>', element) + 1;
  const std::string text = html.substr(begin, html.find('<', begin) - begin);
  const std::string digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string packed;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<std::uint32_t>(digits.find(c));
    count += 6;
    if (count >= 8) packed += static_cast<char>(bits >> (count -= 8) & 255);
  }
  std::string out(1 << 20, '\0');
  const std::size_t size = ZSTD_decompress(out.data(), out.size(), packed.data(), packed.size());
  EXPECT_FALSE(ZSTD_isError(size)) << ZSTD_getErrorName(size);
  out.resize(size);
  return out;
}

class BuiltPages : public ::testing::Test {
 protected:
  void SetUp() override {
    if (built_pages().empty()) GTEST_SKIP() << "the program was built without the pages of web/";
  }
};

TEST_F(BuiltPages, HoldWhatWasPutIn) {
  const std::string hostile = "</script><!-- \xF0\x9F\x98\x80 " + std::string(1000, 'x') + '\0' + "\xFF";
  for (const BuiltPage& page : built_pages()) {
    const std::string html =
        make_page(page.name, {"a <b> title", "<p>the body</p>", {{"one", hostile}, {"two", ""}}});
    EXPECT_THAT(html, HasSubstr("<title>a &lt;b&gt; title</title>"));
    EXPECT_THAT(html, HasSubstr("<p>the body</p>"));
    EXPECT_EQ(block_of(html, "one"), hostile);
    EXPECT_EQ(block_of(html, "two"), "");
    EXPECT_THAT(html, Not(HasSubstr("<!--refocus:")));
    EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  }
}

// Their compressed bytes end at every place of a group of three.
TEST(BlockElement, HoldsBytesOfEveryLength) {
  for (const bool numbers : {false, true}) {
    std::string bytes;
    for (unsigned i = 0; i < 40; ++i) {
      EXPECT_EQ(block_of(block_element({"a", bytes, numbers}), "a"), bytes) << i;
      bytes += static_cast<char>(i * 151 + 7);
    }
  }
}

TEST_F(BuiltPages, AreWholeWithoutTheNetwork) {
  for (const BuiltPage& page : built_pages()) {
    std::string html(page.html);
    // An icon of no bytes, so that no browser asks a server for one.
    const std::string icon = "<link rel=\"icon\" href=\"data:,\">";
    if (const std::size_t at = html.find(icon); at != std::string::npos) html.erase(at, icon.size());
    for (const char* reference : {"<link", "src=\"http", "@import", "url(http"}) {
      EXPECT_THAT(html, Not(HasSubstr(reference))) << page.name;
    }
  }
}

TEST_F(BuiltPages, TakeOneValue) {
  const nlohmann::ordered_json data = {{"text", "a\xFF"}, {"list", {1, 2.5, nullptr}}};
  EXPECT_EQ(block_of(make_page(built_pages().front().name, "t", data), "data"),
            "{\"text\":\"a\xEF\xBF\xBD\",\"list\":[1,2.5,null]}");
}

TEST(Page, UnknownOnesAndThosePutOffArePlain) {
  const PageContents contents{"t", "<p>the body</p>", {{"one", "data"}}};
  EXPECT_FALSE(has_page("no-such-page"));
  const std::string html = make_page("no-such-page", contents);
  EXPECT_EQ(html, plain_page(contents));
  EXPECT_THAT(html, HasSubstr("<p>the body</p>"));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
  EXPECT_THAT(html, HasSubstr("prefers-color-scheme"));
}

TEST(Page, EscapesWhatHtmlWouldRead) {
  EXPECT_EQ(html_escape("<a href=\"x\" title='y'>&amp;"),
            "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(html_escape(std::string_view("a\0b\r\n", 5)),
            "a\xEF\xBF\xBD"
            "b&#13;\n");
  EXPECT_EQ(html_escape("\xF0\x9F\x98\x80 \xE4\xBD\xA0"), "\xF0\x9F\x98\x80 \xE4\xBD\xA0");
}

}  // namespace
}  // namespace refocus
