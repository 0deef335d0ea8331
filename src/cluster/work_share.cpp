#include "cluster/work_share.h"

#include <fmt/core.h>

#include <algorithm>
#include <deque>

#include "base/error.h"
#include "cluster/packed_text.h"
#include "comm/patience.h"

namespace refocus {

namespace {

// Between the threads that compute and the leader's other thread.
constexpr int kToLeader = 1, kToWorker = 2;
enum Kind : std::int64_t { kWant, kResult, kError, kStopped, kDone, kPhase, kUnits, kEnd };
// Between all other threads.
constexpr int kPulse = 3;
enum Pulse : std::int64_t { kHere, kStop };

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::string_view text_of(const Message& message) {
  return {reinterpret_cast<const char*>(message.bytes.data()), message.bytes.size()};
}

void send_text(Communicator& comm, int to, int tag, const std::string& text) {
  comm.send(to, tag, bytes_of(text));
}

// What this thread has to say of an error, for a process that has another one's.
std::string message_of(std::exception_ptr failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::bad_alloc&) {
    return "not enough memory; use a smaller --batch, --context or --kv-memory";
  } catch (const std::exception& error) {
    return error.what();
  }
}

// A worker's side of a phase: units that it has asked for before it needs them.
class UnitStore {
 public:
  UnitStore(Communicator& comm, std::int64_t ahead, const std::atomic<bool>& stopped)
      : comm_(comm), ahead_(ahead), stopped_(stopped) {}

  std::optional<std::string> next() {
    if (asked_) look();
    if (!asked_ && !ended_ && std::ssize(units_) <= ahead_ / 2) {
      send_text(comm_, 0, kToLeader, Packer().add(kWant).add(ahead_).take());
      asked_ = true;
    }
    Patience patience;
    while (units_.empty() && asked_) {
      if (stopped_) throw Stopped();
      if (!look()) patience.wait();
    }
    if (units_.empty()) return std::nullopt;
    std::string out = std::move(units_.front());
    units_.pop_front();
    return out;
  }

 private:
  bool look() {
    const std::optional<Message> message = comm_.try_receive(0, kToWorker);
    if (!message) return false;
    Unpacker in(text_of(*message));
    const std::int64_t kind = in.number();
    if (kind == kEnd) throw Stopped();
    REFOCUS_CHECK(kind == kUnits);
    asked_ = false;
    if (in.at_end()) ended_ = true;
    while (!in.at_end()) units_.push_back(in.text());
    return true;
  }

  Communicator& comm_;
  std::int64_t ahead_;
  const std::atomic<bool>& stopped_;
  std::deque<std::string> units_;
  bool asked_ = false, ended_ = false;
};

}  // namespace

struct WorkShare::Phase {
  WorkQueue queue;
  const TakeResult& take;
  int busy;  // ranks other than the leader that are not done
};

std::string tallies_text(const std::vector<WorkerTally>& tallies, double seconds) {
  constexpr std::size_t kMostShown = 8;
  const auto text = [&](std::size_t rank) {
    const WorkerTally& tally = tallies[rank];
    return fmt::format("{} {} ({:.1f} a second)", tally.name, tally.units,
                       static_cast<double>(tally.units) / std::max(seconds, 1e-9));
  };
  std::string out;
  if (tallies.size() <= kMostShown) {
    for (std::size_t rank = 0; rank < tallies.size(); ++rank) out += (rank > 0 ? ", " : "") + text(rank);
    return out;
  }
  const auto [least, most] = std::ranges::minmax_element(tallies, {}, &WorkerTally::units);
  return fmt::format("{} processes, from {} to {}", tallies.size(),
                     text(static_cast<std::size_t>(least - tallies.begin())),
                     text(static_cast<std::size_t>(most - tallies.begin())));
}

WorkShare::WorkShare(Communicator& comm, const std::string& name, Options options, Team* team)
    : comm_(comm),
      team_(team),
      work_(comm.split(0)),
      pulse_(comm.split(0)),
      options_(std::move(options)),
      rank_(comm.rank()),
      size_(comm.size()),
      names_(gather_texts(comm, name)),
      heard_(static_cast<std::size_t>(size_), Clock::now()) {
  REFOCUS_CHECK(options_.ahead >= 1);
  for (const std::string& its : names_) tallies_.push_back({its, 0});
  tallies_then_ = tallies_;
  thread_ = std::thread([this] { leads() ? lead() : beat(); });
}

