#include "cluster/team.h"

#include "base/error.h"
#include "base/stopped.h"
#include "cluster/packed_text.h"

namespace refocus {

namespace {

constexpr int kTeamTag = 4;
enum TeamWord : std::int64_t { kTeamPhase, kTeamUnit, kNoUnit, kTeamStop, kTeamEnd };

std::string_view text_of_bytes(const Message& message) {
  return {reinterpret_cast<const char*>(message.bytes.data()), message.bytes.size()};
}

}  // namespace

Team::~Team() {
  if (leads()) tell(kTeamEnd);
}

void Team::tell(std::int64_t kind, const std::string& text) {
  const std::string packed = Packer().add(kind).add(text).take();
  for (int rank = 1; rank < ranks_->size(); ++rank) {
    ranks_->send(rank, kTeamTag, std::as_bytes(std::span(packed.data(), packed.size())));
  }
}

void Team::lead(const std::string& phase, const DoWork& work, const NextUnit& next, const GiveResult& give) {
  tell(kTeamPhase, phase);
  try {
    work(
        [&] {
          std::optional<std::string> unit = next();
          tell(unit ? kTeamUnit : kNoUnit, unit.value_or(""));
          return unit;
        },
        give);
  } catch (...) {
    tell(kTeamStop);  // who waits for a unit ends; who computes has the same error
    throw;
  }
}

void Team::follow(const WorkOf& work_of) {
  const auto listen = [&] {
    const Message message = ranks_->receive(0, kTeamTag);
    Unpacker in(text_of_bytes(message));
    const std::int64_t kind = in.number();
    if (kind == kTeamStop) throw Stopped();
    return std::pair(kind, in.text());
  };
  for (;;) {
    const auto said = listen();
    if (said.first == kTeamEnd) return;
    REFOCUS_CHECK(said.first == kTeamPhase);
    work_of(said.second)(
        [&]() -> std::optional<std::string> {
          const auto unit = listen();
          if (unit.first == kTeamEnd) throw Stopped();
          REFOCUS_CHECK(unit.first == kTeamUnit || unit.first == kNoUnit);
          if (unit.first == kNoUnit) return std::nullopt;
          return unit.second;
        },
        [](const std::string&) {});
  }
}

}  // namespace refocus
