#include "eval/report/html_answers.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/json_reader.h"
#include "eval/score/arm_labels.h"
#include "eval/task/ending.h"
#include "eval/text/html_text.h"
#include "eval/text/json_values.h"
#include "eval/text/table_text.h"

namespace refocus {
namespace {

using nlohmann::ordered_json;

// Large enough to compress well, small enough to be decoded before anyone waits (some 20 ms).
constexpr std::size_t kChunkBytes = 2u << 20;

const std::vector<Answer>& answers_of(const ReportView& view, std::size_t arm, std::size_t task) {
  return view.comparison.arms[arm].arm.tasks[task].answers.answers;
}

std::string dumped(const ordered_json& value) { return json_text(value); }

// A person's reading has no place in the text.
bool found_in_text(const Answer& answer) {
  return answer.extraction.found() && !answer.likelihoods &&
         answer.extraction.span_end > answer.extraction.span_begin;
}

// The right letter, or the right short answers; empty where the data does not say.
std::string target_text(const Item& item) {
  if (item.label) return std::string(1, *item.label);
  std::string text;
  for (const std::string& answer : item.answers) text += (text.empty() ? "" : " / ") + answer;
  return text;
}

// What was read from a response; empty of a transcript's turn, from which nothing is read.
std::string found_text(const Answer& answer) {
  if (answer.open_ended) return "";
  if (answer.extraction.letter) return std::string(1, *answer.extraction.letter);
  return answer.extraction.text.value_or("no answer");
}

ordered_json answer_entry(const Answer& answer) {
  if (answer.likelihoods) {
    ordered_json options = ordered_json::array();
    for (const OptionLikelihood& option : answer.likelihoods->options) {
      options.push_back({option.loglikelihood, option.is_greedy});
    }
    return options;
  }
  const std::string_view text = answer.response.text;
  std::int64_t begin = -1, end = -1;
  if (found_in_text(answer)) {
    const auto first = static_cast<std::size_t>(answer.extraction.span_begin);
    const auto last = static_cast<std::size_t>(answer.extraction.span_end);
    begin = utf16_length(text.substr(0, first));
    end = begin + utf16_length(text.substr(first, last - first));
  }
  return {text, begin, end, answer.extraction.rule, answer.response.generated_tokens};
}

std::string item_entry(const ReportView& view, std::size_t task, std::size_t i) {
  const QuestionParts parts = question_parts(view.comparison.arms[0].arm.tasks[task].task->items[i]);
  ordered_json entry = {parts.question, parts.options, ordered_json::array()};
  for (std::size_t a = 0; a < view.labels.size(); ++a) {
    entry[2].push_back(answer_entry(answers_of(view, a, task)[i]));
  }
  return dumped(entry);
}

// A letter, '*' for a short answer, '-' where none was found, '.' where none was looked for.
char letter_column(const Answer& answer) {
  if (answer.open_ended) return '.';
  if (answer.extraction.letter) return *answer.extraction.letter;
  return answer.extraction.text ? '*' : '-';
}

ordered_json arm_columns(const std::vector<Answer>& answers) {
  std::string letters, correct, cut, unfinished;
  ordered_json found = ordered_json::array();
  for (const Answer& answer : answers) {
    letters += letter_column(answer);
    correct += !answer.correct ? '-' : *answer.correct ? '1' : '0';
    cut += answer.response.finish_reason == kFinishLength ? '1'
           : answer.response.finish_reason == kFinishStop ? '2'
                                                          : '0';
    unfinished += is_read_unfinished(answer) ? '1' : '0';
    found.push_back(or_null(answer.extraction.text));
  }
  ordered_json columns = {
      {"letters", letters}, {"correct", correct}, {"cut", cut}, {"unfinished", unfinished}};
  if (letters.find('*') != std::string::npos) columns["found"] = std::move(found);
  return columns;
}

ordered_json index_of(const ReportView& view, std::size_t task) {
  const Task& data = *view.comparison.arms[0].arm.tasks[task].task;
  ordered_json groups = ordered_json::array(), items = groups, arms = groups, targets = groups;
  std::string labels;
  std::size_t subject = 0, count = 0;
  bool short_answers = false;
  for (const Item& item : data.items) {
    while (item.subject != data.subjects[subject]) {
      groups.push_back({subject++, count});
      count = 0;
    }
    ++count;
    items.push_back(item.index);
    labels += item.label.value_or('-');
    targets.push_back(target_text(item));
    short_answers = short_answers || !item.answers.empty();
  }
  groups.push_back({subject, count});
  for (std::size_t a = 0; a < view.labels.size(); ++a) arms.push_back(arm_columns(answers_of(view, a, task)));
  ordered_json index = {
      {"subjects", data.subjects}, {"groups", groups}, {"items", items}, {"labels", labels}, {"arms", arms}};
  if (short_answers) index["targets"] = std::move(targets);
  return index;
}

std::string marked_response(const Answer& answer) {
  const std::string_view text = answer.response.text;
  if (!found_in_text(answer)) return html_escape(text);
  const auto begin = static_cast<std::size_t>(answer.extraction.span_begin);
  const auto end = static_cast<std::size_t>(answer.extraction.span_end);
  return html_escape(text.substr(0, begin)) + "<mark>" + html_escape(text.substr(begin, end - begin)) +
         "</mark>" + html_escape(text.substr(end));
}

std::string likelihood_list(const Answer& answer) {
  std::string items;
  for (std::size_t k = 0; k < answer.likelihoods->options.size(); ++k) {
    items += fmt::format("<li>{}: {:.3f}</li>", static_cast<char>('A' + k),
                         answer.likelihoods->options[k].loglikelihood);
  }
  return "<ul>" + items + "</ul>";
}

std::string answer_html(const std::string& label, const Answer& answer) {
  std::string verdict = answer.correct ? (*answer.correct ? ", right" : ", wrong") : "";
  if (answer.response.finish_reason == kFinishLength) verdict += ", cut off";
  if (answer.response.finish_reason == kFinishStop) verdict += ", ended by until";
  if (is_read_unfinished(answer)) verdict += ", read from an unfinished answer";
  return "<div class=\"answer\"><h4>" + html_escape(label) + "</h4><p class=\"verdict\">" +
         html_escape(found_text(answer)) + verdict + "</p><div class=\"response\">" +
         (answer.likelihoods ? likelihood_list(answer) : marked_response(answer)) + "</div></div>\n";
}

std::string flip_html(const ReportView& view, const PairComparison& pair, const Flip& flip) {
  const Item& item = *flip.after->item;
  const QuestionParts parts = question_parts(item);
  std::string options;
  for (std::size_t k = 0; k < parts.options.size(); ++k) {
    const char letter = static_cast<char>('A' + k);
    options +=
        fmt::format("<li{}><span class=\"letter\">{}</span><span>{}</span></li>",
                    item.label == letter ? " class=\"right\"" : "", letter, html_escape(parts.options[k]));
  }
  const char* way = flip.fixed() ? "fixed" : "broken";
  return fmt::format(
             "<details class=\"item\"><summary><span class=\"{0}\">{0}</span> <span class=\"where\">{1} "
             "{2}</span> "
             "<span class=\"change\">right {3}: {4} → {5}</span></summary>\n<div class=\"inside\">"
             "<p class=\"question\">{6}</p><ol class=\"options\">{7}</ol>\n<div class=\"answers\">",
             way, html_escape(item.subject), item.index, html_escape(target_text(item)),
             html_escape(found_text(*flip.before)), html_escape(found_text(*flip.after)),
             html_escape(parts.question), options) +
         answer_html(view.labels[pair.pair.baseline], *flip.before) +
         answer_html(view.labels[pair.pair.arm], *flip.after) + "</div></div></details>\n";
}

std::string flip_table(const std::string& label, const PairComparison& pair) {
  std::string rows;
  for (const Flip& flip : pair.flips) {
    const Item& item = *flip.after->item;
    rows += html_row(row_head(item.subject) + count_cell(item.index) + text_cell(target_text(item)) +
                     text_cell(found_text(*flip.before)) + text_cell(found_text(*flip.after)) +
                     text_cell(flip.fixed() ? "fixed" : "broken"));
  }
  return html_table(label,
                    column_head("subject") + number_column_head("question") + column_head("right") +
                        column_head("baseline") + column_head("arm") + column_head("change"),
                    "<tbody>\n" + rows + "</tbody>\n", false);
}

std::string flips_of_pair(const ReportView& view, std::size_t t, const PairComparison& pair, bool texts) {
  constexpr std::size_t kMostTexts = 500;  // a page without script shows all at once
  const TaskComparison& task = view.comparison.tasks[t];
  const PairedNumbers& all = pair.numbers.back();
  const std::string label = (view.comparison.tasks.size() > 1 ? task.task + ": " : "") +
                            pair_label(view.comparison, view.labels, pair.pair);
  if (!texts) return flip_table(label, pair);
  std::string html =
      fmt::format("<h3>{}</h3>\n<p class=\"note\">{} fixed, {} broken.{}</p>\n", html_escape(label),
                  with_thousands(all.fixed), with_thousands(all.broken),
                  pair.flips.size() > kMostTexts
                      ? " The first 500 are shown; refocus compare --flips --responses lists all."
                      : "");
  for (std::size_t i = 0; i < std::min(kMostTexts, pair.flips.size()); ++i)
    html += flip_html(view, pair, pair.flips[i]);
  return html;
}

// A, B, ...; answerA, ...; sol1, ...: those of choices_of_fields.
bool is_choice_field(std::string_view name) {
  for (const std::string_view stem : {"answer", "sol", ""}) {
    if (name.size() != stem.size() + 1 || !name.starts_with(stem)) continue;
    const char last = name.back();
    return stem == "sol" ? last >= '1' && last <= '9' : last >= 'A' && last <= 'Z';
  }
  return false;
}

}  // namespace

std::int64_t utf16_length(std::string_view text) {
  std::int64_t units = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    units += (byte & 0xC0) != 0x80;  // a code point begins
    units += byte >= 0xF0;           // and lies outside the basic plane: two units
  }
  return units;
}

