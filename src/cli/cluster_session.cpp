#include "cli/cluster_session.h"

#include <fcntl.h>
#include <sched.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/checkpoint.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "cli/interrupt.h"
#include "cli/program.h"
#include "cli/session.h"
#include "eval/journal/fingerprint.h"
#include "eval/text/sha256.h"
#include "kernels/instruction_set.h"

namespace refocus::cli {

namespace {

ClusterSession* the_session = nullptr;
const WorkShare* the_share = nullptr;  // of this process, where it takes units

constexpr const char* kOtherBits =
    "numbers would differ in their last bits: set REFOCUS_SIMD to the least of them, or leave the machine "
    "out";
constexpr const char* kOtherBf16Bits =
    "numbers would differ in their last bits: set REFOCUS_SIMD=avx2 for all, or leave the machine out";

// A process in the middle of a long step would be killed with the rest of its job: what is finished is kept
// by then.
void leave_soon() {
  static constexpr std::chrono::seconds kGrace{20};
  std::thread([] {
    std::this_thread::sleep_for(kGrace);
    std::_Exit(0);
  }).detach();
}

bool asked_to_stop() {
  static bool leaving = false;  // one thread asks
  if (interrupt_signal() == 0) return false;
  if (!leaving) leave_soon();
  leaving = true;
  return true;
}

// A team's others tell the first one so, in step: see ModelPartition::agree.
void look_for_stop() {
  if (the_share != nullptr) {
    the_share->check_stopped();
  } else if (interrupt_signal() != 0) {
    throw Stopped();
  }
}

void print_nothing() {
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere >= 0) ::dup2(nowhere, STDOUT_FILENO);
  if (nowhere > STDERR_FILENO) ::close(nowhere);
}

// The processors that this process may use, as a text.
std::string processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string out;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return out;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) out += CPU_ISSET(cpu, &set) ? '1' : '0';
  return out;
}

// As they were given.
std::string partition_options(const OpenSettings& settings) {
  if (settings.tensor == 1) return fmt::format("--pipeline {}", settings.pipeline);
  if (settings.pipeline == 1) return fmt::format("--tensor {}", settings.tensor);
  return fmt::format("--pipeline {} --tensor {}", settings.pipeline, settings.tensor);
}

}  // namespace

ClusterSession* ClusterSession::current() { return the_session; }

ClusterSession::ClusterSession(const Launch& launch, std::unique_ptr<Communicator> comm)
    : comm_(std::move(comm)), host_(host_name()), name_(fmt::format("rank {} ({})", launch.rank, host_)) {
  if (comm_->size() != launch.size) {
    throw input_error(
        launch.by,
        "expected {} processes that MPI brings together, got {}; start them with an Open MPI that "
        "{} knows (srun --mpi=pmix)",
        launch.size, comm_->size(), launch.by);
  }
  const std::string own = host_ + '\n' + processors();
  share_processors(static_cast<int>(std::ranges::count(gather_texts(*comm_, own), own)));
  if (!leads()) print_nothing();
  remember_stops();
  the_session = this;
}

ClusterSession::~ClusterSession() {
  set_checkpoint(nullptr);
  the_share = nullptr;
  the_session = nullptr;
}

void ClusterSession::log_leader_only() const {
  if (leads()) return;
  spdlog::set_default_logger(
      std::make_shared<spdlog::logger>("refocus", std::make_shared<spdlog::sinks::null_sink_mt>()));
}

std::shared_ptr<ModelPartition> ClusterSession::partition(const OpenSettings& settings) {
  const std::int64_t pipeline = settings.pipeline, tensor = settings.tensor, team = pipeline * tensor;
  const bool fits = is_shared_ ? size() % team == 0 : size() == team;
  if (!fits) {
    throw usage_error(partition_options(settings),
                      "expected {}{} processes, got {}; start with mpirun -n {} or srun -n {}",
                      is_shared_ ? "a multiple of " : "", team, size(), team, team);
  }
  if (team == 1) return nullptr;
  REFOCUS_CHECK(!partitioned_);
  partitioned_ = true;
  const int number = comm_->rank() / static_cast<int>(team);
  team_ = std::make_unique<Team>(comm_->split(number));
  if (!is_shared_) set_checkpoint(look_for_stop);  // there is no roll to call, and nothing to keep
  return std::make_shared<ModelPartition>(comm_->split(number), pipeline, tensor);
}

WorkShare* ClusterSession::begin(const std::vector<RollFact>& facts, std::int64_t ahead) {
  const SessionFacts session = this_session();
  std::vector<RollFact> all = {
      {"program", session.version + ", commit " + session.commit + ", " + session.build,
       "start one build of it on all machines"},
      {"instruction set", session.instructions, kOtherBits}};
  all.insert(all.end(), facts.begin(), facts.end());
  called_ = true;
  call_roll(*comm_, {host_, all});
  const bool takes = team_ == nullptr || team_->leads();
  takers_ = comm_->split(takes ? 0 : 1);
  set_checkpoint(look_for_stop);
  if (!takes) return nullptr;
  WorkShare::Options options;
  options.ahead = ahead;
  options.asked_to_stop = asked_to_stop;
  options.tell = [](const std::string& line) { spdlog::info("by {}", line); };
  share_ = std::make_unique<WorkShare>(*takers_, name_, options, team_.get());
  the_share = share_.get();
  return leads() ? share_.get() : nullptr;
}

void ClusterSession::serve(const WorkOf& work_of) {
  if (share_ != nullptr) return share_->serve(work_of);
  team_->follow(work_of);
}

void ClusterSession::tell_failure(const std::string& message, int status) {
  if (!is_in_step()) {
    if (!called_) call_roll(*comm_, {host_, {}, message});
    called_ = true;
    return;
  }
  // Of a team most errors come to all; then the first one says it.
  constexpr std::chrono::seconds kOthersFailToo{5};
  if (leads()) return;
  std::this_thread::sleep_for(kOthersFailToo);
  say_failure({name_ + ": " + message, status});
  comm_->abort(status);
}

std::vector<RollFact> facts_of(const nlohmann::ordered_json& identity, bool in_bf16) {
  constexpr std::size_t kTelling = 64;  // what is longer says nothing in a message
  std::vector<RollFact> out;
  if (in_bf16) out.push_back({"bf16 products", bf16_products(), kOtherBf16Bits});
  for (const auto& [key, value] : identity.items()) {
    if (key != kModelFiles) {
      const std::string text = json_text(value);
      const bool tells = text.size() <= kTelling;
      out.push_back({"run's " + key, tells ? text : sha256_hex(text),
                     "start the same command on all machines, with the same data", tells});
      continue;
    }
    for (const auto& [kind, files] : value.items()) {
      for (const auto& [file, hash] : files.items()) {
        out.push_back({"model file " + file, json_text(hash), "give all machines the same model", false});
      }
    }
  }
  return out;
}

bool is_first_rank() { return the_session == nullptr || the_session->leads(); }

std::string standard_input() {
  const auto read = [] { return std::string(std::istreambuf_iterator<char>(std::cin), {}); };
  if (the_session == nullptr) return read();
  return broadcast_text(the_session->comm(), 0, is_first_rank() ? read() : std::string());
}

std::shared_ptr<ModelPartition> partition_of(const OpenSettings& settings) {
  if (the_session != nullptr) return the_session->partition(settings);
  const std::int64_t wanted = settings.pipeline * settings.tensor;
  if (wanted == 1) return nullptr;
  throw usage_error(partition_options(settings),
                    "expected {0} processes, got 1; start with mpirun -n {0} or srun -n {0}", wanted);
}

}  // namespace refocus::cli
