// refocus figure: one picture of a run, a study, a capture or a search for heads, for a paper
// (docs/figures.md).
#include <fmt/ranges.h>

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/commands/figure_kinds.h"
#include "eval/text/printed_table.h"
#include "figure/units.h"
#include "print/fonts.h"
#include "print/picture_file.h"

namespace refocus::cli {

namespace {

using enum FigureKind;

// An option that only some kinds have a use for.
struct KindOption {
  const CLI::Option* option;
  std::vector<FigureKind> kinds;
};

struct FigureOptions {
  std::vector<std::string> what;  // directories and, last, the kind
  FigureRequest request;
  std::string output, width = "84mm", height, font, title, caption;
  double font_size = 8, dpi = 300;
  std::vector<KindOption> of_kinds;
};

constexpr double kLeastWidth = 30 * figure::kMillimetre, kMostLength = 2000 * figure::kMillimetre;
constexpr double kPage = 250 * figure::kMillimetre;  // what of a page most journals print on

// A length that a picture may have.
CLI::Validator length() {
  return {[](std::string& text) -> std::string {
            const auto points = figure::parse_length(text);
            if (points && *points >= kLeastWidth && *points <= kMostLength) return "";
            return fmt::format(
                "expected a length from {} to {} in mm, cm, in, pt or px, got '{}'; an example is 84mm",
                figure::millimetres_text(kLeastWidth), figure::millimetres_text(kMostLength),
                printable(text));
          },
          ""};
}

// Texts of a PDF or PNG are measured with the font that draws them; an SVG is drawn elsewhere.
figure::Font font_of(const FigureOptions& options, PictureFormat format) {
  const bool drawn_here = format != PictureFormat::kSvg;
  if (options.font.empty()) {
    if (drawn_here) return measured_font(figure::kDefaultFamily, options.font_size);
    return {.size = options.font_size};
  }
  const std::string family = options.font + ", " + figure::kDefaultFamily;
  if (has_font(options.font)) return measured_font(family, options.font_size);
  if (drawn_here) {
    throw usage_error("--font",
                      "expected a font of this machine, got '{}'; `fc-list : family` lists them, and an .svg "
                      "may name any",
                      printable(options.font));
  }
  return {family, options.font_size};
}

void refuse_other_options(const FigureOptions& options) {
  for (const KindOption& of : options.of_kinds) {
    if (of.option->count() == 0 || std::ranges::find(of.kinds, options.request.kind) != of.kinds.end())
      continue;
    std::vector<std::string_view> names;
    for (const FigureKind kind : of.kinds) names.push_back(name_of(kind));
    throw usage_error(of.option->get_name(), "expected {}, got {}, which has no use for it; leave it out",
                      fmt::join(names, " or "), name_of(options.request.kind));
  }
}

// The picture with its caption, for \input where it stands beside the text.
std::string latex_figure(const FigureOptions& options, const std::string& caption) {
  const std::filesystem::path tex = options.caption, picture = options.output;
  const std::filesystem::path name =
      std::filesystem::absolute(picture).lexically_proximate(std::filesystem::absolute(tex).parent_path());
  return fmt::format(
      "% Needs \\usepackage{{graphicx}}.\n\\begin{{figure}}\n  \\centering\n  \\includegraphics{{{}}}\n"
      "  \\caption{{{}}}\n  \\label{{fig:{}}}\n\\end{{figure}}\n",
      name.string(), latex_escaped(caption), picture.stem().string());
}

bool is_latex(const std::string& file) { return std::filesystem::path(file).extension() == ".tex"; }

void run(FigureOptions& options) {
  const PictureFormat format = picture_format(options.output);
  if (is_latex(options.caption) && format == PictureFormat::kSvg) {
    throw usage_error("--caption",
                      "expected a .pdf or .png with '{}', got '{}', which LaTeX does not read; "
                      "change -o",
                      printable(options.caption), printable(options.output));
  }
  options.request.directories.assign(options.what.begin(), options.what.end() - 1);
  options.request.kind =
      figure_kind(options.what.back(), options.request.directories, options.request.across);
  refuse_other_options(options);
  figure::Style style;
  style.width = *figure::parse_length(options.width);
  if (!options.height.empty()) style.height = *figure::parse_length(options.height);
  style.font = font_of(options, format);
  style.title = options.title;
  check_replaceable(options.output);
  const figure::Picture picture = draw_figure(options.request, style);
  if (picture.height > kPage) {
    spdlog::warn("the figure is {} high, more than a page; choose fewer rows with --by or --arms",
                 figure::millimetres_text(picture.height));
  }
  write_file_atomically(options.output, picture_bytes(picture, format, options.dpi));
  if (!options.caption.empty()) {
    write_file_atomically(options.caption, is_latex(options.caption) ? latex_figure(options, picture.caption)
                                                                     : picture.caption + "\n");
  } else {
    fmt::print("{}\n", picture.caption);
  }
}

void add_content(CLI::App& command, FigureOptions& options) {
  FigureRequest& request = options.request;
  const auto of = [&](std::vector<FigureKind> kinds, CLI::Option* option) {
    options.of_kinds.push_back({option, std::move(kinds)});
    return option;
  };
  of({kForest, kAccuracy, kFlips},
     command.add_option("--by", request.by,
                        "Rows: all questions together, groups of subjects, or subjects "
                        "(default: subjects of accuracy, else all)"))
      ->check(one_of({"all", "groups", "subjects"}));
  of({kForest, kAccuracy, kLengths, kFlips},
     command.add_option("--arms", request.arms, "Only these arms (default: all)"))
      ->delimiter(',')
      ->type_name("a,b");
  of({kForest, kFlips}, command.add_option("--baseline", request.comparison.baseline,
                                           "Compare all others with this arm, as `refocus compare` does"))
      ->check(not_empty())
      ->type_name("ARM");
  of({kForest}, command.add_flag("--across", request.across,
                                 "Each run by itself, as `refocus compare --across` has it"));
  of({kSweep}, command.add_flag("--grid", request.grid, "Two swept keys as a heat map of differences"));
  of({kHeads, kForest},
     command.add_option("--value", request.value,
                        "Which number: effect or a detector of a search for heads, a statistic of "
                        "captured attention or of a study (default: effect, entropy)"))
      ->check(not_empty())
      ->type_name("NAME");
  of({kHeads, kAttention},
     command.add_option("--arm", request.arm, "Which arm of captured attention (default: the first)"))
      ->check(not_empty())
      ->type_name("ARM");
  of({kAttention}, command.add_option("--head", request.head, "Which head"))
      ->check(not_empty())
      ->type_name("LAYER.HEAD");
  of({kAttention},
     command.add_option("--tokens", request.tokens, "Only the tokens at these positions, from 0"))
      ->check(not_empty())
      ->type_name("FIRST-LAST");
}

}  // namespace

Action add_figure(CLI::App& command) {
  auto options = std::make_shared<FigureOptions>();
  command
      .add_option(
          "what", options->what,
          fmt::format(
              "The directory of a run, a study, captured attention or a search for heads (or two runs over "
              "the same items, or with --across any number), and one of {}",
              fmt::join(figure_kind_names(), ", ")))
      ->required()
      ->expected(2, 1000)
      ->check(not_empty())
      ->type_name("DIR [RUN_DIR...] KIND");
  command.add_option("-o,--output", options->output, "The file, which ends in .svg, .pdf or .png")
      ->required()
      ->check(not_empty())
      ->type_name("FILE");
  add_content(command, *options);
  command.add_option("--width", options->width, "Width on paper, in mm, cm, in, pt or px")
      ->capture_default_str()
      ->check(length())
      ->type_name("84mm");
  command.add_option("--height", options->height, "Height on paper (default: what the content needs)")
      ->check(length())
      ->type_name("60mm");
  command.add_option("--font", options->font, "Font family (default: Helvetica, or the like that there is)")
      ->check(not_empty())
      ->type_name("NAME");
  command.add_option("--font-size", options->font_size, "Size of all texts in points")
      ->capture_default_str()
      ->check(number(4, 40));
  command.add_option("--title", options->title, "A title above (default: none; papers have captions)")
      ->check(not_empty())
      ->type_name("TEXT");
  command.add_option("--dpi", options->dpi, "Pixels an inch of a .png")
      ->capture_default_str()
      ->check(number(10, 2400));
  command
      .add_option("--caption", options->caption,
                  "Write the caption here: what is shown, of how many, by which test; to a .tex file, a "
                  "LaTeX figure with "
                  "both (default: standard output)")
      ->check(not_empty())
      ->type_name("FILE");
  return [options] { run(*options); };
}

}  // namespace refocus::cli