WorkShare::~WorkShare() {
  ends_ = true;
  thread_.join();
  if (!leads()) return;
  for (int rank = 1; rank < size_; ++rank) send_text(*work_, rank, kToWorker, Packer().add(kEnd).take());
}

void WorkShare::run(const std::string& phase, std::vector<WorkUnit> units, const DoWork& work,
                    const TakeResult& take) {
  REFOCUS_CHECK(leads());
  {
    const std::lock_guard lock(mutex_);
    told_ = Clock::now();
    tallies_then_ = tallies_;
    phase_.reset(new Phase{WorkQueue(std::move(units)), take, size_ - 1});
    for (int rank = 1; rank < size_; ++rank) {
      send_text(*work_, rank, kToWorker, Packer().add(kPhase).add(phase).take());
    }
  }
  const NextUnit next = [&]() -> std::optional<std::string> {
    check_stopped();
    const std::lock_guard lock(mutex_);
    std::vector<std::string> taken = phase_->queue.take(0, 1, size_);
    if (taken.empty()) return std::nullopt;
    ++tallies_[0].units;
    return std::move(taken.front());
  };
  const GiveResult give = [&](const std::string& result) {
    const std::lock_guard lock(mutex_);
    try {
      take(result);
    } catch (...) {  // the work ends at the next unit or checkpoint
      if (!failure_) failure_ = std::current_exception();
      stopped_ = true;
    }
  };
  try {
    do_phase(phase, work, next, give);
  } catch (const Stopped&) {
    stop();
  } catch (...) {
    fail(std::current_exception());
  }
  wait_for_all();
}

void WorkShare::do_phase(const std::string& phase, const DoWork& work, const NextUnit& next,
                         const GiveResult& give) {
  if (team_ != nullptr) return team_->lead(phase, work, next, give);
  work(next, give);
}

// Of this phase. Those that break off say so too, unless they are in the middle of a long step.
void WorkShare::wait_for_all() {
  Patience patience;
  for (;; patience.wait()) {
    const std::lock_guard lock(mutex_);
    if (phase_->busy > 0 && !stopped_) continue;
    phase_.reset();
    tell_tallies(Clock::now());
    break;
  }
  const std::lock_guard lock(mutex_);
  if (failure_) std::rethrow_exception(failure_);
  if (stopped_) throw Stopped();
}

void WorkShare::serve(const WorkOf& work_of) {
  REFOCUS_CHECK(!leads());
  try {
    for (;;) {
      Patience patience;
      std::optional<Message> message;
      while (!(message = work_->try_receive(0, kToWorker))) {
        check_stopped();
        patience.wait();
      }
      Unpacker in(text_of(*message));
      const std::int64_t kind = in.number();
      if (kind == kEnd) return;
      REFOCUS_CHECK(kind == kPhase);
      const std::string phase = in.text();
      UnitStore units(*work_, options_.ahead, stopped_);
      do_phase(
          phase, work_of(phase),
          [&] {
            check_stopped();
            return units.next();
          },
          [&](const std::string& result) {
            send_text(*work_, 0, kToLeader, Packer().add(kResult).add(result).take());
          });
      send_text(*work_, 0, kToLeader, Packer().add(kDone).take());
    }
  } catch (const Stopped&) {
    // Another process of its team was told to stop, and has no other way to say so.
    if (!stopped_) send_text(*work_, 0, kToLeader, Packer().add(kStopped).take());
    throw;
  } catch (...) {
    send_text(*work_, 0, kToLeader, Packer().add(kError).add(message_of(std::current_exception())).take());
    // The message is on its way while this waits: the leader tells everyone to stop.
    Patience patience;
    while (!stopped_) {
      const std::optional<Message> message = work_->try_receive(0, kToWorker);
      if (message && Unpacker(text_of(*message)).number() == kEnd) break;
      patience.wait();
    }
    throw Stopped();
  }
}

void WorkShare::check_stopped() const {
  if (stopped_) throw Stopped();
}

std::vector<WorkerTally> WorkShare::tallies() const {
  const std::lock_guard lock(mutex_);
  return tallies_;
}

void WorkShare::fail(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
  stopped_ = true;
}

void WorkShare::stop() { stopped_ = true; }

