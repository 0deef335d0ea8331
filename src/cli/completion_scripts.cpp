// refocus completion: the scripts that complete command lines in bash, zsh and fish; and refocus complete,
// which they ask what may come next.
#include <fmt/core.h>

#include <algorithm>

#include "cli/checks.h"
#include "cli/command.h"
#include "cli/completion.h"

namespace refocus::cli {

namespace {

// readline replaces what stands behind the last of its word breaks alone, which `complete` is told.
constexpr const char* kBash = R"(# bash completion of refocus, made by `refocus completion bash`
_refocus() {
  local line name rest= cur=$2
  [[ $cur == [=:] ]] && cur=
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :* ]]; then rest=$line; else COMPREPLY+=("${line%%$'\t'*}"); fi
  done < <("$1" complete --line="${COMP_LINE:0:COMP_POINT}" --breaks="$COMP_WORDBREAKS" 2>/dev/null)
  if [[ $rest == *open* ]]; then compopt -o nospace; fi
  case $rest in
    :files*) compopt -o filenames; while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -f -- "$cur") ;;
    :directories*) compopt -o filenames; while IFS= read -r name; do COMPREPLY+=("$name"); done < <(compgen -d -- "$cur") ;;
  esac
}
complete -F _refocus refocus
)";

constexpr const char* kZsh = R"(#compdef refocus
# zsh completion of refocus, made by `refocus completion zsh`
_refocus() {
  local line rest
  local -a texts shown
  for line in "${(@f)$("${(Q)words[1]}" complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :* ]]; then
      rest=$line
    else
      texts+=("${line%%$'\t'*}")
      shown+=("${line%%$'\t'*}  ${line#*$'\t'}")
    fi
  done
  if (( $#texts )); then
    if [[ $rest == *open* ]]; then compadd -l -S '' -d shown -a texts; else compadd -l -d shown -a texts; fi
  fi
  [[ $PREFIX == --*=* ]] && compset -P '*='
  case $rest in
    :files*) _files ;;
    :directories*) _files -/ ;;
  esac
}
if [ "$funcstack[1]" = "_refocus" ]; then _refocus "$@"; else compdef _refocus refocus; fi
)";

constexpr const char* kFish = R"(# fish completion of refocus, made by `refocus completion fish`
function __refocus_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l before (string match -r '^--[^=]*=' -- "$current")
    set -l value (string replace -r '^--[^=]*=' '' -- "$current")
    for line in ($words[1] complete -- $words[2..-1] "$current" 2>/dev/null)
        switch $line
            case ':files*'
                for path in (__fish_complete_path "$value")
                    echo "$before$path"
                end
            case ':directories*'
                for path in (__fish_complete_directories "$value")
                    echo "$before$path"
                end
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c refocus -f -a '(__refocus_complete)'
)";

struct CompleteOptions {
  std::string line, breaks;
  std::vector<std::string> words;
};

// What a shell that breaks words at `breaks` replaces of the word `typed`: the rest behind its last break.
std::size_t kept_of(const std::string& typed, const std::string& breaks) {
  const std::size_t last = typed.find_last_of(breaks);
  return breaks.empty() || last == std::string::npos ? 0 : last + 1;
}

void run_complete(const CLI::App& app, const CompleteOptions& options) {
  std::vector<std::string> words = options.words;
  if (!options.line.empty()) {
    words = words_of_line(options.line);
    words.erase(words.begin());  // the program's name
  }
  const std::size_t kept = words.empty() ? 0 : kept_of(words.back(), options.breaks);
  Completion found = complete(app, std::move(words));
  for (CompletionWord& word : found.words) word.text.erase(0, kept);
  fmt::print("{}", completion_text(found));
}

}  // namespace

Action add_completion(CLI::App& command) {
  auto shell = std::make_shared<std::string>();
  command.add_option("shell", *shell, "The shell that the script is for")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  command.footer(
      "Where scripts go, for the next shell that is started:\n"
      "  bash  ~/.local/share/bash-completion/completions/refocus\n"
      "  zsh   _refocus in a directory of fpath, before compinit\n"
      "  fish  ~/.config/fish/completions/refocus.fish");
  return [shell] { fmt::print("{}", *shell == "bash" ? kBash : *shell == "zsh" ? kZsh : kFish); };
}

Action add_complete(CLI::App& command) {
  auto options = std::make_shared<CompleteOptions>();
  command.add_option("--line", options->line, "The command line up to the cursor");
  command.add_option("--breaks", options->breaks, "Characters that the shell breaks words at");
  command.add_option("words", options->words, "The words behind the program's name");
  return [options, &command] { run_complete(*command.get_parent(), *options); };
}

}  // namespace refocus::cli
