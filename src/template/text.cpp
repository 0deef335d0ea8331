#include "template/text.h"

#include <algorithm>

#include "template/failure.h"

namespace refocus::jinja {
namespace {

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

std::size_t count_characters(std::string_view bytes) {
  return static_cast<std::size_t>(std::ranges::count_if(bytes, begins_character));
}

// Adds a run that ends at `end`, joined with the last one where both are of one source.
void add_run(std::vector<TextRun>& runs, std::size_t end, Source source) {
  const std::size_t begin = runs.empty() ? 0 : runs.back().end;
  if (end == begin) return;
  if (!runs.empty() && runs.back().source == source) {
    runs.back().end = end;
  } else {
    runs.push_back({end, source});
  }
}

// The first run that ends past `byte`.
auto run_at(const std::vector<TextRun>& runs, std::size_t byte) {
  return std::ranges::upper_bound(runs, byte, {}, &TextRun::end);
}

std::shared_ptr<TextData> text_data(std::string bytes, std::vector<TextRun> runs, bool markup) {
  auto data = std::make_shared<TextData>();
  data->length = count_characters(bytes);
  data->bytes = std::move(bytes);
  data->runs = std::move(runs);
  data->markup = markup;
  return data;
}

}  // namespace

Text::Text() {
  static const auto empty = std::make_shared<const TextData>();
  data_ = empty;
}

Text::Text(std::string_view bytes, Source source) {
  std::vector<TextRun> runs;
  add_run(runs, bytes.size(), source);
  data_ = text_data(std::string(bytes), std::move(runs), false);
}

Source Text::source() const {
  for (const TextRun& run : runs()) {
    if (run.source.origin != kTemplateOrigin) return {run.source.origin};
  }
  return {};
}

Source Text::source_at(std::size_t byte) const {
  const auto run = run_at(runs(), byte);
  return run == runs().end() ? source() : run->source;
}

std::size_t Text::byte_of(std::size_t character) const {
  if (character >= length()) return size();
  if (length() == size()) return character;
  std::size_t at = 0;
  for (;; ++at) {
    if (begins_character(bytes()[at]) && character-- == 0) return at;
  }
}

std::size_t Text::character_of(std::size_t byte) const {
  return length() == size() ? byte : count_characters(bytes().substr(0, byte));
}

Text Text::bytes_between(std::size_t begin, std::size_t end) const {
  if (begin == 0 && end >= size()) return *this;
  if (begin >= end) return Text().with_markup(markup());
  std::vector<TextRun> part;
  for (auto run = run_at(runs(), begin); run != runs().end(); ++run) {
    part.push_back({std::min(run->end, end) - begin, run->source});
    if (run->end >= end) break;
  }
  return Text(text_data(std::string(bytes().substr(begin, end - begin)), std::move(part), markup()));
}

Text Text::with_markup(bool markup) const {
  return markup == data_->markup ? *this : Text(text_data(data_->bytes, data_->runs, markup));
}

Text Text::with_generation() const {
  std::vector<TextRun> marked;
  for (const TextRun& run : runs()) add_run(marked, run.end, {run.source.origin, true});
  return Text(text_data(data_->bytes, std::move(marked), markup()));
}

void TextBuilder::grow(std::size_t bytes) {
  if (bytes > limit_ - std::min(limit_, bytes_.size())) {
    fail("expected text of at most {} bytes, got more", limit_);
  }
}

void TextBuilder::add(const Text& text) { add(text, 0, text.size()); }

void TextBuilder::add(const Text& text, std::size_t begin, std::size_t end) {
  if (begin >= end) return;
  grow(end - begin);
  const std::size_t before = bytes_.size();
  bytes_ += text.bytes().substr(begin, end - begin);
  for (auto run = run_at(text.runs(), begin); run != text.runs().end(); ++run) {
    add_run(runs_, before + std::min(run->end, end) - begin, run->source);
    if (run->end >= end) break;
  }
}

void TextBuilder::add(std::string_view bytes, Source source) {
  grow(bytes.size());
  bytes_ += bytes;
  add_run(runs_, bytes_.size(), source);
}

void TextBuilder::add(std::string_view bytes, std::size_t times, Source source) {
  if (bytes.empty() || times == 0) return;
  grow(times > limit_ ? limit_ + 1 : bytes.size() * times);
  for (std::size_t i = 0; i < times; ++i) bytes_ += bytes;
  add_run(runs_, bytes_.size(), source);
}

Text TextBuilder::take(bool markup) {
  Text text(text_data(std::move(bytes_), std::move(runs_), markup));
  bytes_.clear();
  runs_.clear();
  return text;
}

}  // namespace refocus::jinja