// What was done since this was told last.
void WorkShare::tell_tallies(Clock::time_point now) {
  const double seconds = std::chrono::duration<double>(now - told_).count();
  std::vector<WorkerTally> since = tallies_;
  for (std::size_t rank = 0; rank < since.size(); ++rank) since[rank].units -= tallies_then_[rank].units;
  if (options_.tell) options_.tell(tallies_text(since, seconds));
  told_ = now;
  tallies_then_ = tallies_;
}

// A rank that is lost is not to be computed without: its answers are missing, and MPI may hang in any call.
void WorkShare::lose(int rank) {
  fmt::print(
      stderr,
      "refocus: [cluster] expected a word of {} within {} s, got none; what is finished is kept: start "
      "the same command again\n",
      names_[static_cast<std::size_t>(rank)],
      std::chrono::duration_cast<std::chrono::seconds>(options_.patience).count());
  comm_.abort(1);
}

void WorkShare::lead() {
  bool told = false;
  Patience patience;
  while (!ends_) {
    if (answer_once()) patience = Patience();
    if (options_.asked_to_stop && options_.asked_to_stop()) stop();
    if (stopped_ && !told) {
      told = true;
      const std::lock_guard lock(mutex_);
      for (int rank = 1; rank < size_; ++rank) send_text(*pulse_, rank, kPulse, Packer().add(kStop).take());
    }
    patience.wait();
  }
}

// Whether there was something.
bool WorkShare::answer_once() {
  const std::lock_guard lock(mutex_);
  bool any = false;
  while (const std::optional<Message> message = work_->try_receive(Communicator::kAnyRank, kToLeader)) {
    any = true;
    try {
      handle(*message);
    } catch (...) {  // a result that cannot be kept
      if (!failure_) failure_ = std::current_exception();
      stopped_ = true;
    }
  }
  const auto now = Clock::now();
  look_at_pulses(now);
  if (phase_ != nullptr && now - told_ >= options_.telling) tell_tallies(now);
  return any;
}

void WorkShare::handle(const Message& message) {
  Unpacker in(text_of(message));
  const auto kind = in.number();
  const auto from = static_cast<std::size_t>(message.from);
  if (kind == kError) {
    stopped_ = true;
    if (!failure_) {
      failure_ = std::make_exception_ptr(InputError(names_[from], in.text()));
    }
    return;
  }
  if (kind == kStopped) stopped_ = true;
  if (phase_ == nullptr || kind == kStopped) return;  // it was broken off, or is now
  if (kind == kResult) {
    phase_->take(in.text());
  } else if (kind == kDone) {
    --phase_->busy;
  } else {
    REFOCUS_CHECK(kind == kWant);
    Packer units;
    units.add(kUnits);
    for (const std::string& unit : phase_->queue.take(message.from, in.number(), size_)) {
      units.add(unit);
      ++tallies_[from].units;
    }
    send_text(*work_, message.from, kToWorker, units.take());
  }
}

void WorkShare::look_at_pulses(Clock::time_point now) {
  while (const std::optional<Message> message = pulse_->try_receive(Communicator::kAnyRank, kPulse)) {
    heard_[static_cast<std::size_t>(message->from)] = now;
    if (Unpacker(text_of(*message)).number() == kStop) stopped_ = true;
  }
  for (int rank = 1; rank < size_; ++rank) {
    if (now - heard_[static_cast<std::size_t>(rank)] > options_.patience) lose(rank);
  }
  if (now - said_ < options_.beat) return;
  said_ = now;
  for (int rank = 1; rank < size_; ++rank) send_text(*pulse_, rank, kPulse, Packer().add(kHere).take());
}

void WorkShare::beat() {
  bool told = false;
  while (!ends_) {
    const auto now = Clock::now();
    while (const std::optional<Message> message = pulse_->try_receive(0, kPulse)) {
      heard_[0] = now;
      if (Unpacker(text_of(*message)).number() == kStop) stopped_ = true;
    }
    if (now - heard_[0] > options_.patience && !stopped_) lose(0);
    if (options_.asked_to_stop && options_.asked_to_stop() && !told) {
      told = true;
      send_text(*pulse_, 0, kPulse, Packer().add(kStop).take());
    }
    if (now - said_ >= options_.beat) {
      said_ = now;
      send_text(*pulse_, 0, kPulse, Packer().add(kHere).take());
    }
    std::this_thread::sleep_for(std::min(options_.beat, std::chrono::milliseconds(50)) / 2);
  }
}

}  // namespace refocus
