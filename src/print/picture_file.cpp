#include "print/picture_file.h"

#include <cairo-pdf.h>
#include <gdk-pixbuf/gdk-pixbuf.h>
#include <librsvg/rsvg.h>

#include <cmath>
#include <memory>

#include "base/error.h"

namespace refocus {
namespace {

template <auto function>
struct FreedBy {
  template <class T>
  void operator()(T* pointer) const {
    function(pointer);
  }
};
using Surface = std::unique_ptr<cairo_surface_t, FreedBy<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, FreedBy<cairo_destroy>>;
using Handle = std::unique_ptr<RsvgHandle, FreedBy<g_object_unref>>;
using Pixbuf = std::unique_ptr<GdkPixbuf, FreedBy<g_object_unref>>;
using Error = std::unique_ptr<GError, FreedBy<g_error_free>>;

[[noreturn]] void fail(const char* what, GError* error) {
  const Error owned(error);
  throw input_error("figure", "expected to draw {}, got '{}'; write .svg instead", what,
                    printable(owned ? owned->message : "no reason", 200));
}

// Draws the picture over `width` x `height` units of the surface.
void draw(const figure::Picture& picture, cairo_surface_t* surface, double width, double height,
          const char* what) {
  GError* error = nullptr;
  const Handle handle(rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(picture.svg.data()),
                                                picture.svg.size(), &error));
  if (!handle) fail(what, error);
  const Context context(cairo_create(surface));
  cairo_set_source_rgb(context.get(), 1, 1, 1);  // where whole pixels are a little more than the picture
  cairo_paint(context.get());
  const RsvgRectangle page{0, 0, width, height};
  if (!rsvg_handle_render_document(handle.get(), context.get(), &page, &error)) fail(what, error);
  if (const cairo_status_t status = cairo_status(context.get()); status != CAIRO_STATUS_SUCCESS) {
    throw input_error("figure", "expected to draw {}, got '{}'; make it smaller", what,
                      cairo_status_to_string(status));
  }
}

std::string pdf_bytes(const figure::Picture& picture) {
  std::string out;
  const auto append = [](void* to, const unsigned char* bytes, unsigned int count) {
    static_cast<std::string*>(to)->append(reinterpret_cast<const char*>(bytes), count);
    return CAIRO_STATUS_SUCCESS;
  };
  {
    const Surface surface(cairo_pdf_surface_create_for_stream(append, &out, picture.width, picture.height));
    // No date, so that the same picture makes the same bytes.
    cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_CREATE_DATE, "");
    cairo_pdf_surface_set_metadata(surface.get(), CAIRO_PDF_METADATA_CREATOR, "Refocus");
    draw(picture, surface.get(), picture.width, picture.height, "a PDF");
    cairo_surface_finish(surface.get());
  }
  return out;
}

// The pixels of Cairo's 32-bit surface, blue first, as red, green and blue.
Pixbuf pixels_of(cairo_surface_t* surface) {
  const int width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface);
  Pixbuf out(gdk_pixbuf_new(GDK_COLORSPACE_RGB, FALSE, 8, width, height));
  if (!out)
    throw input_error("figure", "expected memory for {} x {} pixels, got none; lower --dpi", width, height);
  const unsigned char* from = cairo_image_surface_get_data(surface);
  unsigned char* to = gdk_pixbuf_get_pixels(out.get());
  for (int y = 0; y < height; ++y) {
    const auto* row = reinterpret_cast<const std::uint32_t*>(
        from + static_cast<std::ptrdiff_t>(y) * cairo_image_surface_get_stride(surface));
    unsigned char* pixel = to + static_cast<std::ptrdiff_t>(y) * gdk_pixbuf_get_rowstride(out.get());
    for (int x = 0; x < width; ++x) {
      for (const int shift : {16, 8, 0}) *pixel++ = static_cast<unsigned char>(row[x] >> shift);
    }
  }
  return out;
}

std::string png_bytes(const figure::Picture& picture, double dpi) {
  const int width = static_cast<int>(std::lround(picture.width / figure::kInch * dpi));
  const int height = static_cast<int>(std::lround(picture.height / figure::kInch * dpi));
  constexpr int kMost = 32767;  // of Cairo's image surfaces
  if (std::min(width, height) < 1 || std::max(width, height) > kMost) {
    throw usage_error("--dpi", "expected a picture of 1 to {} pixels a side, got {} x {}; choose another",
                      kMost, width, height);
  }
  const Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  draw(picture, surface.get(), width, height, "a PNG");
  cairo_surface_flush(surface.get());
  const Pixbuf pixels = pixels_of(surface.get());
  gchar* bytes = nullptr;
  gsize size = 0;
  GError* error = nullptr;
  const std::string density = std::to_string(std::lround(dpi));
  if (!gdk_pixbuf_save_to_buffer(pixels.get(), &bytes, &size, "png", &error, "x-dpi", density.c_str(),
                                 "y-dpi", density.c_str(), nullptr)) {
    fail("a PNG", error);
  }
  const std::unique_ptr<gchar, FreedBy<g_free>> owned(bytes);
  return {bytes, size};
}

}  // namespace

PictureFormat picture_format(const std::filesystem::path& path) {
  const std::string suffix = path.extension().string();
  if (suffix == ".svg") return PictureFormat::kSvg;
  if (suffix == ".pdf") return PictureFormat::kPdf;
  if (suffix == ".png") return PictureFormat::kPng;
  throw usage_error(
      "-o", "expected a name that ends in .svg, .pdf or .png, got '{}'; it says how the figure is written",
      printable(path.string(), 200));
}

std::string picture_bytes(const figure::Picture& picture, PictureFormat format, double dpi) {
  switch (format) {
    case PictureFormat::kPdf:
      return pdf_bytes(picture);
    case PictureFormat::kPng:
      return png_bytes(picture, dpi);
    case PictureFormat::kSvg:
      break;
  }
  return picture.svg;
}

}  // namespace refocus
