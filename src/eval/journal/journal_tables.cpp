// The journal's further tables: what a run asks, and verdicts. Programs of before them pass them over, so the
// format's version is the same; each is made when something is first kept in it.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "base/json_reader.h"
#include "base/utf8.h"
#include "eval/journal/journal.h"
#include "eval/journal/row_reader.h"
#include "eval/task/task_kind.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

constexpr const char* kQuestionTables = R"(
CREATE TABLE arms (arm TEXT NOT NULL UNIQUE, prompt TEXT NOT NULL, intervention TEXT NOT NULL);
CREATE TABLE own_tasks (task TEXT NOT NULL UNIQUE, type TEXT NOT NULL, has_subjects INTEGER NOT NULL);
CREATE TABLE subjects (subject TEXT NOT NULL UNIQUE, task TEXT NOT NULL, category TEXT);
CREATE TABLE items (
  subject TEXT NOT NULL,
  item INTEGER NOT NULL,
  fields TEXT NOT NULL,
  choices TEXT NOT NULL,
  label TEXT,
  UNIQUE (subject, item)
))";

// Of items that have short answers, or are a later turn of a transcript.
constexpr const char* kItemAnswers = R"(
CREATE TABLE item_answers (
  subject TEXT NOT NULL,
  item INTEGER NOT NULL,
  answers TEXT NOT NULL,
  turn INTEGER NOT NULL,
  UNIQUE (subject, item)
))";

constexpr const char* kVerdictTable = R"(
CREATE TABLE IF NOT EXISTS verdicts (
  arm TEXT NOT NULL,
  subject TEXT NOT NULL,
  item INTEGER NOT NULL,
  letter TEXT,
  withdrawn INTEGER NOT NULL,
  anchored TEXT,
  published TEXT,
  reviewer TEXT NOT NULL,
  time TEXT NOT NULL,
  response_hash TEXT NOT NULL
))";

