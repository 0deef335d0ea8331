#include "eval/journal/journal.h"

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace refocus {
namespace {

constexpr std::int64_t kApplicationId = 0x52464A4C;  // "RFJL" in the file's header
constexpr std::int64_t kFormatVersion = 1;

constexpr const char* kSchema = R"(
CREATE TABLE responses (
  arm TEXT NOT NULL,
  subject TEXT NOT NULL,
  item INTEGER NOT NULL,
  prompt TEXT NOT NULL,
  response TEXT NOT NULL,
  finish_reason TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  generated_tokens INTEGER NOT NULL,
  UNIQUE (arm, subject, item)
))";

// Beside the answers to conversations; made with the first of them. Programs of before it pass it over.
constexpr const char* kQuestionEndTable =
    "CREATE TABLE IF NOT EXISTS question_ends (arm TEXT NOT NULL, subject TEXT NOT NULL, item INTEGER NOT "
    "NULL, bytes INTEGER NOT NULL, UNIQUE (arm, subject, item))";
constexpr const char* kInsertQuestionEnd =
    "INSERT OR REPLACE INTO question_ends (arm, subject, item, bytes) VALUES (?1, ?2, ?3, ?4)";

// Of answers to prompts of which an intervention's keys= chose nothing; made with the first of them.
constexpr const char* kUnmatchedTable =
    "CREATE TABLE IF NOT EXISTS unmatched_keys (arm TEXT NOT NULL, subject TEXT NOT NULL, item INTEGER NOT "
    "NULL, keys TEXT NOT NULL, UNIQUE (arm, subject, item, keys))";

constexpr const char* kInsert =
    "INSERT INTO responses (arm, subject, item, prompt, response, finish_reason, prompt_tokens, "
    "generated_tokens) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING RETURNING item";

int item_index(const SqliteDatabase& database, std::int64_t value) {
  if (value < 0 || value > std::numeric_limits<int>::max()) {
    throw input_error(database.path().string(),
                      "expected an item index, got {}; the file is damaged: restore a copy", value);
  }
  return static_cast<int>(value);
}

// The bytes of the file beside the journal whose name ends in `ending`; 0 where there is none.
std::uintmax_t size_beside(const std::filesystem::path& path, const char* ending) {
  std::filesystem::path file = path;
  file += ending;
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(file, error);
  return error ? 0 : size;
}

// A look leaves nothing behind. Only beside a program that has the journal open are its files shared with it:
// an ordinary reader would make -wal and -shm where they are absent, and change them where a killed program
// left them.
SqliteDatabase open_for_reading(const std::filesystem::path& path) {
  if (!std::filesystem::is_regular_file(path)) {
    throw input_error(path.string(), "expected the journal of a run, got no such file; give a run directory");
  }
  const bool open_elsewhere = size_beside(path, "-shm") > 0 && DirectoryLock::is_held(path.parent_path());
  const bool first_transaction_cut_short = size_beside(path, "-journal") > 0;  // SQLite's own business
  if (open_elsewhere || first_transaction_cut_short) {
    return SqliteDatabase(path, SqliteDatabase::Mode::kReadOnly);
  }
  const bool log = size_beside(path, "-wal") > 0;
  return SqliteDatabase(path, log ? SqliteDatabase::Mode::kWithLog : SqliteDatabase::Mode::kImmutable);
}

}  // namespace

Journal::Journal(const RunDirectory& run)
    : Journal(run.lock(), SqliteDatabase(run.path() / kFileName, SqliteDatabase::Mode::kReadWrite), true) {}

Journal Journal::open_read_only(const std::filesystem::path& run_directory) {
  return Journal(nullptr, open_for_reading(run_directory / kFileName), false);
}

Journal::Journal(std::shared_ptr<const DirectoryLock> lock, SqliteDatabase database, bool writable)
    : lock_(std::move(lock)), database_(std::make_unique<SqliteDatabase>(std::move(database))) {
  if (writable && database_->integer("PRAGMA user_version") == 0 &&
      database_->integer("SELECT count(*) FROM sqlite_master") == 0) {
    make_tables();
  }
  check_format();
  if (!writable) return;
  database_->text("PRAGMA journal_mode = WAL");
  database_->run("PRAGMA synchronous = NORMAL");
  insert_.emplace(*database_, kInsert);
}

void Journal::make_tables() {
  database_->run("BEGIN IMMEDIATE");
  database_->run(kSchema);
  database_->run(fmt::format("PRAGMA application_id = {}", kApplicationId).c_str());
  database_->run(fmt::format("PRAGMA user_version = {}", kFormatVersion).c_str());
  database_->run("COMMIT");
}

void Journal::check_format() const {
  const std::string where = database_->path().string();
  if (database_->integer("PRAGMA application_id") != kApplicationId) {
    throw input_error(
        where, "expected a journal of answers, got another SQLite database; choose another -o directory");
  }
  const std::int64_t version = database_->integer("PRAGMA user_version");
  if (version != kFormatVersion) {
    throw input_error(where, "expected journal format {}, got {}; use the program version that wrote it",
                      kFormatVersion, version);
  }
  // SQLite reads a last page that is cut short as if zeros followed. Only a log may mend such a page.
  std::error_code error;
  const auto page = static_cast<std::uintmax_t>(database_->integer("PRAGMA page_size"));
  if (size_beside(database_->path(), "-wal") == 0 &&
      std::filesystem::file_size(database_->path(), error) % page != 0) {
    throw input_error(where, "is cut short; restore a copy of it, or choose another -o directory");
  }
  const std::string check = database_->text("PRAGMA quick_check(1)");
  if (check != "ok") {
    throw input_error(where, "is damaged: {}; restore a copy of it, or choose another -o directory",
                      printable(check, 200));
  }
}

