#include "print/fonts.h"

#include <pango/pangocairo.h>

#include <strings.h>
#include <map>
#include <memory>

namespace refocus {
namespace {

struct Unref {
  void operator()(gpointer object) const { g_object_unref(object); }
};

// One layout, for one text after the other.
class TextMeasure {
 public:
  explicit TextMeasure(const std::string& family)
      : context_(pango_font_map_create_context(pango_cairo_font_map_get_default())) {
    pango_context_set_round_glyph_positions(context_.get(), FALSE);
    layout_.reset(pango_layout_new(context_.get()));
    PangoFontDescription* font = pango_font_description_new();
    pango_font_description_set_family(font, family.c_str());
    pango_font_description_set_absolute_size(font, kSize * PANGO_SCALE);
    pango_layout_set_font_description(layout_.get(), font);
    pango_font_description_free(font);
  }

  double ems(std::string_view text) {
    const auto [place, added] = known_.try_emplace(std::string(text), 0.0);
    if (added) {
      pango_layout_set_text(layout_.get(), text.data(), static_cast<int>(text.size()));
      int width = 0;
      pango_layout_get_size(layout_.get(), &width, nullptr);
      place->second = static_cast<double>(width) / PANGO_SCALE / kSize;
    }
    return place->second;
  }

 private:
  static constexpr double kSize = 100;  // pixels an em: no hinting shows at this size
  std::unique_ptr<PangoContext, Unref> context_;
  std::unique_ptr<PangoLayout, Unref> layout_;
  std::map<std::string, double, std::less<>> known_;
};

}  // namespace

bool has_font(const std::string& family) {
  PangoFontFamily** families = nullptr;
  int count = 0;
  pango_font_map_list_families(pango_cairo_font_map_get_default(), &families, &count);
  bool found = false;
  for (int i = 0; i < count; ++i) {
    found |= strcasecmp(pango_font_family_get_name(families[i]), family.c_str()) == 0;
  }
  g_free(families);
  return found;
}

figure::Font measured_font(const std::string& family, double size) {
  figure::Font out{family, size};
  out.ems = [measure = std::make_shared<TextMeasure>(family)](std::string_view text) {
    return measure->ems(text);
  };
  return out;
}

}  // namespace refocus
