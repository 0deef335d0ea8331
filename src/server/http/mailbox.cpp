#include "server/http/mailbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace refocus::http {

void Descriptor::close() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Mailbox::Mailbox() : wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (wake_.get() < 0) {
    throw input_error(
        "server", "expected to open an event counter, got '{}'; raise the limit of open files (ulimit -n)",
        std::strerror(errno));
  }
}

void Mailbox::wake() {
  const std::uint64_t one = 1;
  // It can fail only where the counter is full, and then the thread is woken already.
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Mailbox::answer_ready(std::uint64_t connection) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  const bool first = mail_.connections.empty() && mail_.calls.empty();
  mail_.connections.push_back(connection);
  if (first) wake();
}

void Mailbox::post(std::function<void()> call) {
  const std::lock_guard lock(mutex_);
  if (closed_) return;
  const bool first = mail_.connections.empty() && mail_.calls.empty();
  mail_.calls.push_back(std::move(call));
  if (first) wake();
}

Mailbox::Mail Mailbox::take() {
  const std::lock_guard lock(mutex_);
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
  return std::exchange(mail_, {});
}

void Mailbox::close() {
  Mail dropped;  // destroyed outside the lock: calls may own replies
  const std::lock_guard lock(mutex_);
  closed_ = true;
  dropped = std::exchange(mail_, {});
}

}  // namespace refocus::http
