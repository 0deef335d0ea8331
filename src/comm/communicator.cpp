#include "comm/communicator.h"

#include <cstring>
#include <numeric>

#include "comm/patience.h"

namespace refocus {

Message Communicator::receive(int from, int tag) {
  Patience patience;
  for (;;) {
    if (std::optional<Message> message = try_receive(from, tag)) return std::move(*message);
    patience.wait();
  }
}

std::string broadcast_text(Communicator& comm, int root, const std::string& text) {
  std::uint64_t size = text.size();
  comm.broadcast(root, std::as_writable_bytes(std::span(&size, 1)));
  std::string out = comm.rank() == root ? text : std::string(size, '\0');
  if (size > 0) comm.broadcast(root, std::as_writable_bytes(std::span(out.data(), out.size())));
  return out;
}

std::vector<std::string> gather_texts(Communicator& comm, const std::string& own) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  const std::uint64_t size = own.size();
  std::vector<std::uint64_t> sizes(ranks);
  const std::vector<std::size_t> each(ranks, sizeof size);
  comm.gather_all(reinterpret_cast<const std::byte*>(&size), each,
                  reinterpret_cast<std::byte*>(sizes.data()));
  const std::vector<std::size_t> counts(sizes.begin(), sizes.end());
  std::string all(std::accumulate(counts.begin(), counts.end(), std::size_t{0}), '\0');
  comm.gather_all(reinterpret_cast<const std::byte*>(own.data()), counts,
                  reinterpret_cast<std::byte*>(all.data()));
  std::vector<std::string> out;
  for (std::size_t r = 0, begin = 0; r < ranks; begin += counts[r++])
    out.push_back(all.substr(begin, counts[r]));
  return out;
}

}  // namespace refocus
