#include "eval/run/join.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/made_directories.h"
#include "eval/journal/fingerprint.h"
#include "eval/journal/sessions.h"
#include "eval/journal/verdict_file.h"
#include "eval/run/recorded_plan.h"
#include "io/atomic_directory.h"

namespace refocus {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

// A run that is joined.
struct Part {
  fs::path path;
  RunRecord record;
  Journal journal;
};

// What two parts must agree on: all that decides answers, in an order that does not matter.
ordered_json compared(ordered_json identity) {
  identity.erase(kModelFiles);
  for (const char* list : {"arms", "tasks", "subjects"}) {
    if (!identity.contains(list) || !identity[list].is_array()) continue;
    auto& elements = identity[list].get_ref<ordered_json::array_t&>();
    std::sort(elements.begin(), elements.end());
  }
  return identity;
}

void expect_same_run(const Part& first, const Part& other) {
  const std::string where = other.path.string();
  const std::string model =
      model_difference(first.record.identity, other.record.identity, (other.path / "run.json").string());
  if (!model.empty()) {
    throw input_error(where, "expected the model of {}, got another: {}; join runs of one model",
                      printable(first.path.string(), 200), model);
  }
  const auto difference = first_difference(compared(first.record.identity), compared(other.record.identity));
  if (!difference) return;
  throw input_error(
      where, "expected {} to be {} as in {}, got {}; join runs of the same settings, but for --shard",
      printable(difference->field), difference->before, printable(first.path.string(), 200), difference->now);
}

Part open_part(const fs::path& path) {
  RunRecord record = read_run_record(path);
  const auto kind = record.identity.find("kind");
  if (kind != record.identity.end() || !record.identity.contains("questions")) {
    throw input_error(path.string(), "expected a run of refocus eval, got one of {}; give runs of eval",
                      kind != record.identity.end() && kind->is_string()
                          ? "refocus " + kind->get<std::string>()
                          : "an earlier version");
  }
  return {path, std::move(record), Journal::open_read_only(path)};
}

std::vector<Part> open_parts(std::span<const fs::path> runs) {
  std::vector<Part> out;
  for (const fs::path& run : runs) {
    out.push_back(open_part(run));
    expect_same_run(out.front(), out.back());
  }
  return out;
}

// What two texts of one answer show: where they begin to differ would say less than both.
std::string difference_text(const Part& first, const Response& kept, const Part& other, const Response& now) {
  const auto said = [](const Response& response) {
    return fmt::format("'{}' ({}, {} tokens)", printable(response.text, 60), response.finish_reason,
                       response.generated_tokens);
  };
  return fmt::format("{}, {} item {}: {} in {}, {} in {}", kept.arm, printable(kept.subject), kept.index,
                     said(kept), printable(first.path.string(), 200), said(now),
                     printable(other.path.string(), 200));
}

struct Answers {
  std::vector<Response> responses;  // by subject and index
  std::int64_t in_several = 0, different = 0;
};

// All answers of an arm; of several to a question the first.
Answers answers_of(const std::vector<Part>& parts, const std::string& arm,
                   const std::function<void(const std::string&)>& on_difference) {
  std::map<ItemKey, std::pair<Response, const Part*>> all;
  std::set<ItemKey> several;
  Answers out;
  for (const Part& part : parts) {
    part.journal.for_each(arm, [&](Response response) {
      const ItemKey key{response.subject, response.index};
      const auto kept = all.find(key);
      if (kept == all.end()) {
        all.emplace(key, std::pair(std::move(response), &part));
        return;
      }
      several.insert(key);
      if (kept->second.first == response) return;
      ++out.different;
      on_difference(difference_text(*kept->second.second, kept->second.first, part, response));
    });
  }
  out.in_several = std::ssize(several);
  for (auto& [key, one] : all) out.responses.push_back(std::move(one.first));
  return out;
}

Questions questions_of(const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    if (auto questions = part.journal.questions()) return *std::move(questions);
  }
  throw input_error(
      parts.front().path.string(),
      "expected a journal that says what was asked, got one that does not yet; give the eval command "
      "of the run again");
}

