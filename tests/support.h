// What several tests share: optional data beside the checkout, temporary folders, and error expectations.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "base/error.h"

namespace refocus::testing {

inline std::filesystem::path shared(const std::string& name) {
  return std::filesystem::path(REFOCUS_SHARED) / name;
}
inline std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(REFOCUS_GOLDEN) / name;
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
