// refocus figure as a process, and the forms that refocus compare prints.
#include <regex>

#include "cli/cli_support.h"
#include "eval/toy_run.h"
#include "figure/svg_reader.h"

namespace refocus {
namespace {

using ::testing::AllOf;
using testing::Arguments;
using testing::expect_failure;
using testing::file_text;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Json;
using ::testing::Not;
using testing::plus;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

class Figure : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::ToyRun toy;
    toy.tasks = {testing::toy_mmlu({{"anatomy", 5}, {"philosophy", 2}})};
    toy.arms = {{PromptKind::kCot, "none", {{"anatomy", "ABBAB"}, {"philosophy", "B?"}}},
                {PromptKind::kCot, "rebalance:alpha=1", {{"anatomy", "BBACB"}, {"philosophy", "BB"}}}};
    testing::write_toy_run(dir / "run", toy);
  }
  std::string path(const char* name) const { return (dir / name).string(); }
  ProcessResult figure(const Arguments& more) const { return testing::refocus(plus({"figure"}, more)); }
  std::string drawn(const Arguments& more) const {
    const ProcessResult result = figure(plus(more, {"-o", path("x.svg")}));
    EXPECT_EQ(result.status, 0) << result.err;
    const std::string svg = file_text(dir / "x.svg");
    EXPECT_THAT(testing::collisions(svg), IsEmpty());
    return svg;
  }
  TempDir dir;
};

TEST_F(Figure, EachSuffixIsAFormatAndTheCaptionIsPrinted) {
  const ProcessResult result = figure({path("run"), "forest", "-o", path("f.svg")});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_THAT(result.out, AllOf(::testing::StartsWith("Difference in accuracy"), ::testing::EndsWith(".\n")));
  EXPECT_THAT(file_text(dir / "f.svg"), HasSubstr("width=\"84mm\""));
  ASSERT_EQ(figure({path("run"), "forest", "-o", path("f.pdf"), "--width", "174mm"}).status, 0);
  const std::string pdf = file_text(dir / "f.pdf");
  std::smatch box;
  ASSERT_TRUE(std::regex_search(pdf, box, std::regex(R"(/MediaBox \[ 0 0 ([0-9.]+) )")));
  EXPECT_NEAR(std::stod(box[1]), 174 / 25.4 * 72, 0.01);
  ASSERT_EQ(figure({path("run"), "forest", "-o", path("f.png"), "--width", "2in", "--dpi", "150"}).status, 0);
  const std::string png = file_text(dir / "f.png");
  EXPECT_EQ(png.substr(12, 8), std::string("IHDR\0\0\1\x2C", 8)) << "300 pixels wide";
}

TEST_F(Figure, OptionsAreOfThePictureOnPaper) {
  const std::string svg =
      drawn({path("run"), "accuracy", "--height", "70mm", "--font", "No Such Font", "--font-size", "7",
             "--title", "Accuracy & arms", "--caption", path("c.txt")});
  const auto elements = testing::svg_elements(svg);
  EXPECT_EQ(elements.front().attributes.at("height"), "70mm");
  EXPECT_EQ(elements.front().attributes.at("font-size"), "7");
  EXPECT_THAT(elements.front().attributes.at("font-family"), ::testing::StartsWith("No Such Font, "));
  EXPECT_EQ(testing::the_text(elements, "Accuracy & arms").number("x"), 3);
  EXPECT_THAT(file_text(dir / "c.txt"), HasSubstr("Wilson 1927"));
  EXPECT_EQ(figure({path("run"), "accuracy", "-o", path("y.svg"), "--caption", path("c.txt")}).out, "");
}

TEST_F(Figure, ACaptionInATexFileIsAFigureOfLatex) {
  fs::create_directories(dir / "paper");
  ASSERT_EQ(
      figure({path("run"), "accuracy", "-o", path("acc.pdf"), "--caption", path("paper/acc.tex")}).status, 0);
  const std::string tex = file_text(dir / "paper/acc.tex");
  EXPECT_THAT(tex, HasSubstr("\\includegraphics{../acc.pdf}\n"));
  EXPECT_THAT(tex, HasSubstr("95\\% "));
  EXPECT_THAT(tex, HasSubstr("\\label{fig:acc}\n\\end{figure}\n"));
  expect_failure(figure({path("run"), "accuracy", "-o", path("acc.svg"), "--caption", path("acc.tex")}), 2,
                 {"expected a .pdf or .png with '" + path("acc.tex") + "', got '" + path("acc.svg") +
                  "', which LaTeX does not read; change -o"});
}

