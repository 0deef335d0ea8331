// Tables as LaTeX and Markdown: whatever a cell has, it is shown and nothing else happens.
#include "eval/text/printed_table.h"

#include <gmock/gmock.h>

namespace refocus {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = PrintedColumn::Kind;

TEST(PrintedTable, LatexShowsEveryCharacterAsItIs) {
  EXPECT_EQ(latex_escaped("a\\b{c}$d&e#f%g_h~i^j"),
            "a\\textbackslash{}b\\{c\\}\\$d\\&e\\#f\\%g\\_h\\textasciitilde{}i\\textasciicircum{}j");
  EXPECT_EQ(latex_escaped("a<b>c|d"), "a\\textless{}b\\textgreater{}c\\textbar{}d");
  EXPECT_EQ(
      latex_escaped("\"x\" 'y' `z`"),
      "\\char34{}x\\char34{} \\textquotesingle{}y\\textquotesingle{} \\textasciigrave{}z\\textasciigrave{}");
  EXPECT_EQ(latex_escaped("cot-none --limit ---"), "cot-none -{}-limit -{}-{}-") << "no dashes";
  EXPECT_EQ(latex_escaped("\\input{/etc/passwd}"), "\\textbackslash{}input\\{/etc/passwd\\}");
  EXPECT_EQ(latex_escaped("über 注"), "über 注");
  // No character of ASCII that is special to TeX is left bare.
  for (int c = 0x20; c < 0x7F; ++c) {
    const std::string text(1, static_cast<char>(c)), written = latex_escaped(text);
    const bool special = std::string_view("\\{}$&#%_~^<>|\"'`").find(text) != std::string_view::npos;
    EXPECT_EQ(written == text, !special) << text;
    EXPECT_TRUE(!special || written.starts_with('\\')) << text;
  }
}

TEST(PrintedTable, MarkdownShowsEveryCharacterAsItIs) {
  EXPECT_EQ(markdown_escaped("a|b*c_d`e`[f](g) <h> #1 \\ ~x~ $y$ &amp;"),
            "a\\|b\\*c\\_d\\`e\\`\\[f\\](g) \\<h\\> \\#1 \\\\ \\~x\\~ \\$y\\$ \\&amp;");
}

PrintedTable table() {
  PrintedTable out;
  out.caption = "worlds: 100% right_or_wrong.";
  out.label = "worlds-differences";
  out.columns = {{Kind::kText, "Arm"},
                 {Kind::kNumber, "difference (points)"},
                 {Kind::kInterval, "95% interval"},
                 {Kind::kNumber, "p"}};
  out.rows = {{{"STEM"}, true},
              {{"boost|factor=9", "-1.2", "[-3.0, +0.6]", "<.0001"}},
              {{"none", "0.0", "-", ""}, false, true}};
  out.note = "p & Holm.";
  return out;
}

TEST(PrintedTable, LatexHasBooktabsAlignedNumbersAndANote) {
  EXPECT_EQ(latex_text(table()), R"(\begin{table*}
  \centering
  \caption{worlds: 100\% right\_or\_wrong.}
  \label{tab:worlds-differences}
  \begin{tabular}{lrr@{ }rr}
    \toprule
    Arm & \multicolumn{1}{c}{\shortstack{\strut difference\\(points)}} & \multicolumn{2}{c}{95\% interval} & \multicolumn{1}{c}{p} \\
    \midrule
    \multicolumn{5}{l}{\textit{STEM}} \\
    boost\textbar{}factor=9 & $-1.2$ & [$-3.0$, & $+0.6$] & $<.0001$ \\
    \midrule
    none & 0.0 & \multicolumn{2}{c}{--} &  \\
    \bottomrule
  \end{tabular}
  \par\smallskip
  \parbox{\linewidth}{\footnotesize p \& Holm.}
\end{table*}
)");
}

TEST(PrintedTable, LongTablesAreSetSmaller) {
  PrintedTable many = table();
  many.rows.resize(31, many.rows[1]);
  EXPECT_THAT(latex_text(many), HasSubstr("}\n  \\footnotesize\n  \\begin{tabular}"));
}

TEST(PrintedTable, WideTablesAreSetSmaller) {
  PrintedTable wide = table();
  EXPECT_THAT(latex_text(wide), Not(HasSubstr("tabcolsep")));
  wide.rows[1].cells[0] = std::string(60, 'a');
  EXPECT_THAT(latex_text(wide), HasSubstr("\\footnotesize\\setlength{\\tabcolsep}{3pt}\n"));
  wide.rows[1].cells[0] = std::string(90, 'a');
  EXPECT_THAT(latex_text(wide), HasSubstr("\\scriptsize\\setlength"));
}

TEST(PrintedTable, MarkdownHasTheSameCells) {
  EXPECT_EQ(markdown_text(table()), R"(**worlds: 100% right\_or\_wrong.**

| Arm | difference (points) | 95% interval | p |
| --- | ---: | ---: | ---: |
| *STEM* |  |  |  |
| boost\|factor=9 | -1.2 | \[-3.0, +0.6\] | \<.0001 |
| none | 0.0 | - |  |

p \& Holm.
)");
}

}  // namespace
}  // namespace refocus
