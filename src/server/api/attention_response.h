// GET /v1/attention/ID: what an answer's refocus.attention names, as sparse JSON (ID, ID.json) or as NumPy's
// .npz (ID.npz).
#pragma once

#include <string_view>

#include "server/api/attention_store.h"
#include "server/http/message.h"

namespace refocus::server {

inline constexpr std::string_view kAttentionPath = "/v1/attention/";

// JSON of more than this is refused: who wants that much takes it in parts or as .npz.
inline constexpr std::int64_t kMostAttentionJson = std::int64_t{32} << 20;

// `head`: a GET of a path that begins so. Its parameter rows=A:B picks rows by their place among those that
// were kept, from A up to B, either of which may be left out. ApiError: 404 for an id that never was, 410 for
// one that is gone, 400 for rows that there are not.
http::Response attention_response(const http::Head& head, AttentionStore& store, const ArchiveModel& model);

}  // namespace refocus::server
