// PDF and PNG of a picture: their size, their pixels, and texts that stay texts.
#include "print/picture_file.h"

#include <gdk-pixbuf/gdk-pixbuf.h>
#include <gmock/gmock.h>

#include <regex>

#include "figure/page.h"
#include "figure/svg.h"
#include "figure/text_width.h"
#include "print/fonts.h"
#include "support.h"

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

figure::Picture picture() {
  figure::Style style;
  style.height = 30 * figure::kMillimetre;
  return figure::finished_picture(
      style, 0, svg::rectangle(36, 36, 72, 18, "#0072B2") + svg::text(120, 50, "Accuracy − 94.9"), "");
}

TEST(PictureFile, TheFormatIsThatOfTheName) {
  EXPECT_EQ(picture_format("a/b.svg"), PictureFormat::kSvg);
  EXPECT_EQ(picture_format("a.b.pdf"), PictureFormat::kPdf);
  EXPECT_EQ(picture_format("x.png"), PictureFormat::kPng);
  for (const char* name : {"x", "x.jpg", "x.PDF", ".pdf", "pdf", "x.svg/"}) {
    EXPECT_THAT(testing::error_of([&] { picture_format(name); }), HasSubstr("ends in .svg, .pdf or .png"))
        << name;
  }
}

TEST(PictureFile, AnSvgIsThePictureItself) {
  EXPECT_EQ(picture_bytes(picture(), PictureFormat::kSvg, 300), picture().svg);
}

TEST(PictureFile, APdfHasOnePageOfThePicturesSizeAndNoDate) {
  const std::string pdf = picture_bytes(picture(), PictureFormat::kPdf, 300);
  EXPECT_TRUE(pdf.starts_with("%PDF-1."));
  static const std::regex kBox(R"(/MediaBox \[ 0 0 ([0-9.]+) ([0-9.]+) \])");
  std::vector<std::pair<double, double>> boxes;
  for (std::sregex_iterator box(pdf.begin(), pdf.end(), kBox), end; box != end; ++box) {
    boxes.emplace_back(std::stod((*box)[1]), std::stod((*box)[2]));
  }
  ASSERT_EQ(boxes.size(), 1U);
  EXPECT_NEAR(boxes[0].first, 84 / 25.4 * 72, 0.01);
  EXPECT_NEAR(boxes[0].second, 30 / 25.4 * 72, 0.01);
  EXPECT_THAT(pdf, Not(HasSubstr("CreationDate")));
  EXPECT_EQ(picture_bytes(picture(), PictureFormat::kPdf, 300), pdf) << "the same picture, the same bytes";
}

TEST(PictureFile, APdfsTextIsSetInAnEmbeddedFont) {
  const std::string pdf = picture_bytes(picture(), PictureFormat::kPdf, 300);
  EXPECT_THAT(pdf, HasSubstr("/FontFile")) << "no outlines: it can be searched and copied";
  EXPECT_THAT(pdf, HasSubstr("/ToUnicode"));
  EXPECT_THAT(pdf, Not(HasSubstr("/Type3"))) << "journals refuse these";
}

GdkPixbuf* read_png(const std::string& bytes) {
  GdkPixbufLoader* loader = gdk_pixbuf_loader_new_with_type("png", nullptr);
  EXPECT_TRUE(
      gdk_pixbuf_loader_write(loader, reinterpret_cast<const guchar*>(bytes.data()), bytes.size(), nullptr));
  EXPECT_TRUE(gdk_pixbuf_loader_close(loader, nullptr));
  GdkPixbuf* out = gdk_pixbuf_loader_get_pixbuf(loader);
  g_object_ref(out);
  g_object_unref(loader);
  return out;
}

TEST(PictureFile, APngHasThePixelsThatItsDensityAsksFor) {
  for (const double dpi : {72.0, 300.0}) {
    GdkPixbuf* const png = read_png(picture_bytes(picture(), PictureFormat::kPng, dpi));
    EXPECT_EQ(gdk_pixbuf_get_width(png), std::lround(84 / 25.4 * dpi));
    EXPECT_EQ(gdk_pixbuf_get_height(png), std::lround(30 / 25.4 * dpi));
    EXPECT_STREQ(gdk_pixbuf_get_option(png, "x-dpi"), std::to_string(std::lround(dpi)).c_str());
    const auto pixel = [&](double x, double y) {  // at a place in points
      const guchar* at = gdk_pixbuf_read_pixels(png) +
                         std::lround(y / 72 * dpi) * gdk_pixbuf_get_rowstride(png) +
                         std::lround(x / 72 * dpi) * gdk_pixbuf_get_n_channels(png);
      return std::vector<int>{at[0], at[1], at[2]};
    };
    EXPECT_EQ(pixel(40, 40), (std::vector<int>{0x00, 0x72, 0xB2})) << dpi;
    EXPECT_EQ(pixel(104, 50), (std::vector<int>{0x00, 0x72, 0xB2})) << dpi;
    EXPECT_EQ(pixel(20, 45), (std::vector<int>{255, 255, 255})) << dpi;
    g_object_unref(png);
  }
  figure::Picture wide = picture();
  wide.width = 20000;
  EXPECT_THAT(testing::error_of([&] { picture_bytes(wide, PictureFormat::kPng, 300); }),
              HasSubstr("[--dpi] expected"));
}

TEST(PictureFile, WhatCannotBeDrawnIsSaid) {
  figure::Picture broken = picture();
  broken.svg = "<svg>";
  EXPECT_THAT(testing::error_of([&] { picture_bytes(broken, PictureFormat::kPdf, 300); }),
              HasSubstr("expected to draw a PDF, got '"));
}

TEST(Fonts, TextsAreMeasuredAsTheyAreDrawn) {
  EXPECT_FALSE(has_font("No Such Font At All"));
  if (!has_font("Liberation Sans")) GTEST_SKIP() << "needs the package fonts-liberation";
  EXPECT_TRUE(has_font("liberation sans")) << "as CSS has it";
  const figure::Font font = measured_font("Liberation Sans", 8);
  for (const char* text : {"Accuracy (%)", "rebalance alpha=0.2", "−0.3", "0123456789"}) {
    EXPECT_NEAR(font.ems(text), figure::helvetica_ems(text), 0.02 * figure::helvetica_ems(text))
        << text << ": the table is of fonts as wide as this one, which kerns a little";
  }
}

}  // namespace
}  // namespace refocus
