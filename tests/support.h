// What several tests share: optional data beside the checkout, temporary folders, and error expectations.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"

namespace refocus::testing {

inline std::filesystem::path shared(const std::string& name) {
  return std::filesystem::path(REFOCUS_SHARED) / name;
}
inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(REFOCUS_GOLDEN) / name;
}

// Whether a sanitizer watches, which takes many times as long: what goes through much data goes through a
// part of it then, and through all of it in the release build.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define REFOCUS_SANITIZED 1
#endif
#endif
#if defined(REFOCUS_SANITIZED) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

// Every sixteenth where a sanitizer watches, and otherwise all.
template <class T>
std::vector<T> a_part_if_sanitized(std::vector<T> all) {
  if (!kSanitized) return all;
  std::vector<T> part;
  for (std::size_t i = 0; i < all.size(); i += 16) part.push_back(std::move(all[i]));
  return part;
}

// A folder of its own for one test, removed at the end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "refocus-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = pattern;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// The one-line text of the InputError that `action` throws; fails the test where it throws none.
template <class Action>
std::string error_of(const Action& action) {
  try {
    action();
  } catch (const InputError& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "expected an InputError";
  return "";
}

}  // namespace refocus::testing

// Skips the running test where the optional data beside the checkout is absent.
#define REFOCUS_NEEDS_SHARED(name)                                \
  if (!std::filesystem::exists(::refocus::testing::shared(name))) \
  GTEST_SKIP() << "needs ../shared/" << (name) << ", which is absent"