// The sessions of all parts, oldest first, each with the run that it is of.
RunRecord joined_record(const std::vector<Part>& parts) {
  RunRecord out{parts.front().record.identity, {}};
  for (const Part& part : parts) {
    for (ordered_json session : part.record.sessions) {
      if (!session.is_object()) continue;
      if (!session.contains(kSessionRun)) session[kSessionRun] = part.path.string();
      if (std::find(out.sessions.begin(), out.sessions.end(), session) == out.sessions.end()) {
        out.sessions.push_back(std::move(session));
      }
    }
  }
  std::ranges::stable_sort(out.sessions, {}, [](const ordered_json& session) {
    const auto started = session.find("started");
    return started != session.end() && started->is_string() ? started->get<std::string>() : std::string();
  });
  return out;
}

std::vector<Verdict> joined_verdicts(const std::vector<Part>& parts) {
  std::vector<Verdict> out;
  std::set<std::string> known;
  for (const Part& part : parts) {
    for (Verdict& verdict : part.journal.verdicts()) {
      if (known.insert(verdict_line(verdict)).second) out.push_back(std::move(verdict));
    }
  }
  return out;
}

// Looks at every answer before anything is written.
std::int64_t check_answers(const std::vector<Part>& parts, const std::vector<AskedArm>& arms,
                           const std::function<void(const std::string&)>& on_difference) {
  std::int64_t in_several = 0, different = 0;
  for (const AskedArm& arm : arms) {
    const Answers answers = answers_of(parts, arm.name, on_difference);
    in_several += answers.in_several;
    different += answers.different;
  }
  if (different == 0) return in_several;
  throw input_error(
      "join",
      "expected the same answer wherever runs have one to the same question, got {} that differ; leave "
      "a run out, or ask anew with one build on one kind of machine",
      different);
}

}  // namespace

JoinedRun join_runs(std::span<const fs::path> runs, const fs::path& named,
                    const std::function<void(const std::string&)>& on_difference) {
  const fs::path whole = fs::absolute(named).lexically_normal();
  const fs::path output = whole.has_filename() ? whole : whole.parent_path();
  const std::vector<Part> parts = open_parts(runs);
  const Questions questions = questions_of(parts);
  RunRecord record = joined_record(parts);
  JoinedRun out;
  out.recorded =
      std::make_shared<const RecordedPlan>(read_plan(record, questions, parts.front().path.string()));
  out.left_out = out.recorded->left_out;
  out.mixed = mixed_computation(record);
  out.in_several = check_answers(parts, questions.arms, on_difference);

  const char* remedy = "choose another with -o";
  MadeDirectories made(output.parent_path(), remedy);
  try {
    AtomicDirectory directory(output, "", remedy);
    {
      const RunDirectory run = RunDirectory::begin(directory.path(), std::move(record));
      Journal journal(run);
      journal.keep(questions);
      for (const AskedArm& arm : questions.arms) {
        for (const Response& response : answers_of(parts, arm.name, on_difference).responses)
          journal.put(response);
      }
      if (const auto verdicts = joined_verdicts(parts); !verdicts.empty()) journal.put(verdicts);
      out.answers = journal.count();
      for (const Task& task : questions.tasks)
        out.outcome.open += std::ssize(task.items) * std::ssize(questions.arms);
      out.outcome.open -= out.answers;
      if (out.recorded->needs_task_files) {
        out.left_out = "the rules of lm-evaluation-harness are in the task's files";
      } else {
        out.outcome = write_reports(run, journal, out.recorded->plan(output.filename().string()));
      }
    }
    directory.commit();
  } catch (...) {
    made.undo();
    throw;
  }
  out.outcome.run_directory = named;
  return out;
}

}  // namespace refocus
