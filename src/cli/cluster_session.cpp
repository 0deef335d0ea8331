#include "cli/cluster_session.h"

#include <sched.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/checkpoint.h"
#include "base/error.h"
#include "base/json_reader.h"
#include "base/machine.h"
#include "base/thread_pool.h"
#include "cli/interrupt.h"
#include "cli/session.h"
#include "eval/journal/fingerprint.h"
#include "eval/text/sha256.h"
#include "kernels/instruction_set.h"

namespace refocus::cli {

namespace {

ClusterSession* the_session = nullptr;
WorkShare* the_share = nullptr;

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

void look_for_stop() {
  if (the_share != nullptr) the_share->check_stopped();
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

}  // namespace

ClusterSession* ClusterSession::current() { return the_session; }

ClusterSession::ClusterSession(const Launch& launch, std::unique_ptr<Communicator> comm)
    : comm_(std::move(comm)), host_(host_name()) {
  if (comm_->size() != launch.size) {
    throw input_error(
        launch.by,
        "expected {} processes that MPI brings together, got {}; start them with an Open MPI that "
        "{} knows (srun --mpi=pmix)",
        launch.size, comm_->size(), launch.by);
  }
  const std::string own = host_ + '\n' + processors();
  share_processors(static_cast<int>(std::ranges::count(gather_texts(*comm_, own), own)));
  if (!leads()) {
    spdlog::set_level(spdlog::level::off);
    if (std::freopen("/dev/null", "w", stdout) == nullptr)
      throw input_error("cluster", "/dev/null cannot be opened");
  }
  remember_stops();
  the_session = this;
}

ClusterSession::~ClusterSession() {
  set_checkpoint(nullptr);
  the_share = nullptr;
  the_session = nullptr;
}

WorkShare& ClusterSession::begin(const std::vector<RollFact>& facts, std::int64_t ahead) {
  const SessionFacts session = this_session();
  std::vector<RollFact> all = {
      {"program", session.version + ", commit " + session.commit + ", " + session.build,
       "start one build of it on all machines"},
      {"instruction set", session.instructions, kOtherBits}};
  all.insert(all.end(), facts.begin(), facts.end());
  called_ = true;
  call_roll(*comm_, {host_, all});
  WorkShare::Options options;
  options.ahead = ahead;
  options.asked_to_stop = asked_to_stop;
  options.tell = [](const std::string& line) { spdlog::info("by {}", line); };
  share_ = std::make_unique<WorkShare>(*comm_, host_, options);
  the_share = share_.get();
  set_checkpoint(look_for_stop);
  return *share_;
}

void ClusterSession::tell_failure(const std::string& message) {
  if (called_) return;
  called_ = true;
  call_roll(*comm_, {host_, {}, message});
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

}  // namespace refocus::cli