// All statements within it are kept together, or none where it ends without commit().
class Transaction {
 public:
  explicit Transaction(const SqliteDatabase& database) : database_(database) {
    database_.run("BEGIN IMMEDIATE");
  }
  ~Transaction() {
    if (committed_) return;
    try {
      database_.run("ROLLBACK");
    } catch (const InputError&) {  // SQLite has rolled back itself
    }
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  void commit() {
    database_.run("COMMIT");
    committed_ = true;
  }

 private:
  const SqliteDatabase& database_;
  bool committed_ = false;
};

void bind_letter(SqliteStatement& statement, int parameter, const std::optional<char>& letter) {
  if (letter) statement.bind(parameter, std::string_view(&*letter, 1));  // NULL otherwise
}

void insert(SqliteStatement& statement) {
  statement.step();
  statement.reset();
}

void put_items(const SqliteDatabase& database, const Task& task) {
  SqliteStatement row(
      database, "INSERT INTO items (subject, item, fields, choices, label) VALUES (?1, ?2, ?3, ?4, ?5)");
  for (const Item& item : task.items) {
    ordered_json fields = ordered_json::object();
    for (const auto& [name, text] : item.fields) fields[name] = text;
    row.bind(1, item.subject);
    row.bind(2, item.index);
    row.bind(3, json_text(fields));
    row.bind(4, json_text(ordered_json(item.choices)));
    bind_letter(row, 5, item.label);
    insert(row);
  }
}

bool needs_answers_row(const Item& item) { return !item.answers.empty() || item.turn > 0; }

void put_item_answers(const SqliteDatabase& database, const std::vector<Task>& tasks) {
  database.run(kItemAnswers);
  SqliteStatement row(database,
                      "INSERT INTO item_answers (subject, item, answers, turn) VALUES (?1, ?2, ?3, ?4)");
  for (const Task& task : tasks) {
    for (const Item& item : task.items) {
      if (!needs_answers_row(item)) continue;
      row.bind(1, item.subject);
      row.bind(2, item.index);
      row.bind(3, json_text(ordered_json(item.answers)));
      row.bind(4, item.turn);
      insert(row);
    }
  }
}

std::vector<AskedArm> read_arms(const SqliteDatabase& database) {
  std::vector<AskedArm> arms;
  RowReader rows(database, "SELECT arm, prompt, intervention FROM arms ORDER BY rowid");
  while (rows.step()) {
    AskedArm arm{rows.text(0), {PromptKind::kCot, rows.text(2)}};
    const std::string prompt = rows.text(1);
    if (prompt == prompt_kind_name(PromptKind::kDirect)) {
      arm.arm.prompt = PromptKind::kDirect;
    } else if (prompt == prompt_kind_name(PromptKind::kLoglikelihood)) {
      arm.arm.prompt = PromptKind::kLoglikelihood;
    } else if (prompt != prompt_kind_name(PromptKind::kCot)) {
      rows.damaged("a kind of prompt", prompt);
    }
    arms.push_back(std::move(arm));
  }
  return arms;
}

// Of tasks of a user's file, what judging letters needs.
std::map<std::string, std::shared_ptr<const TaskKind>> read_own_tasks(const SqliteDatabase& database) {
  std::map<std::string, std::shared_ptr<const TaskKind>> kinds;
  RowReader rows(database, "SELECT task, type, has_subjects FROM own_tasks");
  while (rows.step()) {
    TaskKind kind;
    kind.name = rows.text(0);
    const std::optional<AnswerType> type = parse_type(rows.text(1));
    if (!type) rows.damaged("a kind of task", rows.text(1));
    kind.type = *type;
    kind.has_subjects = rows.flag(2);
    kind.definition = "{}";
    const std::string name = kind.name;
    kinds[name] = std::make_shared<const TaskKind>(std::move(kind));
  }
  return kinds;
}

// By subject and index, the short answers and the turn.
using ItemAnswers = std::map<ItemKey, std::pair<std::vector<std::string>, int>>;

ItemAnswers read_item_answers(const SqliteDatabase& database) {
  ItemAnswers out;
  RowReader rows(database, "SELECT subject, item, answers, turn FROM item_answers");
  while (rows.step()) {
    out[{rows.text(0), rows.index(1)}] = {
        rows.json_texts(2, ordered_json::value_t::array).get<std::vector<std::string>>(), rows.index(3)};
  }
  return out;
}

std::vector<Task> read_tasks(const SqliteDatabase& database, const ItemAnswers& answers) {
  std::vector<Task> tasks;
  const auto own = read_own_tasks(database);
  std::map<std::string, std::size_t> task_of;  // by subject
  RowReader subjects(database, "SELECT task, subject, category FROM subjects ORDER BY rowid");
  while (subjects.step()) {
    const std::string name = subjects.text(0), subject = subjects.text(1), category = subjects.text(2);
    if (tasks.empty() || tasks.back().name != name) {
      const auto kind = own.find(name);
      tasks.push_back({name, {}, {}, {}, kind == own.end() ? nullptr : kind->second});
    }
    tasks.back().subjects.push_back(subject);
    if (!category.empty()) tasks.back().categories.emplace(subject, category);
    task_of[subject] = tasks.size() - 1;
  }
  RowReader items(database, "SELECT subject, item, fields, choices, label FROM items ORDER BY rowid");
  while (items.step()) {
    Item item;
    item.subject = items.text(0);
    item.index = items.index(1);
    const ordered_json fields = items.json_texts(2, ordered_json::value_t::object);
    for (const auto& [name, text] : fields.items()) item.fields.emplace_back(name, text);
    item.choices = items.json_texts(3, ordered_json::value_t::array).get<std::vector<std::string>>();
    item.label = items.letter(4);
    if (const auto its = answers.find({item.subject, item.index}); its != answers.end()) {
      std::tie(item.answers, item.turn) = its->second;
    }
    const auto task = task_of.find(item.subject);
    if (task == task_of.end()) items.damaged("an item of a known subject", item.subject);
    tasks[task->second].items.push_back(std::move(item));
  }
  return tasks;
}

// Makes the tables of what a run asks, and fills them.
void put_questions(const SqliteDatabase& database, const Questions& questions) {
  database.run(kQuestionTables);
  SqliteStatement arm(database, "INSERT INTO arms (arm, prompt, intervention) VALUES (?1, ?2, ?3)");
  for (const AskedArm& asked : questions.arms) {
    arm.bind(1, asked.name);
    arm.bind(2, prompt_kind_name(asked.arm.prompt));
    arm.bind(3, asked.arm.intervention);
    insert(arm);
  }
  SqliteStatement own(database, "INSERT INTO own_tasks (task, type, has_subjects) VALUES (?1, ?2, ?3)");
  SqliteStatement row(database, "INSERT INTO subjects (task, subject, category) VALUES (?1, ?2, ?3)");
  for (const Task& task : questions.tasks) {
    if (task.own) {
      own.bind(1, task.name);
      own.bind(2, type_name(task.own->type));
      own.bind(3, static_cast<std::int64_t>(task.own->has_subjects));
      insert(own);
    }
    for (const std::string& subject : task.subjects) {
      const auto category = task.categories.find(subject);
      row.bind(1, task.name);
      row.bind(2, subject);
      if (category != task.categories.end()) row.bind(3, category->second);
      insert(row);
    }
    put_items(database, task);
  }
  put_item_answers(database, questions.tasks);
}

// Whether the tables hold as many arms and items; what a run asks only grows.
bool keeps_as_many(const SqliteDatabase& database, const Questions& questions, bool has_answers) {
  std::int64_t items = 0, answers = 0;
  for (const Task& task : questions.tasks) {
    items += std::ssize(task.items);
    answers += std::ranges::count_if(task.items, needs_answers_row);
  }
  return database.integer("SELECT COUNT(*) FROM arms") == std::ssize(questions.arms) &&
         database.integer("SELECT COUNT(*) FROM items") == items &&
         (has_answers ? database.integer("SELECT COUNT(*) FROM item_answers") : 0) == answers;
}

}  // namespace

