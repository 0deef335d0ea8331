#include "tokenizer/sentencepiece/sentencepiece_model.h"

#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "tokenizer/character_map.h"

namespace refocus {
namespace {

[[noreturn]] void malformed(const std::string& where) {
  throw input_error(
      where, "expected a SentencePiece model, got a file that is not or is cut off; download it again");
}

// One field of a protocol buffer message (protobuf.dev/programming-guides/encoding).
struct Field {
  std::uint64_t number = 0;
  unsigned kind = 0;        // its wire type: 0 a varint, 1 and 5 fixed, 2 bytes
  std::uint64_t value = 0;  // a varint, or the bits of a fixed number
  std::string_view bytes;   // a string or an embedded message
};

class FieldReader {
 public:
  FieldReader(const std::string& where, std::string_view message) : where_(where), rest_(message) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    field = {};
    const std::uint64_t tag = varint();
    field.number = tag >> 3;
    field.kind = tag & 7;
    switch (field.kind) {
      case 0:
        field.value = varint();
        break;
      case 1:
        fixed(8, field.value);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        fixed(4, field.value);
        break;
      default:
        malformed(where_);
    }
    return true;
  }

 private:
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    malformed(where_);
  }

  void fixed(std::size_t size, std::uint64_t& value) { std::memcpy(&value, take(size).data(), size); }

  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) malformed(where_);
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  const std::string& where_;
  std::string_view rest_;
};

float float_of(const Field& field) {
  float value = 0;
  const auto bits = static_cast<std::uint32_t>(field.value);
  std::memcpy(&value, &bits, 4);
  return value;
}

void check_piece(const std::string& where, std::string_view message) {
  FieldReader reader(where, message);
  Field field;
  while (reader.next(field)) {
    if (field.number == 2 && !std::isfinite(float_of(field))) malformed(where);  // the score
  }
}

void check_trainer(const std::string& where, std::string_view message, SentencePieceFacts& facts) {
  FieldReader reader(where, message);
  Field field;
  while (reader.next(field)) {
    if (field.number == 3) facts.bpe = field.value == 2;  // TrainerSpec.ModelType
    if (field.number == 24 && field.value != 0) {
      throw input_error(where,
                        "expected white space as a prefix, got treat_whitespace_as_suffix; this tokenizer is "
                        "not supported");
    }
  }
}

void check_normalizer(const std::string& where, std::string_view message, SentencePieceFacts& facts) {
  FieldReader reader(where, message);
  Field field;
  while (reader.next(field)) {
    if (field.number == 2) {
      // The library follows the map without looking at its size.
      if (!is_sound_character_map(field.bytes)) malformed(where);
      facts.character_map = field.bytes;
    }
    if (field.number == 3) facts.add_dummy_prefix = field.value != 0;
    if (field.number == 4) facts.remove_extra_whitespaces = field.value != 0;
    if (field.number == 5 && field.value == 0) {
      throw input_error(
          where, "expected escaped white space, got escape_whitespaces off; this tokenizer is not supported");
    }
  }
}

void check_denormalizer(const std::string& where, std::string_view message) {
  FieldReader reader(where, message);
  Field field;
  while (reader.next(field)) {
    if (field.number == 2 && !field.bytes.empty()) {
      throw input_error(where, "expected no denormalizer, got one; this tokenizer is not supported");
    }
  }
}

}  // namespace

std::vector<SentencePiecePiece> sentencepiece_pieces(const std::string& where, std::string_view file) {
  std::vector<SentencePiecePiece> pieces;
  FieldReader reader(where, file);
  Field field;
  while (reader.next(field)) {
    if (field.number != 1 || field.kind != 2) continue;
    SentencePiecePiece& piece = pieces.emplace_back();
    FieldReader members(where, field.bytes);
    Field member;
    while (members.next(member)) {
      // As the library reads it: what is of another kind, or no known type, is passed over.
      if (member.number == 1 && member.kind == 2) piece.text = member.bytes;
      if (member.number == 2 && member.kind == 5) piece.score = float_of(member);
      const auto type = static_cast<std::int32_t>(member.value);
      if (member.number == 3 && member.kind == 0 && type >= 1 && type <= 6)
        piece.type = static_cast<StoredTokenType>(type);
    }
  }
  return pieces;
}

SentencePieceFacts check_sentencepiece_model(const std::string& where, std::string_view file) {
  SentencePieceFacts facts;
  FieldReader reader(where, file);
  Field field;
  while (reader.next(field)) {
    if (field.number == 1) check_piece(where, field.bytes);
    if (field.number == 2) check_trainer(where, field.bytes, facts);
    if (field.number == 3) check_normalizer(where, field.bytes, facts);
    if (field.number == 5) check_denormalizer(where, field.bytes);
  }
  return facts;
}

}  // namespace refocus
