#include "eval/harness/task_index.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text_file.h"
#include "eval/harness/setting.h"

namespace refocus::harness {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kGroupKeys[] = {"group", "group_alias", "task", "aggregate_metric_list",
                                           "metadata"};

void set_entry(ConfigNode& map, const std::string& key, const ConfigNode& value) {
  const auto found = std::ranges::find(map.entries, key, &ConfigNode::Entry::key);
  if (found != map.entries.end()) {
    found->value = value;
  } else {
    map.entries.push_back({key, value});
  }
}

void merge_into(ConfigNode& map, const ConfigNode& over) {
  for (const auto& entry : over.entries) set_entry(map, entry.key, entry.value);
}

ConfigNode load_merged(const fs::path& path, std::set<fs::path>& seen, const std::string& included_at) {
  if (!fs::is_regular_file(path)) {
    throw input_error(included_at.empty() ? path.string() : included_at,
                      "expected a task of lm-evaluation-harness, got no such file: {}; correct the name",
                      printable(path.string(), 300));
  }
  if (!seen.insert(fs::weakly_canonical(path)).second) {
    throw input_error(path.string(),
                      "expected each file to be included once, got it again; remove an include");
  }
  ConfigNode own = parse_config(read_text_file(path), path.string(), path.extension() == ".json");
  if (own.kind != ConfigNode::Kind::kMap) {
    throw input_error(own.where, "expected a map of keys, got {}; see docs/harness_tasks.md",
                      kind_name(own.kind));
  }
  const auto include = std::ranges::find(own.entries, "include", &ConfigNode::Entry::key);
  if (include == own.entries.end()) return own;
  const ConfigNode includes = include->value;
  own.entries.erase(include);
  ConfigNode merged = own;
  merged.entries.clear();
  if (includes.kind != ConfigNode::Kind::kNull) {
    for (const std::string& name : Setting(includes, "include").texts()) {
      ConfigNode other = load_merged(path.parent_path() / name, seen, includes.where);
      std::erase_if(other.entries, [](const auto& entry) { return entry.key == "task_list"; });
      merge_into(merged, other);
    }
  }
  merge_into(merged, own);
  return merged;
}

enum class EntryKind { kTask, kGroup, kTag };

struct IndexEntry {
  EntryKind kind = EntryKind::kTask;
  fs::path path;
  std::set<std::string> tagged;  // of a tag: its tasks, in alphabetical order
};

// The names in a folder's files. Files that are no task are passed over, as are names that are taken already.
class TaskIndex {
 public:
  explicit TaskIndex(const fs::path& folder) {
    std::vector<fs::path> files;
    const auto options = fs::directory_options::skip_permission_denied;
    for (const auto& file : fs::recursive_directory_iterator(folder.empty() ? "." : folder, options)) {
      if (file.is_regular_file() && file.path().extension() == ".yaml") files.push_back(file.path());
    }
    std::ranges::sort(files, {}, [](const fs::path& path) { return path.generic_string(); });
    for (const fs::path& file : files) add(file);
  }

  const IndexEntry* find(const std::string& name) const {
    const auto found = entries_.find(name);
    return found == entries_.end() ? nullptr : &found->second;
  }

 private:
  void add(const fs::path& file) {
    try {
      const ConfigNode root = load_harness_yaml(file);
      const ConfigNode *group = root.find("group"), *task = root.find("task");
      if (group != nullptr && group->kind == ConfigNode::Kind::kText) {
        entries_.emplace(group->text, IndexEntry{EntryKind::kGroup, file, {}});
      } else if (task != nullptr && task->kind == ConfigNode::Kind::kText) {
        if (!entries_.emplace(task->text, IndexEntry{EntryKind::kTask, file, {}}).second) return;
        const ConfigNode* tags = root.find("tag");
        if (tags == nullptr) return;
        for (const std::string& tag : Setting(*tags, "tag").texts()) {
          const auto entry = entries_.emplace(tag, IndexEntry{EntryKind::kTag, {}, {}}).first;
          entry->second.tagged.insert(task->text);
        }
      }
    } catch (const InputError&) {
      // The folder may hold anything; what a group names and lacks is said where it is named.
    }
  }

  std::map<std::string, IndexEntry> entries_;
};

class SetBuilder {
 public:
  explicit SetBuilder(const TaskIndex* index) : index_(index) {}