bool Journal::has_table(const char* name) const {
  SqliteStatement select(*database_, "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1");
  select.bind(1, name);
  return select.step();
}

void Journal::keep(const Questions& questions) {
  const bool there = has_table("items");
  const bool has_answers = has_table("item_answers");
  if (there && keeps_as_many(*database_, questions, has_answers)) return;
  Transaction transaction(*database_);
  if (there) database_->run("DROP TABLE arms; DROP TABLE own_tasks; DROP TABLE subjects; DROP TABLE items");
  if (has_answers) database_->run("DROP TABLE item_answers");
  put_questions(*database_, questions);
  transaction.commit();
}

std::optional<Questions> Journal::questions() const {
  if (!has_table("items")) return std::nullopt;
  const ItemAnswers answers = has_table("item_answers") ? read_item_answers(*database_) : ItemAnswers();
  return Questions{read_arms(*database_), read_tasks(*database_, answers)};
}

void Journal::put(std::span<const Verdict> verdicts) {
  Transaction transaction(*database_);
  database_->run(kVerdictTable);
  SqliteStatement row(*database_,
                      "INSERT INTO verdicts (arm, subject, item, letter, withdrawn, anchored, published, "
                      "reviewer, time, response_hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
  for (const Verdict& verdict : verdicts) {
    row.bind(1, verdict.arm);
    row.bind(2, verdict.subject);
    row.bind(3, verdict.index);
    bind_letter(row, 4, verdict.letter);
    row.bind(5, static_cast<std::int64_t>(verdict.withdrawn));
    bind_letter(row, 6, verdict.anchored);
    bind_letter(row, 7, verdict.published);
    row.bind(8, verdict.reviewer);
    row.bind(9, verdict.time);
    row.bind(10, verdict.response_hash);
    insert(row);
  }
  transaction.commit();
}

std::vector<Verdict> Journal::verdicts() const {
  std::vector<Verdict> verdicts;
  if (!has_table("verdicts")) return verdicts;
  RowReader rows(*database_,
                 "SELECT arm, subject, item, letter, withdrawn, anchored, published, reviewer, time, "
                 "response_hash FROM verdicts ORDER BY rowid");
  while (rows.step()) {
    verdicts.push_back({rows.text(0), rows.text(1), rows.index(2), rows.letter(3), rows.flag(4),
                        rows.letter(5), rows.letter(6), rows.text(7), rows.text(8), rows.text(9)});
  }
  return verdicts;
}

}  // namespace refocus