// Before the answer itself: an answer that is there has it.
void Journal::put_question_end(const Response& response) {
  database_->run(kQuestionEndTable);
  SqliteStatement row(*database_, kInsertQuestionEnd);
  row.bind(1, response.arm);
  row.bind(2, response.subject);
  row.bind(3, response.index);
  row.bind(4, response.question_end);
  row.step();
}

void Journal::put_unmatched_keys(const Response& response) {
  database_->run(kUnmatchedTable);
  for (const std::string& keys : response.unmatched_keys) {
    SqliteStatement row(
        *database_,
        "INSERT OR REPLACE INTO unmatched_keys (arm, subject, item, keys) VALUES (?1, ?2, ?3, ?4)");
    row.bind(1, response.arm);
    row.bind(2, response.subject);
    row.bind(3, response.index);
    row.bind(4, keys);
    row.step();
  }
}

std::map<ItemKey, std::vector<std::string>> Journal::unmatched_keys(const std::string& arm) const {
  std::map<ItemKey, std::vector<std::string>> out;
  if (!has_table("unmatched_keys")) return out;
  SqliteStatement select(*database_,
                         "SELECT subject, item, keys FROM unmatched_keys WHERE arm = ?1 ORDER BY keys");
  select.bind(1, arm);
  while (select.step()) {
    out[{select.text(0), item_index(*database_, select.integer(1))}].push_back(select.text(2));
  }
  return out;
}

void Journal::put(const Response& response) {
  REFOCUS_CHECK(insert_.has_value());
  if (!response.unmatched_keys.empty()) put_unmatched_keys(response);
  if (response.question_end >= 0) put_question_end(response);
  if (!response.tokens.empty()) put_tokens(response);
  insert_->bind(1, response.arm);
  insert_->bind(2, response.subject);
  insert_->bind(3, response.index);
  insert_->bind(4, response.prompt);
  insert_->bind(5, response.text);
  insert_->bind(6, response.finish_reason);
  insert_->bind(7, response.prompt_tokens);
  insert_->bind(8, response.generated_tokens);
  const bool inserted = insert_->step();
  if (inserted) insert_->step();  // to the end, which commits
  insert_->reset();
  if (!inserted) {
    throw input_error(
        database_->path().string(),
        "expected one answer an item, got a second one for arm '{}', subject '{}', item {}; ask "
        "only what is not done",
        printable(response.arm), printable(response.subject), response.index);
  }
}

std::set<ItemKey> Journal::done(const std::string& arm) const {
  SqliteStatement select(*database_, "SELECT subject, item FROM responses WHERE arm = ?1");
  select.bind(1, arm);
  std::set<ItemKey> keys;
  while (select.step()) keys.emplace(select.text(0), item_index(*database_, select.integer(1)));
  return keys;
}

std::int64_t Journal::count() const { return database_->integer("SELECT count(*) FROM responses"); }

std::int64_t Journal::count(const std::string& arm) const {
  SqliteStatement select(*database_, "SELECT count(*) FROM responses WHERE arm = ?1");
  select.bind(1, arm);
  const std::int64_t count = select.step() ? select.integer(0) : 0;
  database_->check_unchanged();
  return count;
}

std::vector<std::string> Journal::arms() const {
  SqliteStatement select(*database_, "SELECT DISTINCT arm FROM responses ORDER BY arm");
  std::vector<std::string> arms;
  while (select.step()) arms.push_back(select.text(0));
  return arms;
}

void Journal::for_each(const std::string& arm, const std::function<void(Response)>& on_response) const {
  const bool ends = has_table("question_ends");
  const auto unmatched = unmatched_keys(arm);
  const auto generated = tokens(arm);
  SqliteStatement select(
      *database_, ends ? "SELECT subject, item, prompt, response, finish_reason, prompt_tokens, "
                         "generated_tokens, ifnull(bytes, -1) FROM responses LEFT JOIN question_ends USING "
                         "(arm, subject, item) WHERE arm = ?1 ORDER BY subject, item"
                       : "SELECT subject, item, prompt, response, finish_reason, prompt_tokens, "
                         "generated_tokens, -1 FROM responses WHERE arm = ?1 ORDER BY subject, item");
  select.bind(1, arm);
  while (select.step()) {
    Response response;
    response.arm = arm;
    response.subject = select.text(0);
    response.index = item_index(*database_, select.integer(1));
    response.prompt = select.text(2);
    response.text = select.text(3);
    response.finish_reason = select.text(4);
    response.prompt_tokens = select.integer(5);
    response.generated_tokens = select.integer(6);
    response.question_end = std::clamp<std::int64_t>(select.integer(7), -1, std::ssize(response.prompt));
    if (const auto found = unmatched.find({response.subject, response.index}); found != unmatched.end()) {
      response.unmatched_keys = found->second;
    }
    if (const auto found = generated.find({response.subject, response.index}); found != generated.end()) {
      response.tokens = found->second;
    }
    on_response(std::move(response));
  }
}

}  // namespace refocus
