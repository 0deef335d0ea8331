#include "cli/cluster/mpi_run.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "eval/journal/journal.h"

namespace refocus::testing {

namespace fs = std::filesystem;

namespace {

constexpr char kMpirun[] = "/usr/bin/mpirun";

std::string bytes_of_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

void MpiRun::SetUp() {
  if (!fs::exists(kMpirun)) GTEST_SKIP() << "no mpirun; install openmpi-bin";
  if (!fs::exists(fs::path(REFOCUS_BUILD) / "librefocus_cluster.so")) {
    GTEST_SKIP() << "no librefocus_cluster.so; build with libopenmpi-dev";
  }
  // Tests may run as root and on fewer cores than there are ranks.
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
  ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
  ::setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 1);
  ::setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 1);
}

Arguments MpiRun::ranks(int count, const Arguments& arguments) {
  return plus({"-n", std::to_string(count), REFOCUS_PROGRAM}, arguments);
}

Arguments MpiRun::each(const std::vector<Rank>& ranks) {
  Arguments out;
  for (const Rank& rank : ranks) {
    if (!out.empty()) out.emplace_back(":");
    out = plus(plus(plus(out, {"-n", "1"}), rank.before), plus({REFOCUS_PROGRAM}, rank.arguments));
  }
  return out;
}

ProcessOptions MpiRun::mpirun_options() { return {.program = kMpirun}; }

ProcessResult MpiRun::mpirun(const Arguments& words) { return refocus(words, mpirun_options()); }

std::vector<std::string> MpiRun::said(const ProcessResult& result) {
  std::vector<std::string> out;
  std::istringstream lines(result.err);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("refocus: ")) out.push_back(line);
  }
  return out;
}

Arguments MpiRun::texts(const std::string& run, const Arguments& more) const {
  return plus({"eval",
               "worlds",
               "-m",
               bundled_model().string(),
               "--subjects",
               "codes,jobs,laws",
               "--limit",
               std::to_string(items),
               "--cot",
               "--direct",
               "--intervene",
               "none",
               "--intervene",
               "rebalance:alpha=0.5",
               "--batch",
               std::to_string(batch),
               "--max-new-tokens",
               "48",
               "-o",
               (dir / run).string()},
              more);
}

std::vector<pid_t> MpiRun::pids(const std::string& run, int ranks) const {
  std::vector<pid_t> out(static_cast<std::size_t>(ranks), 0);
  const std::string path = (dir / run).string();
  std::error_code error;
  const fs::path program = fs::canonical(REFOCUS_PROGRAM, error);
  for (const auto& process : fs::directory_iterator("/proc", error)) {
    const std::string name = process.path().filename().string();
    if (!std::ranges::all_of(name, [](unsigned char c) { return std::isdigit(c) != 0; })) continue;
    if (fs::read_symlink(process.path() / "exe", error) != program) continue;
    if (bytes_of_file(process.path() / "cmdline").find(path) == std::string::npos) continue;
    const std::string environment = bytes_of_file(process.path() / "environ");
    const std::string key = "OMPI_COMM_WORLD_RANK=";
    const std::size_t at = environment.find(key);
    if (at == std::string::npos) continue;
    const auto rank = static_cast<std::size_t>(std::atoi(environment.c_str() + at + key.size()));
    if (rank < out.size()) out[rank] = static_cast<pid_t>(std::stol(name));
  }
  return out;
}

std::vector<std::string> MpiRun::answers(const std::string& run) const {
  std::vector<std::string> rows;
  if (answers_of_run(dir / run) == 0) return rows;
  const Journal journal = Journal::open_read_only(dir / run);
  for (const std::string& arm : journal.arms()) {
    journal.for_each(arm, [&](const Response& r) {
      rows.push_back(fmt::format("{} {} {} {} {} {}", r.arm, r.subject, r.index, r.finish_reason,
                                 r.generated_tokens, r.text));
    });
  }
  std::ranges::sort(rows);
  return rows;
}

void MpiRun::expect_same(const std::string& run, const std::string& whole) const {
  EXPECT_EQ(answers(run), answers(whole));
  expect_same_reports(dir / run, dir / whole, files_below(dir / whole / "arms").size());
}

}  // namespace refocus::testing