QuestionParts question_parts(const Item& item) {
  constexpr std::string_view kQuestions[] = {"question", "goal", "context"};
  QuestionParts parts;
  parts.options = item.choices;
  while (!parts.options.empty() && parts.options.back().empty()) parts.options.pop_back();
  for (const auto& [name, text] : item.fields) {
    const bool option = !item.choices.empty() && is_choice_field(name);
    if (option || name == "answer" || name == "label") continue;
    if (!parts.question.empty()) parts.question += '\n';
    const bool known = std::ranges::find(kQuestions, std::string_view(name)) != std::end(kQuestions);
    if (!known) parts.question.append(name).append(": ");
    parts.question += text;
  }
  return parts;
}

std::vector<PageBlock> answer_blocks(const ReportView& view) {
  std::vector<PageBlock> blocks;
  for (std::size_t t = 0; t < view.comparison.tasks.size(); ++t) {
    const std::size_t items = view.comparison.arms[0].arm.tasks[t].task->items.size();
    ordered_json chunks = ordered_json::array();
    std::string chunk;
    const auto finish = [&] {
      if (!chunk.empty()) blocks.push_back({fmt::format("answers-{}-{}", t, chunks.size() - 1), chunk + "]"});
      chunk.clear();
    };
    for (std::size_t i = 0; i < items; ++i) {
      if (chunk.size() > kChunkBytes) finish();
      if (chunk.empty()) chunks.push_back(i);
      chunk += chunk.empty() ? '[' : ',';
      chunk += item_entry(view, t, i);
    }
    finish();
    ordered_json index = index_of(view, t);
    index["chunks"] = std::move(chunks);
    blocks.push_back({fmt::format("index-{}", t), dumped(index)});
  }
  return blocks;
}

std::string html_flips(const ReportView& view, bool texts) {
  std::string html;
  for (std::size_t t = 0; t < view.comparison.tasks.size(); ++t) {
    for (const PairComparison& pair : view.comparison.tasks[t].pairs)
      html += flips_of_pair(view, t, pair, texts);
  }
  return html;
}

}  // namespace refocus
