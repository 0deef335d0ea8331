// How long messages between ranks take: for bench/cluster_model, and to see what a network or an MPI is set
// to.
//
// usage: mpirun -n N message_times [--bytes B] [--rounds R]
//
// Rank 0 sends each other rank one byte, which comes back, R times (200), and B bytes (8,000,000) that one
// byte answers, R / 20 times; then all ranks gather 4 * 8192 / N bytes of each, as matrices in parts do.
// Prints one JSON object: medians and, of the round trip, the shortest.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "comm/cluster_library.h"

namespace refocus {
namespace {

constexpr int kTag = 1;
constexpr std::size_t kGathered = 4 * 8192;

using Bytes = std::vector<std::byte>;

template <typename Body>
std::vector<double> seconds_of(int rounds, Body body) {
  std::vector<double> out;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    body();
    out.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string host_name() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

void answer(Communicator& comm, int rounds) {
  const Bytes one(1);
  for (int i = 0; i < rounds; ++i) {
    comm.receive(0, kTag);
    comm.send(0, kTag, one);
  }
}

std::vector<double> ask(Communicator& comm, int rank, std::size_t bytes, int rounds) {
  const Bytes message(bytes);
  return seconds_of(rounds, [&] {
    comm.send(rank, kTag, message);
    comm.receive(rank, kTag);
  });
}

nlohmann::ordered_json measure(Communicator& comm, std::size_t bytes, int rounds) {
  const int long_rounds = std::max(1, rounds / 20);
  const std::vector<std::string> hosts = gather_texts(comm, host_name());
  nlohmann::ordered_json out{{"ranks", comm.size()}, {"bytes", bytes}, {"rounds", rounds}};
  for (int rank = 1; rank < comm.size(); ++rank) {
    comm.barrier();
    if (comm.rank() == rank) answer(comm, rounds + long_rounds);
    if (comm.rank() != 0) continue;
    const auto trips = ask(comm, rank, 1, rounds), transfers = ask(comm, rank, bytes, long_rounds);
    const double trip = trips[trips.size() / 2], transfer = transfers[transfers.size() / 2];
    out["pairs"].push_back({{"hosts", {hosts[0], hosts[static_cast<std::size_t>(rank)]}},
                            {"round_trip_ms", 1e3 * trip},
                            {"shortest_round_trip_ms", 1e3 * trips.front()},
                            {"megabytes_a_second", 1e-6 * static_cast<double>(bytes) / transfer}});
  }
  const std::size_t part = kGathered / static_cast<std::size_t>(comm.size());
  const std::vector<std::size_t> sizes(static_cast<std::size_t>(comm.size()), part);
  const Bytes own(part);
  Bytes all(part * sizes.size());
  const auto gathers = seconds_of(rounds, [&] { comm.gather_all(own.data(), sizes, all.data()); });
  out["gather_ms"] = 1e3 * gathers[gathers.size() / 2];
  return out;
}

std::size_t number_of(const std::string& name, const char* text, std::size_t most) {
  std::size_t out = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, out);
  if (error != std::errc() || stop != end || out < 1 || out > most)
    throw usage_error("message_times", "expected a number from 1 to {} after {}, got '{}'; correct it", most,
                      name, text);
  return out;
}

void run(int argc, char** argv) {
  std::size_t bytes = 8'000'000, rounds = 200;
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 == argc || (name != "--bytes" && name != "--rounds"))
      throw usage_error("message_times", "expected --bytes B or --rounds R, got '{}'; correct it", name);
    if (name == "--bytes") bytes = number_of(name, argv[i + 1], Communicator::kMostBytes);
    if (name == "--rounds") rounds = number_of(name, argv[i + 1], 1'000'000);
  }
  const auto comm = open_cluster();
  if (comm->size() < 2)
    throw input_error("message_times", "expected at least two ranks, got one; start it by mpirun -n 2");
  const nlohmann::ordered_json out = measure(*comm, bytes, static_cast<int>(rounds));
  if (comm->rank() == 0) fmt::print("{}\n", out.dump());
}

}  // namespace
}  // namespace refocus

int main(int argc, char** argv) {
  try {
    refocus::run(argc, argv);
    return 0;
  } catch (const refocus::UsageError& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
