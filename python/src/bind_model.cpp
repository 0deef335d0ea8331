// Model, Prompt: refocus._core's classes of a model and of what it is given.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "base/error.h"
#include "bindings.h"
#include "opened/bundled.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace refocus::python {
namespace {

std::shared_ptr<Model> open(const std::string& model, int threads, bool pin, std::int64_t context,
                            std::int64_t kv_memory, const std::string& device, const std::string& kv_type,
                            const std::string& activations, const std::string& adapter) {
  OpenSettings settings;
  settings.model = model;
  settings.threads = threads;
  settings.pin = pin;
  settings.context = context;
  settings.kv_memory_mib = kv_memory;
  settings.device = device;
  settings.kv_type = kv_type;
  settings.activations = activations;
  settings.adapter = adapter;
  const nb::gil_scoped_release release;
  return std::make_shared<Model>(settings);
}

ChatCall chat_call(std::string messages, std::string chat_template, std::string arguments, std::string tools,
                   bool generation_prompt) {
  return {std::move(messages), std::move(chat_template), std::move(arguments), std::move(tools),
          generation_prompt};
}

KeptPrompt read_chat(const Model& model, const ChatCall& chat, const std::string& spec) {
  return model.read_chat(chat, model.intervention(spec));
}

KeptPrompt read_text(const Model& model, const std::string& text, bool special, const std::string& spec) {
  return model.read_text(text, special, model.intervention(spec));
}

// A token's bytes, which may be part of a character.
nb::bytes token_bytes(const Model& model, std::int32_t id) {
  const std::string& bytes = model.tokenizer().token_bytes(id);
  return nb::bytes(bytes.data(), bytes.size());
}

std::vector<std::int32_t> encode(const Model& model, const std::string& text, bool special, bool ends) {
  const EncodeOptions options{.parse_special = special};
  return ends ? model.tokenizer().encode_prompt(text, options) : model.tokenizer().encode(text, options);
}

std::string decode(const Model& model, const std::vector<std::int32_t>& ids, bool skip_special) {
  return model.tokenizer().decode(ids, {.skip_special = skip_special});
}

void bind_tokenizer(nb::class_<Model>& model) {
  model.def_prop_ro("has_tokenizer", [](const Model& m) { return m.running().files.tokenizer != nullptr; })
      .def("encode", &encode, "text"_a, "special"_a, "ends"_a)
      .def("decode", &decode, "ids"_a, "skip_special"_a)
      .def(
          "piece", [](const Model& m, std::int32_t id) { return m.tokenizer().piece(id); }, "id"_a)
      .def("token_bytes", &token_bytes, "id"_a)
      .def(
          "is_special", [](const Model& m, std::int32_t id) { return m.tokenizer().is_special(id); }, "id"_a)
      .def(
          "find_piece", [](const Model& m, const std::string& piece) { return m.tokenizer().find(piece); },
          "piece"_a)
      .def_prop_ro("tokenizer_size", [](const Model& m) { return m.tokenizer().vocab_size(); })
      .def_prop_ro("bos_id", [](const Model& m) { return m.tokenizer().bos_id(); })
      .def_prop_ro("eos_ids", [](const Model& m) { return m.running().files.eos_ids; })
      .def_prop_ro("prompt_prefix", [](const Model& m) { return m.tokenizer().prompt_prefix(); })
      .def_prop_ro("chat_templates", [](const Model& m) { return m.tokenizer().chat_templates(); });
}

void bind_facts(nb::class_<Model>& model) {
  model.def_prop_ro("path", [](const Model& m) { return m.running().files.directory.string(); })
      .def_prop_ro("name", [](const Model& m) { return name_of_model(m.running().files.directory); })
      .def_prop_ro("config_json", [](const Model& m) { return m.running().files.config_json; })
      .def_prop_ro("layers", [](const Model& m) { return m.running().files.config.num_hidden_layers; })
      .def_prop_ro("heads", [](const Model& m) { return m.running().files.config.num_attention_heads; })
      .def_prop_ro("kv_heads", [](const Model& m) { return m.running().files.config.num_key_value_heads; })
      .def_prop_ro("head_dim", [](const Model& m) { return m.running().files.config.head_dim; })
      .def_prop_ro("hidden_size", [](const Model& m) { return m.running().files.config.hidden_size; })
      .def_prop_ro("vocab_size", [](const Model& m) { return m.running().files.config.vocab_size; })
      .def_prop_ro("context",
                   [](const Model& m) { return m.running().settings.context_for(m.running().files.config); })
      .def_prop_ro("threads", [](const Model& m) { return m.running().pool.size(); })
      .def_prop_ro("device", [](const Model& m) { return m.running().settings.device; })
      .def_prop_ro("kv_type", [](const Model& m) { return m.running().settings.kv_name(); })
      .def_prop_ro("activations", [](const Model& m) {
        return std::string(name_of(m.running().settings.activation_type()));
      });
}

}  // namespace

void bind_model(nb::module_& m) {
  nb::class_<KeptPrompt>(m, "Prompt", "A prompt as it is computed with: tokens, and where they are from.")
      .def_ro("tokens", &KeptPrompt::tokens)
      .def_prop_ro("text", [](const KeptPrompt& p) { return text_of(p.pieces); })
      .def_prop_ro("origins", [](const KeptPrompt& p) { return p.origins().texts; });
  nb::class_<ChatCall>(m, "ChatCall")
      .def(
          "__init__",
          [](ChatCall* self, std::string messages, std::string chat_template, std::string arguments,
             std::string tools, bool generation_prompt) {
            new (self) ChatCall(chat_call(std::move(messages), std::move(chat_template), std::move(arguments),
                                          std::move(tools), generation_prompt));
          },
          "messages"_a, "chat_template"_a, "arguments"_a, "tools"_a, "generation_prompt"_a);
  nb::class_<Model> model(m, "Model", "A model that is open.");
  model
      .def(nb::new_(&open), "model"_a, "threads"_a, "pin"_a, "context"_a, "kv_memory"_a, "device"_a,
           "kv_type"_a, "activations"_a, "adapter"_a)
      .def("close", &Model::close, nb::call_guard<nb::gil_scoped_release>())
      .def_prop_ro("is_closed", &Model::is_closed)
      .def("canonical", &Model::canonical, "spec"_a)
      .def("read_text", &read_text, "text"_a, "special"_a, "spec"_a)
      .def("read_chat", &read_chat, "chat"_a, "spec"_a)
      .def("read_tokens", &Model::read_tokens, "tokens"_a)
      .def(
          "render_chat",
          [](const Model& self, const ChatCall& chat) { return text_of(self.chat_pieces(chat)); }, "chat"_a);
  bind_tokenizer(model);
  bind_facts(model);
}

}  // namespace refocus::python
