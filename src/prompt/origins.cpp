#include "prompt/origins.h"

#include <fmt/format.h>

#include "base/error.h"

namespace refocus {

namespace {

std::vector<OriginGroup> groups_of(const PromptPiece& piece) {
  const PieceOrigin& origin = piece.origin;
  std::vector<OriginGroup> out = {{piece.is_template ? OriginKind::kTemplate : OriginKind::kData}};
  if (!origin.role.empty()) out.push_back({OriginKind::kRole, -1, origin.role});
  if (!origin.field.empty()) out.push_back({OriginKind::kField, -1, origin.field});
  if (!origin.option.empty()) out.push_back({OriginKind::kOption, -1, origin.option});
  if (origin.shot >= 0) out.push_back({OriginKind::kShot, origin.shot});
  if (origin.marked) out.push_back({OriginKind::kMarked});
  return out;
}

}  // namespace

std::string OriginGroup::name() const {
  switch (kind) {
    case OriginKind::kTemplate:
      return "template";
    case OriginKind::kData:
      return "data";
    case OriginKind::kTokenizer:
      return "tokenizer";
    case OriginKind::kGenerated:
      return "generated";
    case OriginKind::kRole:
      return "role:" + value;
    case OriginKind::kField:
      return "field:" + value;
    case OriginKind::kOption:
      return "option:" + value;
    case OriginKind::kShot:
      return fmt::format("shot:{}", number);
    case OriginKind::kMarked:
      break;
  }
  return "marked";
}

TokenOrigins token_origins(const Prompt& prompt, const EncodedPrompt& encoded, std::int64_t tokens) {
  const auto known = std::ssize(encoded.pieces);
  REFOCUS_CHECK(known <= tokens);
  TokenOrigins out;
  for (std::int64_t i = 0; i < tokens; ++i) {
    std::vector<OriginGroup> groups;
    if (i >= known) {
      groups = {{OriginKind::kGenerated}};
      out.texts.push_back(groups.front().name());
    } else if (const std::int32_t at = encoded.pieces[static_cast<std::size_t>(i)];
               at == EncodedPrompt::kNoPiece) {
      groups = {{OriginKind::kTokenizer}};
      out.texts.push_back(groups.front().name());
    } else {
      const PromptPiece& piece = prompt[static_cast<std::size_t>(at)];
      groups = groups_of(piece);
      out.texts.push_back(origin_text(piece.origin, piece.is_template));
    }
    if (!out.runs.empty() && out.runs.back().groups == groups) {
      ++out.runs.back().end;
    } else {
      out.runs.push_back({i, i + 1, std::move(groups)});
    }
  }
  return out;
}

}  // namespace refocus
