// refocus manual: the manual pages of the program and of its commands, as roff (man(7)), from the definitions
// that help is made from.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <utility>

#include "base/text_file.h"
#include "cli/checks.h"
#include "cli/command.h"
#include "cli/commands.h"
#include "cli/options/option_text.h"

namespace refocus::cli {

namespace {

// Text that roff takes for nothing else.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      default:
        out += c;
    }
  }
  return out;
}

// The same as a line of its own, which must not begin as a request does.
std::string line(std::string_view text) {
  const bool request = text.starts_with('.') || text.starts_with('\'');
  return (request ? "\\&" : "") + escaped(text) + "\n";
}

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::toupper(c); });
  return out;
}

// "refocus-eval-perplexity".
std::string page_name(const CLI::App& app) {
  std::string out = full_name(app);
  std::ranges::replace(out, ' ', '-');
  return out;
}

std::string entry(std::string_view name, std::string_view text) {
  return fmt::format(".TP\n\\fB{}\\fR\n{}", escaped(name), line(text));
}

std::string options_text(const CLI::App& app) {
  std::string out;
  if (const auto arguments = arguments_of(app); !arguments.empty()) {
    out += ".SH ARGUMENTS\n";
    for (const CLI::Option* option : arguments)
      out += entry(option->get_name(true, false), explanation(*option));
  }
  out += ".SH OPTIONS\n";
  for (const OptionSection& section : option_sections(app)) {
    out += ".SS " + line(section.heading);
    for (const CLI::Option* option : section.options)
      out += entry(option_name(*option), explanation(*option));
  }
  return out;
}

std::string commands_text(const CLI::App& app) {
  std::string out, last;
  for (const CLI::App* command : shown_commands(app)) {
    const std::string heading = app.get_parent() == nullptr ? command->get_group() : "Commands";
    if (heading != std::exchange(last, heading)) out += ".SH " + upper(heading) + "\n";
    out += entry(page_name(*command) + "(1)", command->get_description());
  }
  return out;
}

// What stands below help: blocks "Heading:" and lines as they are.
std::string footer_text(std::string_view footer) {
  std::string out;
  bool lines = false, paragraph = false;
  const auto end_lines = [&] {
    if (std::exchange(lines, false)) out += ".EE\n";
  };
  for (std::size_t begin = 0; begin < footer.size();) {
    const std::size_t end = std::min(footer.find('\n', begin), footer.size());
    const std::string_view one = footer.substr(begin, end - begin);
    if (one.ends_with(':') && !one.starts_with(' ')) {
      end_lines();
      out += ".SH " + upper(one.substr(0, one.size() - 1)) + "\n.EX\n";
      lines = true;
    } else if (one.empty()) {
      end_lines();
      paragraph = false;
    } else if (lines) {
      out += line(one.starts_with("  ") ? one.substr(2) : one);
    } else {
      out += (std::exchange(paragraph, true) ? "" : ".PP\n") + line(one);
    }
    begin = end + 1;
  }
  end_lines();
  return out;
}

constexpr std::string_view kGeneral = R"(.SH EXIT STATUS
.TP
0
Done.
.TP
1
It failed: standard error says in one line why, and what to do.
.TP
2
The command line is wrong.
.SH ENVIRONMENT
.TP
\fBREFOCUS_HOME\fR
A directory with models and data, looked into before those that were installed.
.TP
\fBREFOCUS_SIMD\fR
The best instruction set to use, of those that \fBrefocus \-\-version\fR lists.
.TP
\fBREFOCUS_CUDA_LIBRARY\fR
The library of \fB\-\-device cuda\fR, where it does not lie beside the program.
.TP
\fBNO_COLOR\fR
Any text: messages have no colours.
.TP
\fBCOLUMNS\fR
The width of help where standard output is no terminal.
)";

std::string page_of(const CLI::App& app) {
  const std::string name = page_name(app);
  std::string out = fmt::format(".TH {} 1 \"{}\" \"refocus {}\" \"Refocus\"\n", escaped(upper(name)),
                                commit_date(), REFOCUS_VERSION);
  out += fmt::format(".SH NAME\n{} \\- {}", escaped(name), line(app.get_description()));
  out += fmt::format(".SH SYNOPSIS\n.B {}\n{}", escaped(full_name(app)),
                     line(usage_of(app).substr(full_name(app).size() + 1)));
  out += commands_text(app) + options_text(app) + footer_text(app.get_footer());
  if (app.get_parent() == nullptr) return out + std::string(kGeneral);
  return out + fmt::format(".SH SEE ALSO\n.BR {} (1)\n", escaped(page_name(*app.get_parent())));
}

void write_pages(const CLI::App& app, const std::filesystem::path& directory) {
  write_file_atomically(directory / (page_name(app) + ".1"), page_of(app));
  for (const CLI::App* command : shown_commands(app)) write_pages(*command, directory);
}

}  // namespace

Action add_manual(CLI::App& command) {
  auto directory = std::make_shared<std::string>();
  command.add_option("directory", *directory, "Where the pages go")
      ->required()
      ->check(not_empty())
      ->type_name("DIR");
  return [directory, &command] {
    std::filesystem::create_directories(*directory);
    write_pages(*command.get_parent(), *directory);
  };
}

}  // namespace refocus::cli
