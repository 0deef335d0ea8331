// Completion: what may come next by the program's definitions, and the scripts in the shells that they are
// for.
#include <optional>
#include <sstream>

#include "cli/cli_support.h"

namespace refocus {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using testing::ProcessResult;
using testing::TempDir;
namespace fs = std::filesystem;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

// Words without their meanings, and the last line, which says what else may come.
struct Offered {
  std::vector<std::string> words;
  std::string rest;
};

Offered offered(std::vector<std::string> words) {
  std::vector<std::string> arguments = {"complete", "--"};
  arguments.insert(arguments.end(), words.begin(), words.end());
  const ProcessResult result = testing::refocus(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  Offered out;
  for (const std::string& line : lines_of(result.out)) {
    if (line.starts_with(':')) {
      out.rest = line;
    } else {
      out.words.push_back(line.substr(0, line.find('\t')));
    }
  }
  return out;
}

TEST(Completion, OffersCommandsAndTheirCommands) {
  EXPECT_THAT(offered({"ev"}).words, ElementsAre("eval"));
  EXPECT_THAT(offered({""}).words, IsSupersetOf({"generate", "eval", "completion", "help"}));
  EXPECT_THAT(offered({""}).words, Not(Contains("complete"))) << "commands of scripts are not offered";
  EXPECT_THAT(offered({"calibrate", ""}).words, ElementsAre("mean", "seka"));
  EXPECT_THAT(offered({"help", "ev"}).words, ElementsAre("eval"));
  EXPECT_THAT(offered({"help", "eval", ""}).words, ElementsAre("perplexity"));
}

TEST(Completion, OffersOptionsThatAreNotThereYet) {
  EXPECT_THAT(offered({"eval", "--co"}).words, ElementsAre("--cot", "--context"));
  EXPECT_THAT(offered({"eval", "--cot", "--co"}).words, ElementsAre("--context"));
  EXPECT_THAT(offered({"eval", "--intervene", "none", "--interv"}).words, ElementsAre("--intervene"))
      << "which may be given again";
  EXPECT_THAT(offered({"generate", "--pro"}).words, ElementsAre("--prompt")) << "of a group";
  EXPECT_THAT(offered({"eval", "perplexity", "--str"}).words, ElementsAre("--stride"));
  EXPECT_THAT(offered({"eval", "--fr"}).words, ElementsAre());
}

TEST(Completion, OffersValues) {
  EXPECT_THAT(offered({"eval", "--kv-type", ""}).words, ElementsAre("f32", "f16", "q8_0"));
  EXPECT_THAT(offered({"eval", "--kv-type=q"}).words, ElementsAre("--kv-type=q8_0"));
  EXPECT_THAT(offered({"convert", "--type", "q4"}).words, ElementsAre("q4_0", "q4_k"));
  EXPECT_THAT(offered({"info", "-m", "sma"}).words, ElementsAre("small-worlds"));
  EXPECT_EQ(offered({"info", "-m", ""}).rest, ":files");
  EXPECT_THAT(offered({"eval", "m"}).words, ElementsAre("mmlu"));
  EXPECT_EQ(offered({"eval", "m"}).rest, ":files") << "of tasks of one's own";
  EXPECT_THAT(offered({"eval", "mmlu", "p"}).words, ElementsAre("piqa"));
  EXPECT_EQ(offered({"compare", ""}).rest, ":directories");
  EXPECT_EQ(offered({"join", "a", ""}).rest, ":directories");
  EXPECT_THAT(offered({"figure", "run", "for"}).words, ElementsAre("forest"));
  EXPECT_EQ(offered({"eval", "-o", ""}).rest, ":directories");
  EXPECT_EQ(offered({"train", "--data", ""}).rest, ":files");
  EXPECT_EQ(offered({"eval", "--limit", ""}).rest, ":words");
  EXPECT_THAT(offered({"completion", ""}).words, ElementsAre("bash", "zsh", "fish"));
}

TEST(Completion, OffersTheWordsOfAnIntervention) {
  EXPECT_THAT(offered({"generate", "--intervene", "re"}).words, ElementsAre("rebalance"));
  EXPECT_EQ(offered({"generate", "--intervene", "re"}).rest, ":words open") << "a colon may follow";
  EXPECT_THAT(offered({"generate", "--intervene", "rebalance:a"}).words, ElementsAre("rebalance:alpha="));
  EXPECT_THAT(offered({"generate", "--intervene", "rebalance:alpha=1,"}).words,
              ElementsAre("rebalance:alpha=1,threshold=", "rebalance:alpha=1,depth=",
                          "rebalance:alpha=1,mode=", "rebalance:alpha=1,seed=", "rebalance:alpha=1,layers=",
                          "rebalance:alpha=1,heads=", "rebalance:alpha=1,rows="));
  EXPECT_THAT(offered({"generate", "--intervene", "rebalance:mode="}).words,
              ElementsAre("rebalance:mode=mask", "rebalance:mode=self", "rebalance:mode=random"));
  EXPECT_THAT(offered({"eval", "--intervene", "strong=zero+bo"}).words, ElementsAre("strong=zero+boost"));
  EXPECT_THAT(offered({"eval", "--sweep", "boost:f"}).words, ElementsAre("boost:factor="));
}

TEST(Completion, TakesALineApartAsAShellDoes) {
  const auto line = [](const std::string& text) {
    const ProcessResult result = testing::refocus({"complete", "--line=" + text, "--breaks= =:"});
    EXPECT_EQ(result.status, 0) << result.err;
    return lines_of(result.out).front();
  };
  EXPECT_THAT(line("refocus eval --kv-type f3"), HasSubstr("f32"));
  EXPECT_THAT(line("refocus generate -p 'two words' --ignore"), HasSubstr("--ignore-eos"));
  EXPECT_THAT(line("refocus generate -p \"a \\\" b\" --ignore"), HasSubstr("--ignore-eos"));
  EXPECT_THAT(line("refocus generate -p two\\ words --ignore"), HasSubstr("--ignore-eos"));
  EXPECT_EQ(line("refocus generate --intervene rebalance:al"), "alpha=\t")
      << "what is before the break stays";
  EXPECT_EQ(line("refocus eval --kv-type=q"), "q8_0\t");
}

// A script in its shell; nothing where the shell is not there.
std::optional<std::string> in_shell(const std::string& shell, const std::string& script) {
  const std::string path = fs::path(REFOCUS_PROGRAM).parent_path().string();
  const ProcessResult result = testing::refocus({"-c",
                                                 "export PATH=" + path + ":$PATH; command -v " + shell +
                                                     " >/dev/null || exit 99; exec " + shell + " \"$@\"",
                                                 "sh",
                                                 shell == "fish"  ? "--no-config"
                                                 : shell == "zsh" ? "-f"
                                                                  : "--norc",
                                                 "-c", script},
                                                {.program = "/bin/sh"});
  if (result.status == 99) return std::nullopt;
  EXPECT_EQ(result.status, 0) << result.err;
  return result.out;
}

// COMPREPLY for a line whose cursor is at its end.
constexpr const char* kBash = R"SH(
compopt() { echo "compopt $*"; }
source <(refocus completion bash)
complete -p refocus
ask() {
  COMP_LINE=$1 COMP_POINT=${#1} COMP_CWORD=1 COMP_WORDS=(refocus "$2")
  _refocus refocus "$2" refocus
  echo "$1 -> ${COMPREPLY[*]}"
}
cd "$(mktemp -d)" && touch notes.txt && mkdir runs
ask "refocus ev" ev
ask "refocus eval --kv-type " ""
ask "refocus generate --intervene rebalance:thr" thr
ask "refocus train --data no" no
ask "refocus compare " ""
ask "refocus info -m s" s
rm -r notes.txt runs && rmdir "$PWD"
)SH";

TEST(Completion, WorksInBash) {
  const auto out = in_shell("bash", kBash);
  if (!out) GTEST_SKIP() << "needs bash, which is absent";
  EXPECT_THAT(*out, HasSubstr("complete -F _refocus refocus\n"));
  EXPECT_THAT(*out, HasSubstr("refocus ev -> eval\n"));
  EXPECT_THAT(*out, HasSubstr("refocus eval --kv-type  -> f32 f16 q8_0\n"));
  EXPECT_THAT(*out,
              HasSubstr("compopt -o nospace\nrefocus generate --intervene rebalance:thr -> threshold=\n"));
  EXPECT_THAT(*out, HasSubstr("compopt -o filenames\nrefocus train --data no -> notes.txt\n"));
  EXPECT_THAT(*out, HasSubstr("refocus compare  -> runs\n"));
  EXPECT_THAT(*out, HasSubstr("refocus info -m s -> small-worlds\n"));
}

// compadd and _files, which work in an editor of lines alone, say here what they are given.
constexpr const char* kZsh = R"SH(
compdef() { echo "compdef $*"; }
compadd() { local -a given; given=("${(@P)${@[-1]}}"); echo "compadd ${given[*]} ($*)"; }
_files() { echo "files $*"; }
compset() { :; }
eval "$(refocus completion zsh)"
ask() { words=(refocus "$@"); CURRENT=${#words}; PREFIX=${words[-1]}; _refocus; }
ask ev
ask eval --kv-type ''
ask eval --intervene bo
ask train --data ''
ask compare ''
)SH";

TEST(Completion, WorksInZsh) {
  const auto out = in_shell("zsh", kZsh);
  if (!out) GTEST_SKIP() << "needs zsh, which is absent";
  EXPECT_THAT(*out, HasSubstr("compdef _refocus refocus\n"));
  EXPECT_THAT(*out, HasSubstr("compadd eval (-l -d shown -a texts)\n"));
  EXPECT_THAT(*out, HasSubstr("compadd f32 f16 q8_0 ("));
  EXPECT_THAT(*out, HasSubstr("compadd boost (-l -S  -d shown -a texts)\n"));
  EXPECT_THAT(*out, HasSubstr("files \nfiles -/\n"));
}

constexpr const char* kFish = R"SH(
refocus completion fish | source
complete -C 'refocus ev'
complete -C 'refocus eval --kv-type '
complete -C 'refocus eval --kv-type=q'
complete -C 'refocus generate --intervene rebalance:thr'
cd (mktemp -d); and touch notes.txt; and mkdir runs
complete -C 'refocus train --data no'
complete -C 'refocus compare '
rm -r notes.txt runs; rmdir $PWD
)SH";

TEST(Completion, WorksInFish) {
  const auto out = in_shell("fish", kFish);
  if (!out) GTEST_SKIP() << "needs fish, which is absent";
  EXPECT_THAT(*out, HasSubstr("eval\tAsk a model"));
  EXPECT_THAT(*out, HasSubstr("f16\nf32\nq8_0\n"));
  EXPECT_THAT(*out, HasSubstr("--kv-type=q8_0\n"));
  EXPECT_THAT(*out, HasSubstr("rebalance:threshold=\n"));
  EXPECT_THAT(*out, HasSubstr("notes.txt"));
  EXPECT_THAT(*out, HasSubstr("runs/"));
}

}  // namespace
}  // namespace refocus