TEST_F(Figure, KindsThatARunHas) {
  EXPECT_THAT(drawn({path("run"), "flips"}), HasSubstr("fixed"));
  EXPECT_THAT(drawn({path("run"), "lengths"}), HasSubstr("Generated tokens"));
  EXPECT_THAT(drawn({path("run"), "accuracy"}), HasSubstr("anatomy"));
  EXPECT_THAT(drawn({path("run"), "accuracy", "--by", "all"}), Not(HasSubstr("anatomy")));
  EXPECT_THAT(drawn({path("run"), path("run"), "forest", "--by", "subjects"}), HasSubstr("anatomy"));
  expect_failure(figure({path("run"), "heads", "-o", path("x.pdf")}), 2,
                 {"expected one of forest, accuracy, lengths, flips, which", "got 'heads'"});
  expect_failure(figure({path("run"), "sweep", "-o", path("x.pdf")}), 2, {"expected one of forest"});
  expect_failure(figure({path("run"), "frest", "-o", path("x.pdf")}), 2, {"'frest'", "did you mean forest?"});
}

TEST_F(Figure, WhatIsWrongIsSaidAndNothingIsWritten) {
  const std::string run = path("run");
  expect_failure(figure({run, "forest", "-o", path("x.jpg")}), 2,
                 {"[-o] expected a name that ends in .svg, .pdf or .png"});
  expect_failure(figure({run, "forest"}), 2, {"-o"});
  expect_failure(figure({run, "-o", path("x.svg")}), 2, {"what"});
  expect_failure(figure({path("none"), "forest", "-o", path("x.svg")}), 1, {"got no such directory"});
  expect_failure(figure({dir.path().string(), "forest", "-o", path("x.svg")}), 1, {"got another directory"});
  expect_failure(figure({run, "forest", "-o", path("x.svg"), "--width", "84"}), 2,
                 {"--width", "an example is 84mm"});
  expect_failure(figure({run, "forest", "-o", path("x.svg"), "--width", "1mm"}), 2, {"from 30mm"});
  expect_failure(figure({run, "accuracy", "-o", path("x.svg"), "--height", "30mm"}), 2,
                 {"[--height] expected at least"});
  expect_failure(figure({run, "forest", "-o", path("x.svg"), "--head", "1.0"}), 2,
                 {"[--head] expected attention, got forest"});
  expect_failure(figure({run, "forest", "-o", path("x.pdf"), "--font", "No Such Font"}), 2,
                 {"[--font]", "fc-list"});
  expect_failure(figure({run, "forest", "-o", path("no/x.svg")}), 1, {"no/x.svg"});
  EXPECT_FALSE(fs::exists(dir / "x.svg"));
  EXPECT_FALSE(fs::exists(dir / "x.pdf"));
}

TEST_F(Figure, ASearchForHeadsIsAHeatMap) {
  fs::create_directory(dir / "search");
  fs::create_directory(dir / "found");
  testing::write_file(dir / "search/heads.json", R"({"1":[0]})");
  testing::write_file(dir / "search/results.json",
                      R"({"method":"zero","layers":2,"heads":2,"selection":{"items":200},
    "heads_tried":[{"heads":"1.0","likelihood_change":-0.5},{"heads":"0.1","likelihood_change":0.25},
                   {"heads":"0.0","likelihood_change":0}]})");
  const ProcessResult result = figure({path("search"), "heads", "-o", path("h.svg")});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("200 questions"), HasSubstr("under zero"), HasSubstr("(1.0)"),
                                HasSubstr("not tried")));
  const std::string svg = file_text(dir / "h.svg");
  EXPECT_THAT(svg, AllOf(HasSubstr("#2166ac"), HasSubstr("#dddddd"), HasSubstr(">−0.5<")));
  expect_failure(figure({path("search"), "attention", "-o", path("x.svg")}), 2, {"expected one of heads"});
  expect_failure(figure({path("search"), "heads", "--value", "sink", "-o", path("x.svg")}), 2,
                 {"[--value]", "'sink'"});
  testing::write_file(dir / "search/results.json",
                      R"({"method":"zero","layers":2,"heads":2,"selection":{"items":200},
    "heads_tried":[{"heads":"2.0","likelihood_change":-0.5}]})");
  expect_failure(figure({path("search"), "heads", "-o", path("x.svg")}), 1,
                 {"results.json", "a head of the model"});
  testing::write_file(dir / "found/detectors.json", R"({"layers":1,"heads":2,"detectors":
    {"induction":{"on":"stimulus","scores":[[0.5,null]]},"sink":{"on":"stimulus","scores":[[1,2]]}}})");
  EXPECT_THAT(drawn({path("found"), "heads", "--value", "sink"}), HasSubstr(">sink<"));
  expect_failure(figure({path("found"), "heads", "--value", "x", "-o", path("x.svg")}), 2,
                 {"there are induction, sink"});
}