  // Adds a task; what is wrong with it is kept, since all tasks of a group are looked at before it is
  // refused.
  std::string add_task(const ConfigNode& root, const std::string& file) {
    const ConfigNode* task = root.find("task");
    const std::string name = task != nullptr ? Setting(*task, "task").text() : "";
    if (!names_.insert(name).second) return name;
    try {
      out_.tasks.push_back(read_task_config(root, file));
    } catch (const InputError& error) {
      refused_.emplace_back(name, error.what());
    }
    return name;
  }

  // Returns the names of the tasks in it.
  std::vector<std::string> add_group(const std::string& name, const ConfigNode& root, const std::string& file,
                                     const ConfigNode& overrides) {
    if (++depth_ > 16)
      throw input_error(root.where, "expected groups of at most 16 levels, got more; nest less");
    Group group = read_group(name, root);
    ConfigNode inner = overrides;
    inner.kind = ConfigNode::Kind::kMap;
    inner.entries.clear();
    for (const auto& entry : root.entries) {
      if (std::ranges::find(kGroupKeys, entry.key) == std::end(kGroupKeys))
        set_entry(inner, entry.key, entry.value);
    }
    merge_into(inner, overrides);
    const ConfigNode* members = root.find("task");
    if (members == nullptr)
      throw input_error(root.where, "expected a list 'task' in group {}, got none; add it", name);
    std::vector<ConfigNode> items = members->items;
    if (members->kind == ConfigNode::Kind::kText) items = {*members};
    for (const ConfigNode& item : items) add_member(item, group, file, inner);
    --depth_;
    std::vector<std::string> tasks = group.tasks;
    out_.groups.push_back(std::move(group));
    return tasks;
  }

  TaskSet take() {
    if (!refused_.empty()) refuse();
    return std::move(out_);
  }

 private:
  static Group read_group(const std::string& name, const ConfigNode& root) {
    Group group{name, name, {}, {}, {}};
    if (const ConfigNode* alias = root.find("group_alias"))
      group.alias = Setting(*alias, "group_alias").text();
    const ConfigNode* metrics = root.find("aggregate_metric_list");
    if (metrics == nullptr) return group;
    std::vector<ConfigNode> items = metrics->items;
    if (metrics->kind == ConfigNode::Kind::kMap) items = {*metrics};
    for (const ConfigNode& item : items) {
      item.check_keys("an aggregate_metric_list", {"metric", "filter_list", "aggregation", "weight_by_size"});
      const ConfigNode *metric = item.find("metric"), *filters = item.find("filter_list");
      if (metric == nullptr) throw input_error(item.where, "expected 'metric', got none; add it");
      GroupMetric out{Setting(*metric, "metric").text(), {}};
      if (filters != nullptr) out.filters = Setting(*filters, "filter_list").texts();
      if (const ConfigNode* by = item.find("aggregation");
          by != nullptr && Setting(*by, "aggregation").text() != "mean") {
        throw input_error(by->where, "expected 'mean' as the aggregation of a group, got '{}'; write mean",
                          printable(by->text));
      }
      if (const ConfigNode* by = item.find("weight_by_size"))
        out.weight_by_size = Setting(*by, "weight_by_size").flag();
      group.metrics.push_back(std::move(out));
    }
    return group;
  }

  void add_tasks(Group& group, const std::string& child, std::vector<std::string> tasks) {
    group.children.push_back(child);
    for (std::string& task : tasks) {
      if (std::ranges::find(group.tasks, task) == group.tasks.end()) group.tasks.push_back(std::move(task));
    }
  }

  void add_member(const ConfigNode& item, Group& group, const std::string& file,
                  const ConfigNode& overrides) {
    if (item.kind == ConfigNode::Kind::kText) return add_named(item.text, item, group, file, overrides);
    const ConfigNode *inner_group = item.find("group"), *task = item.find("task");
    if (inner_group != nullptr) {
      const std::string name = Setting(*inner_group, "group").text();
      if (index_->find(name) != nullptr) {
        ConfigNode over = overrides;
        for (const auto& entry : item.entries) {
          if (entry.key != "group") set_entry(over, entry.key, entry.value);
        }
        return add_named(name, item, group, file, over);
      }
      const std::string full = group.name + "::" + name;
      return add_tasks(group, full, add_group(full, item, file, overrides));
    }
    if (task == nullptr) {
      throw input_error(item.where,
                        "expected the name of a task, or a map with 'task' or 'group', got something else; "
                        "correct group {}",
                        group.name);
    }
    ConfigNode over = overrides;
    merge_into(over, item);
    add_named(Setting(*task, "task").text(), item, group, file, over);
  }

