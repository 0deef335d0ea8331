// Which files of a folder some code opens, as the system tells it (inotify).
#pragma once

#include <sys/inotify.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string>

namespace refocus::testing {

// The names of the files in `directory` that `action` opens.
template <class Action>
std::set<std::string> opened_files(const std::filesystem::path& directory, const Action& action) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0 || ::inotify_add_watch(fd, directory.c_str(), IN_OPEN) < 0)
    throw std::runtime_error("inotify cannot be used");
  action();
  std::set<std::string> names;
  alignas(inotify_event) char events[8192];
  for (ssize_t got; (got = ::read(fd, events, sizeof(events))) > 0;) {
    for (ssize_t at = 0; at < got;) {
      const auto* event = reinterpret_cast<const inotify_event*>(events + at);
      if (event->len > 0 && (event->mask & IN_ISDIR) == 0) names.insert(event->name);
      at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
    }
  }
  ::close(fd);
  return names;
}

// The names of UsedFiles.
template <class Files>
std::set<std::string> names_of(const Files& files) {
  std::set<std::string> names;
  for (const auto& file : files) names.insert(file.name);
  return names;
}

}  // namespace refocus::testing