TEST_F(Figure, CapturedAttentionHasMapsAndStatistics) {
  const std::string seen = path("seen");
  ASSERT_EQ(testing::refocus({"attention", "-m", testing::bundled_model().string(), "-p",
                              "the blue crate lies in", "-o", seen, "--no-page", "--dense", "--intervene",
                              "none", "--intervene", "boost:factor=3,keys=bos"})
                .status,
            0);
  const ProcessResult result = figure({seen, "attention", "--head", "2.1", "-o", path("m.svg")});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, AllOf(HasSubstr("layer 2, head 1"), HasSubstr("intervention: none")));
  const std::string svg = file_text(dir / "m.svg");
  EXPECT_THAT(svg, AllOf(HasSubstr("crate"), HasSubstr(">query<"), HasSubstr("#08306b")));
  EXPECT_THAT(
      drawn({seen, "attention", "--head", "2.1", "--tokens", "1-2", "--arm", "boost_factor=3_keys=bos"}),
      Not(HasSubstr("crate")));
  EXPECT_THAT(drawn({seen, "heads"}), HasSubstr("entropy (nats)"));
  EXPECT_THAT(drawn({seen, "heads", "--value", "mass_first"}), HasSubstr("mass_first"));
  expect_failure(figure({seen, "attention", "-o", path("x.svg")}), 2, {"add --head LAYER.HEAD"});
  expect_failure(figure({seen, "attention", "--head", "9.0", "-o", path("x.svg")}), 2, {"[--head]", "9.0"});
  expect_failure(figure({seen, "attention", "--head", "2", "-o", path("x.svg")}), 2, {"expected LAYER.HEAD"});
  expect_failure(figure({seen, "attention", "--head", "2.1", "--tokens", "5-99", "-o", path("x.svg")}), 2,
                 {"[--tokens]"});
  expect_failure(figure({seen, "attention", "--head", "2.1", "--arm", "x", "-o", path("x.svg")}), 2,
                 {"there are none, boost"});
  expect_failure(figure({seen, "heads", "--value", "x", "-o", path("x.svg")}), 2, {"[--value]", "entropy"});
  expect_failure(figure({seen, "forest", "-o", path("x.svg")}), 2, {"expected one of heads, attention"});
}

TEST_F(Figure, CompareHasFiveFormats) {
  const auto compare = [&](const Arguments& more) {
    return testing::refocus(plus({"compare", path("run")}, more));
  };
  EXPECT_EQ(compare({"--format", "text"}).out, compare({}).out);
  EXPECT_EQ(compare({"--format", "json"}).out, compare({"--json"}).out);
  EXPECT_EQ(Json::parse(compare({"--format", "json"}).out)["format"], "refocus-comparison");
  ASSERT_EQ(compare({"--csv", path("c.csv")}).status, 0);
  EXPECT_EQ(compare({"--format", "csv"}).out, file_text(dir / "c.csv"));
  EXPECT_THAT(compare({"--format", "latex"}).out, AllOf(HasSubstr("\\toprule"), HasSubstr("$+14.3$")));
  EXPECT_THAT(compare({"--format", "markdown"}).out, HasSubstr("| none | rebalance alpha=1 | 7 |"));
  expect_failure(compare({"--format", "latex", "--flips"}), 2,
                 {"[--flips] expected --format text or json, got latex"});
  expect_failure(compare({"--format", "csv", "--json"}), 2, {"--json"});
  expect_failure(compare({"--format", "tex"}), 2, {"--format"});
  expect_failure(compare({"--report", path("c.pdf")}), 2, {"expected a name that ends in .html"});
}

}  // namespace
}  // namespace refocus