  // A task, group or tag of the index, or a task that is written in the group itself.
  void add_named(const std::string& name, const ConfigNode& item, Group& group, const std::string& file,
                 const ConfigNode& overrides) {
    const IndexEntry* entry = index_->find(name);
    if (entry == nullptr) {
      if (item.kind == ConfigNode::Kind::kText) {
        throw input_error(
            item.where,
            "expected a task, group or tag in the files *.yaml beside or below the group's, got '{}', which "
            "none has; add its file there",
            printable(name));
      }
      ConfigNode inline_task = overrides;
      set_name(inline_task, group.name + "::" + name, item);
      return add_tasks(group, group.name + "::" + name, {add_task(inline_task, file)});
    }
    if (entry->kind == EntryKind::kTag) {
      for (const std::string& tagged : entry->tagged) add_file_task(tagged, item, group, overrides);
    } else if (entry->kind == EntryKind::kTask) {
      add_file_task(name, item, group, overrides);
    } else {
      if (std::ranges::find(out_.groups, name, &Group::name) != out_.groups.end()) {
        throw input_error(item.where, "expected each group once, got '{}' twice; remove one",
                          printable(name));
      }
      ConfigNode over = overrides;
      std::erase_if(over.entries, [](const auto& one) { return one.key == "task" || one.key == "group"; });
      add_tasks(group, name, add_group(name, load_harness_yaml(entry->path), entry->path.string(), over));
    }
  }

  void add_file_task(const std::string& name, const ConfigNode& item, Group& group,
                     const ConfigNode& overrides) {
    const IndexEntry& entry = *index_->find(name);
    ConfigNode root = load_harness_yaml(entry.path);
    merge_into(root, overrides);
    set_name(root, name, item);
    add_tasks(group, name, {add_task(root, entry.path.string())});
  }

  static void set_name(ConfigNode& root, const std::string& name, const ConfigNode& item) {
    ConfigNode node{ConfigNode::Kind::kText, item.where, name, {}, {}};
    set_entry(root, "task", node);
    std::erase_if(root.entries, [](const auto& entry) { return entry.key == "group"; });
  }

  [[noreturn]] void refuse() const {
    // "[where] why": the tasks that could be had are told where there are some.
    std::string what = refused_.front().second;
    std::vector<std::string> bad, good;
    for (const auto& [name, why] : refused_) bad.push_back(name);
    for (const TaskConfig& task : out_.tasks) good.push_back(task.name);
    if (bad.size() + good.size() > 1) {
      what += fmt::format(" (of {} tasks {} cannot be had: {}; {})", bad.size() + good.size(), bad.size(),
                          printable(fmt::format("{}", fmt::join(bad, ", ")), 300),
                          good.empty()
                              ? "the others neither"
                              : "these can: " + printable(fmt::format("{}", fmt::join(good, ", ")), 1000));
    }
    const std::size_t end = what.find("] ");
    throw InputError(what.substr(1, end - 1), what.substr(end + 2));
  }

  const TaskIndex* index_;
  TaskSet out_;
  std::set<std::string> names_;
  std::vector<std::pair<std::string, std::string>> refused_;  // name, message
  int depth_ = 0;
};

}  // namespace

ConfigNode load_harness_yaml(const fs::path& path) {
  std::set<fs::path> seen;
  return load_merged(path, seen, "");
}

bool is_harness_config(const ConfigNode& root) {
  for (const char* key :
       {"dataset_path", "doc_to_text", "doc_to_target", "doc_to_choice", "output_type", "include", "group",
        "aggregate_metric_list", "process_docs", "fewshot_split", "test_split"}) {
    if (std::ranges::find(root.entries, key, &ConfigNode::Entry::key) != root.entries.end()) return true;
  }
  return false;
}

TaskSet load_task_set(const fs::path& path) {
  const ConfigNode root = load_harness_yaml(path);
  const ConfigNode* group = root.find("group");
  if (group == nullptr) {
    SetBuilder builder(nullptr);
    if (root.find("task") == nullptr) {
      throw input_error(root.where, "expected a 'task' with its name, got none; name a file that has one");
    }
    builder.add_task(root, path.string());
    return builder.take();
  }
  const TaskIndex index(path.parent_path());
  SetBuilder builder(&index);
  ConfigNode none;
  none.kind = ConfigNode::Kind::kMap;
  builder.add_group(Setting(*group, "group").text(), root, path.string(), none);
  return builder.take();
}

}  // namespace refocus::harness
