// A thin, typed face of SQLite: one connection, prepared statements, and SQLite's failures as InputErrors
// that say what to do. It knows no table of ours.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

struct sqlite3;
struct sqlite3_stmt;

namespace refocus {

class SqliteDatabase;

class SqliteStatement {
 public:
  SqliteStatement(const SqliteDatabase& database, const char* sql);

  // Parameters are numbered from 1, columns from 0. Text that is no clean UTF-8 (or holds a NUL) is bound as
  // a blob: SQLite defines no behaviour for such text, while blobs come back byte for byte.
  void bind(int parameter, std::int64_t value);
  void bind(int parameter, std::string_view value);

  // Runs to the next row; false at the end. reset() makes the statement ready for its next run.
  bool step();
  void reset();

  std::int64_t integer(int column) const;
  std::string text(int column) const;  // the bytes of a text or a blob

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  const SqliteDatabase* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

class SqliteDatabase {
 public:
  enum class Mode {
    kReadWrite,  // made where absent
    kReadOnly,   // beside a writer: shares the index of its log (-shm) with it
    // Of a file that nobody writes to: take no locks, and make and change no files. Every finished query
    // checks that the file is as it was when it was opened, and is an InputError where it is not.
    kImmutable,  // the file as it stands
    kWithLog,    // with what is in the log (-wal) that a killed program left
  };

  SqliteDatabase(const std::filesystem::path& path, Mode mode);

  void run(const char* sql) const;  // statements without parameters; rows are dropped
  std::int64_t integer(const char* sql) const;
  std::string text(const char* sql) const;

  const std::filesystem::path& path() const { return path_; }

  // InputError where somebody wrote to a file that was opened as one that nobody writes to.
  void check_unchanged() const;

  // Throws the InputError that stands for SQLite's last result `code` on this connection.
  [[noreturn]] void fail(int code) const;
  sqlite3* handle() const { return handle_.get(); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const;
  };
  // Of the file and its log: size and time of the last change, nothing where there is no such file.
  using FileState = std::optional<std::pair<std::int64_t, std::int64_t>>;
  static FileState state_of(const std::filesystem::path& file);
  std::array<FileState, 2> states() const;

  std::filesystem::path path_;
  std::optional<std::array<FileState, 2>> opened_;  // of a file that nobody writes to
  std::unique_ptr<sqlite3, Close> handle_;
};

}  // namespace refocus
