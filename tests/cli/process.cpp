#include "cli/process.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>

namespace refocus::testing {

namespace {

// In the child, between fork and exec: puts the standard streams and limits in place.
void prepare_child(const TempDir& files, const ProcessOptions& options) {
  const auto redirect = [](const std::string& path, int flags, int fd) {
    const int opened = ::open(path.c_str(), flags, 0644);
    if (opened < 0 || ::dup2(opened, fd) < 0) _exit(120);
    ::close(opened);
  };
  redirect((files / "in").string(), O_RDONLY, STDIN_FILENO);
  redirect(options.output_path.value_or((files / "out").string()), O_WRONLY | O_CREAT, STDOUT_FILENO);
  redirect((files / "err").string(), O_WRONLY | O_CREAT, STDERR_FILENO);
  if (options.close_output) ::close(STDOUT_FILENO);
  if (!options.directory.empty() && ::chdir(options.directory.c_str()) != 0) _exit(123);
  ::unsetenv("REFOCUS_HOME");
  if (!options.home.empty()) ::setenv("REFOCUS_HOME", options.home.c_str(), 1);
  ::setenv("XDG_CACHE_HOME", (options.cache.empty() ? files / "cache" : options.cache).c_str(), 1);
  if (options.file_size_limit) {
    const rlimit limit{*options.file_size_limit, *options.file_size_limit};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) _exit(121);
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ}) std::signal(signal, SIG_DFL);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  write_file(files_ / "in", options.input);
  std::vector<std::string> words = {options.program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    prepare_child(files_, options);
    ::execv(argv[0], argv.data());
    _exit(122);
  }
  if (pid_ < 0) throw std::runtime_error("fork failed");
}

Process::~Process() {
  if (pid_ < 0) return;
  send(SIGKILL);
  wait();
}

void Process::send(int signal) const {
  if (pid_ > 0) ::kill(pid_, signal);
}

bool Process::running() {
  int status = 0;
  if (pid_ < 0) return false;
  if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
  collect(status);
  return false;
}

ProcessResult Process::wait() {
  if (pid_ > 0) {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    collect(status);
  }
  return result_;
}

void Process::collect(int wait_status) {
  pid_ = -1;
  if (WIFEXITED(wait_status)) result_.status = WEXITSTATUS(wait_status);
  if (WIFSIGNALED(wait_status)) result_.signal = WTERMSIG(wait_status);
  if (std::filesystem::exists(files_ / "out")) result_.out = file_text(files_ / "out");
  // Absent where the process was killed before it had made it.
  if (std::filesystem::exists(files_ / "err")) result_.err = file_text(files_ / "err");
}

ProcessResult refocus(const std::vector<std::string>& arguments, const ProcessOptions& options) {
  return Process(arguments, options).wait();
}

void expect_failure(const ProcessResult& result, int status, const std::vector<std::string>& parts) {
  EXPECT_EQ(result.status, status) << result.err;
  EXPECT_EQ(result.signal, 0);
  EXPECT_EQ(result.out, "");
  EXPECT_TRUE(result.err.starts_with("refocus: ")) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_TRUE(result.err.ends_with("\n")) << result.err;
  for (const std::string& part : parts) EXPECT_THAT(result.err, ::testing::HasSubstr(part));
}

std::string file_text(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) ADD_FAILURE() << "cannot read " << path;
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  std::ofstream out(path, std::ios::binary);
  out << text;
  if (!out.flush()) ADD_FAILURE() << "cannot write " << path;
}

std::vector<std::string> files_below(const std::filesystem::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_directory()) names.push_back(std::filesystem::relative(entry.path(), directory).string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace refocus::testing
