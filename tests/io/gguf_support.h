// GGUF files made on the spot, byte by byte and without the program's own writer, sound ones and others.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "io_support.h"

namespace refocus::testing {

inline std::string gguf_text(const std::string& text) {
  return little_endian<std::uint64_t>(text.size()) + text;
}

// A key with a value of GGUF's type number `type`, already as bytes.
inline std::string gguf_key(const std::string& key, std::uint32_t type, const std::string& value) {
  return gguf_text(key) + little_endian(type) + value;
}
inline std::string gguf_u32(const std::string& key, std::uint32_t value) {
  return gguf_key(key, 4, little_endian(value));
}
inline std::string gguf_f32(const std::string& key, float value) {
  return gguf_key(key, 6, little_endian(value));
}
inline std::string gguf_string(const std::string& key, const std::string& value) {
  return gguf_key(key, 8, gguf_text(value));
}
inline std::string gguf_array(const std::string& key, std::uint32_t type, std::uint64_t count,
                              const std::string& items) {
  return gguf_key(key, 9, little_endian(type) + little_endian(count) + items);
}

struct GgufPart {
  std::string name;
  std::vector<std::uint64_t> sizes;  // innermost first, as in the file
  std::uint32_t type = 0;            // ggml's number
  std::string data;
};

struct GgufBytes {
  std::uint32_t version = 3;
  std::vector<std::string> keys;
  std::vector<GgufPart> tensors;
  std::uint64_t alignment = 32;
  // What a hostile file lies about: added to the true values.
  std::uint64_t extra_tensors = 0, extra_keys = 0, extra_offset = 0;

  std::string bytes() const {
    std::string head = "GGUF" + little_endian(version) + little_endian(tensors.size() + extra_tensors) +
                       little_endian(keys.size() + extra_keys);
    for (const std::string& key : keys) head += key;
    std::uint64_t offset = 0;
    std::string data;
    for (const GgufPart& tensor : tensors) {
      head += gguf_text(tensor.name) + little_endian(static_cast<std::uint32_t>(tensor.sizes.size()));
      for (const std::uint64_t size : tensor.sizes) head += little_endian(size);
      head += little_endian(tensor.type) + little_endian(offset + extra_offset);
      data += tensor.data;
      data.append((alignment - data.size() % alignment) % alignment, '\0');
      offset = data.size();
    }
    head.append((alignment - head.size() % alignment) % alignment, '\0');
    return head + data;
  }
};

inline std::string f32_bytes(const std::vector<float>& values) {
  std::string out;
  for (const float value : values) out += little_endian(value);
  return out;
}

// A whole LLaMA model: 1 layer, 2 heads and 1 key-value head of 4, hidden size 8, 5 tokens.
inline GgufBytes small_gguf_model() {
  GgufBytes file;
  file.keys = {
      gguf_string("general.architecture", "llama"), gguf_u32("llama.context_length", 64),
      gguf_u32("llama.embedding_length", 8),        gguf_u32("llama.block_count", 1),
      gguf_u32("llama.feed_forward_length", 6),     gguf_u32("llama.attention.head_count", 2),
      gguf_u32("llama.attention.head_count_kv", 1), gguf_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f),
      gguf_u32("llama.rope.dimension_count", 4),    gguf_f32("llama.rope.freq_base", 5000.0f)};
  const auto add = [&](const std::string& name, std::vector<std::uint64_t> sizes) {
    std::uint64_t count = 1;
    for (const std::uint64_t size : sizes) count *= size;
    std::vector<float> values;
    for (std::uint64_t i = 0; i < count; ++i) {
      values.push_back(static_cast<float>(i) / 64 + static_cast<float>(file.tensors.size()));
    }
    file.tensors.push_back({name, std::move(sizes), 0, f32_bytes(values)});
  };
  add("token_embd.weight", {8, 5});
  add("output_norm.weight", {8});
  add("output.weight", {8, 5});
  add("blk.0.attn_norm.weight", {8});
  add("blk.0.attn_q.weight", {8, 8});
  add("blk.0.attn_q.bias", {8});
  add("blk.0.attn_k.weight", {8, 4});
  add("blk.0.attn_v.weight", {8, 4});
  add("blk.0.attn_output.weight", {8, 8});
  add("blk.0.ffn_norm.weight", {8});
  add("blk.0.ffn_gate.weight", {8, 6});
  add("blk.0.ffn_up.weight", {8, 6});
  add("blk.0.ffn_down.weight", {6, 8});
  return file;
}

// A file in a folder of its own.
struct GgufOnDisk {
  TempDir dir;
  std::filesystem::path path = dir / "model.gguf";
  explicit GgufOnDisk(const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }
  explicit GgufOnDisk(const GgufBytes& file) : GgufOnDisk(file.bytes()) {}
};

}  // namespace refocus::testing
