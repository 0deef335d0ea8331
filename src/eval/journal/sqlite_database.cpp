#include "eval/journal/sqlite_database.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cstring>

#include "base/error.h"
#include "base/utf8.h"

namespace refocus {
namespace {

std::string uri_of(const std::filesystem::path& path, const char* query) {
  std::string uri =
      path.is_absolute() ? "file://" : "file:";  // the former, since a path may begin with two slashes
  for (const char c : path.string()) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("/._-").find(c) != std::string_view::npos;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri + query;
}

}  // namespace

void SqliteStatement::Finalize::operator()(sqlite3_stmt* statement) const { ::sqlite3_finalize(statement); }
void SqliteDatabase::Close::operator()(sqlite3* handle) const { ::sqlite3_close_v2(handle); }

SqliteDatabase::SqliteDatabase(const std::filesystem::path& path, Mode mode) : path_(path) {
  const bool unwritten = mode == Mode::kImmutable || mode == Mode::kWithLog;
  if (unwritten) opened_ = states();
  int flags = SQLITE_OPEN_EXRESCODE;
  flags |= mode == Mode::kReadWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  if (unwritten) flags |= SQLITE_OPEN_URI;
  const char* query = mode == Mode::kImmutable ? "?immutable=1" : "?vfs=unix-none";
  sqlite3* handle = nullptr;
  const int code =
      ::sqlite3_open_v2((unwritten ? uri_of(path, query) : path.string()).c_str(), &handle, flags, nullptr);
  handle_.reset(handle);
  if (code != SQLITE_OK) fail(code);
  ::sqlite3_busy_timeout(handle, 5000);
  // A database that somebody else made must not run code of its own (triggers, views) as ours.
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_ENABLE_VIEW, 0, nullptr);
  if (mode != Mode::kWithLog) return;
  // An exclusive connection keeps the index of the log in its own memory, and closing must not write the log
  // back.
  ::sqlite3_db_config(handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  run("PRAGMA locking_mode = EXCLUSIVE");
}

void SqliteDatabase::run(const char* sql) const {
  const int code = ::sqlite3_exec(handle_.get(), sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t SqliteDatabase::integer(const char* sql) const {
  SqliteStatement statement(*this, sql);
  const std::int64_t value = statement.step() ? statement.integer(0) : 0;
  check_unchanged();
  return value;
}

std::string SqliteDatabase::text(const char* sql) const {
  SqliteStatement statement(*this, sql);
  std::string value = statement.step() ? statement.text(0) : "";
  check_unchanged();
  return value;
}

SqliteDatabase::FileState SqliteDatabase::state_of(const std::filesystem::path& file) {
  struct stat state = {};
  if (::stat(file.c_str(), &state) != 0) return std::nullopt;
  return std::pair<std::int64_t, std::int64_t>{
      state.st_size, std::int64_t{state.st_mtim.tv_sec} * 1'000'000'000 + state.st_mtim.tv_nsec};
}

std::array<SqliteDatabase::FileState, 2> SqliteDatabase::states() const {
  std::filesystem::path log = path_;
  log += "-wal";
  FileState of_log = state_of(log);
  if (of_log && of_log->first == 0) of_log.reset();  // an empty log is none
  return {state_of(path_), of_log};
}

void SqliteDatabase::check_unchanged() const {
  if (!opened_ || *opened_ == states()) return;
  throw input_error(path_.string(),
                    "was written to by another program while it was read; run the same command again");
}

void SqliteDatabase::fail(int code) const {
  const std::string where = path_.string();
  std::string reason =
      code == SQLITE_NOMEM ? "out of memory" : printable(::sqlite3_errmsg(handle_.get()), 200);
  const int system = handle_ ? ::sqlite3_system_errno(handle_.get()) : 0;
  switch (code & 0xFF) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
      if (system != 0) reason += fmt::format(" ({})", std::strerror(system));
      throw input_error(
          where,
          "cannot be read or written: {}; free some space, then run the same command again: the "
          "answers kept so far are safe",
          reason);
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      if (system != 0) reason += fmt::format(" ({})", std::strerror(system));
      throw input_error(where, "cannot be opened: {}; check its permissions or choose another -o directory",
                        reason);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      throw input_error(where,
                        "expected a journal of answers, got a damaged file or another format: {}; restore a "
                        "copy of it, or choose another -o directory",
                        reason);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw input_error(where, "is in use by another program; close it and run the same command again");
    default:
      throw input_error(where,
                        "expected a journal of answers, got SQLite error {}: {}; choose another -o directory",
                        code, reason);
  }
}

SqliteStatement::SqliteStatement(const SqliteDatabase& database, const char* sql) : database_(&database) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      ::sqlite3_prepare_v3(database.handle(), sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  statement_.reset(statement);
  if (code != SQLITE_OK) database.fail(code);
}

void SqliteStatement::bind(int parameter, std::int64_t value) {
  const int code = ::sqlite3_bind_int64(statement_.get(), parameter, value);
  if (code != SQLITE_OK) database_->fail(code);
}

void SqliteStatement::bind(int parameter, std::string_view value) {
  const bool clean = value.find('\0') == std::string_view::npos && is_valid_utf8(value);
  const char* data = value.empty() ? "" : value.data();  // a null pointer would bind NULL
  const int code =
      clean ? ::sqlite3_bind_text64(statement_.get(), parameter, data, value.size(), SQLITE_TRANSIENT,
                                    SQLITE_UTF8)
            : ::sqlite3_bind_blob64(statement_.get(), parameter, data, value.size(), SQLITE_TRANSIENT);
  if (code != SQLITE_OK) database_->fail(code);
}

bool SqliteStatement::step() {
  const int code = ::sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) {
    database_->check_unchanged();
    return false;
  }
  // The statement holds a lock until it is reset, and the caller may want to try again.
  try {
    database_->fail(code);
  } catch (...) {
    reset();
    throw;
  }
}

void SqliteStatement::reset() {
  ::sqlite3_reset(statement_.get());  // repeats the code of the last step, which has been reported
  ::sqlite3_clear_bindings(statement_.get());
}

std::int64_t SqliteStatement::integer(int column) const {
  return ::sqlite3_column_int64(statement_.get(), column);
}

std::string SqliteStatement::text(int column) const {
  const auto* data = static_cast<const char*>(::sqlite3_column_blob(statement_.get(), column));
  const int size = ::sqlite3_column_bytes(statement_.get(), column);
  return data == nullptr ? "" : std::string(data, static_cast<std::size_t>(size));
}

}  // namespace refocus
