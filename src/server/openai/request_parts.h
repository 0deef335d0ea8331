// The parts that requests have in common, read from their fields.
#pragma once

#include "server/openai/fields.h"
#include "server/openai/request.h"

namespace refocus::openai {

// The body as a JSON object. ApiError, in the JSON reader's words, where it is none.
nlohmann::ordered_json read_body(std::string_view body);

// Everything that completions and chats share. First refuses what is unsupported.
void read_generation_fields(const Fields& fields, GenerationRequest& out);

RefocusRequest read_refocus(const nlohmann::ordered_json& value);

// A conversation: `path` for messages of errors. Parts of a content are joined by newlines;
// a part that is no text is an ApiError, and nothing is ever fetched. A member that is null is
// left out, but for the content of a message that calls tools. `room` is what is left of kMostMessages, and
// is made smaller.
std::vector<ChatMessage> read_messages(const nlohmann::ordered_json& value, const std::string& path,
                                       std::size_t& room);
bool is_message_list(const nlohmann::ordered_json& value);

// chat_template_kwargs: an object, or null where it is absent.
nlohmann::ordered_json read_template_arguments(const Fields& fields);

}  // namespace refocus::openai
