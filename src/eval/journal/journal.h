// The journal of a run: every answer, kept the moment it is known, in RUN_DIR/journal.db (SQLite).
//
// Each put() is a transaction of its own in WAL mode with synchronous=NORMAL. When put() has returned, the
// answer is in the write-ahead log in the system's page cache, so a killed process (SIGKILL included) loses
// nothing. Only a power failure can lose the last answers; the file stays consistent then, and since answers
// are deterministic, resuming asks for those few again. FULL would buy that with a disk flush an answer.
// A journal holds raw answers and no judgement of the program's: scores are made from it anew each time.
// Beside them it holds what was asked, so that a run can be judged without its data, and what people read in
// answers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "eval/journal/run_directory.h"
#include "eval/journal/sqlite_database.h"
#include "eval/task/item.h"
#include "eval/task/verdict.h"

namespace refocus {

using ItemKey = std::pair<std::string, int>;  // Item::subject, Item::index

// An arm of a run, by its name.
struct AskedArm {
  std::string name;  // Arm::name()
  Arm arm;
};

// What a run asks: its arms, in their order, and all items of its tasks.
struct Questions {
  std::vector<AskedArm> arms;
  std::vector<Task> tasks;
};

// Numbers that were measured of an answer: a study's (src/study).
struct Measures {
  std::string arm, subject;
  int index = 0;
  std::string model;  // which model they were measured in, where there are several
  std::vector<double> values;
};

// Not for use by several threads at once.
class Journal {
 public:
  static constexpr const char* kFileName = "journal.db";

  // The journal of an open run, made where absent. Shares the run's lock, so this is the only writer.
  explicit Journal(const RunDirectory& run);

  // The journal of a run directory for reading only: works beside a running evaluation, with what a killed
  // one left in its log, and in a read-only directory. Makes and changes no file. InputError where there is
  // none, and where an evaluation that began in the meantime has changed it under the reader.
  static Journal open_read_only(const std::filesystem::path& run_directory);

  // Keeps one answer. InputError where it cannot be written (then nothing of it is kept) or where its
  // (arm, subject, index) has an answer already.
  void put(const Response& response);

  std::set<ItemKey> done(const std::string& arm) const;
  std::int64_t count() const;
  std::int64_t count(const std::string& arm) const;
  std::vector<std::string> arms() const;  // sorted

  // Calls on_response for every answer of an arm, by subject (bytewise) and index.
  void for_each(const std::string& arm, const std::function<void(Response)>& on_response) const;

  // Response::unmatched_keys of an arm's answers that have any.
  std::map<ItemKey, std::vector<std::string>> unmatched_keys(const std::string& arm) const;

  // Keeps what the run asks, in one transaction, in place of what is there where the run has grown.
  void keep(const Questions& questions);
  // Nothing in journals of versions that did not keep it.
  std::optional<Questions> questions() const;

  // Keeps what was measured of an answer, once; it comes back bit for bit.
  void put(const Measures& measures);
  std::map<ItemKey, std::vector<double>> measures(const std::string& arm, const std::string& model) const;
  // What the values of Measures are called, in their order. InputError where other names are kept already.
  void keep_measure_names(const std::vector<std::string>& names);
  std::vector<std::string> measure_names() const;

  // Keeps verdicts, all or none; when it has returned, a killed process loses none of them.
  void put(std::span<const Verdict> verdicts);
  // All, in the order in which they were kept.
  std::vector<Verdict> verdicts() const;

 private:
  Journal(std::shared_ptr<const DirectoryLock> lock, SqliteDatabase database, bool writable);
  void make_tables();
  void put_question_end(const Response& response);
  void put_unmatched_keys(const Response& response);
  void put_tokens(const Response& response);
  std::map<ItemKey, std::vector<std::int32_t>> tokens(const std::string& arm) const;
  void check_format() const;
  bool has_table(const char* name) const;

  std::shared_ptr<const DirectoryLock> lock_;  // released after the database is closed
  std::unique_ptr<SqliteDatabase> database_;   // fixed address: statements point to it
  std::optional<SqliteStatement> insert_;
};

}  // namespace refocus
