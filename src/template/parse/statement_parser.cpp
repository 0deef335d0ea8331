#include <algorithm>

#include <fmt/format.h>

#include "template/parse/parser.h"
#include "template/scopes.h"

namespace refocus::jinja {
namespace {

using Words = std::vector<std::string_view>;

class StatementParser : ExpressionParser {
 public:
  StatementParser(std::vector<Token> tokens, const std::string& name, const Settings& settings)
      : ExpressionParser(std::move(tokens), name), settings_(settings) {}

  Body whole() { return statements({}); }

 private:
  using Kind = StatementKind;

  static std::unique_ptr<Statement> made(Kind kind, Place place) {
    auto statement = std::make_unique<Statement>();
    statement->kind = kind;
    statement->place = place;
    return statement;
  }

  // Up to a tag that begins with one of `ends`; its word comes next. Without ends, up to the end of the
  // template.
  Body statements(const Words& ends) {
    const Level level(*this);
    Body body;
    for (;;) {
      if (now().is(TokenKind::kEnd)) {
        if (!ends.empty()) unexpected(fmt::format("{{% {} %}}", fmt::join(ends, " %} or {% ")));
        return body;
      }
      if (now().is(TokenKind::kBlockBegin)) {
        take();
        if (now().is(TokenKind::kName) && std::ranges::find(ends, now().text) != ends.end()) return body;
        body.push_back(statement());
        expect(TokenKind::kBlockEnd, "'%}'");
      } else {
        output(body);
      }
    }
  }

  // The body of a tag, which begins with the end of the tag itself.
  Body body_until(const Words& ends) {
    take_operator(":");
    expect(TokenKind::kBlockEnd, "'%}'");
    return statements(ends);
  }
  Body body_through(std::string_view end) {
    Body body = body_until({end});
    take();
    return body;
  }

  void output(Body& body) {
    if (body.empty() || body.back()->kind != Kind::kOutput) body.push_back(made(Kind::kOutput, now().place));
    if (now().is(TokenKind::kData)) {
      auto text = std::make_unique<Expr>();
      text->place = now().place;
      text->constant = Text(take().text);
      body.back()->exprs.push_back(std::move(text));
      return;
    }
    expect(TokenKind::kVariableBegin, "'{{'");
    body.back()->exprs.push_back(tuple());
    expect(TokenKind::kVariableEnd, "'}}'");
  }

  std::unique_ptr<Statement> statement() {
    const Place place = now().place;
    const std::string word = expect_name("the name of a tag").text;
    if (word == "if") return if_statement(place);
    if (word == "for") return for_statement(place);
    if (word == "set") return set_statement(place);
    if (word == "macro") return macro_statement(place);
    if (word == "call") return call_statement(place);
    if (word == "filter") return filter_statement(place);
    if (word == "with") return with_statement(place);
    if (word == "print") return print_statement(place);
    if (settings_.chat && word == "generation") return generation_statement(place);
    if (settings_.chat && (word == "break" || word == "continue")) return jump_statement(place, word);
    static constexpr std::string_view kNotRead[] = {"include", "import", "from",
                                                    "extends", "block",  "autoescape"};
    if (std::ranges::find(kNotRead, word) != std::end(kNotRead)) {
      refuse(place,
             fmt::format("expected a template in one piece, got '{{% {} %}}', which is not read", word));
    }
    refuse(place, fmt::format("expected a tag of Jinja, got '{{% {} %}}'", printable(word, 40)));
  }

  std::unique_ptr<Statement> if_statement(Place place) {
    auto out = made(Kind::kIf, place);
    for (;;) {
      out->exprs.push_back(tuple(false));
      out->bodies.push_back(body_until({"elif", "else", "endif"}));
      if (take_word("elif")) continue;
      if (take().text == "else") out->bodies.push_back(body_through("endif"));
      return out;
    }
  }

  std::unique_ptr<Statement> for_statement(Place place) {
    auto out = made(Kind::kFor, place);
    out->targets.push_back(target("in", false));
    out->test_target = out->targets[0];
    if (!take_word("in")) unexpected("'in'");
    out->exprs.push_back(tuple(false, "recursive"));
    out->exprs.push_back(take_word("if") ? expression() : nullptr);
    out->recursive = take_word("recursive");
    ++loops_;
    out->bodies.push_back(body_until({"endfor", "else"}));
    --loops_;
    const bool has_else = take().text == "else";
    out->bodies.push_back(has_else ? body_through("endfor") : Body());
    return out;
  }

  std::unique_ptr<Statement> set_statement(Place place) {
    auto out = made(Kind::kSet, place);
    out->targets.push_back(target("", true));
    if (take_operator("=")) {
      out->exprs.push_back(tuple());
      return out;
    }
    out->kind = Kind::kSetBlock;
    out->exprs.push_back(filters(nullptr, false));
    out->bodies.push_back(body_through("endset"));
    return out;
  }

  // Runs `read` outside of the loops around, where break and continue would reach out of a function.
  template <class Read>
  void in_function(const Read& read) {
    const int loops = std::exchange(loops_, 0);
    read();
    loops_ = loops;
  }

  void signature(FunctionBody& function) {
    expect_operator("(");
    while (!take_operator(")")) {
      if (!function.parameters.empty()) expect_operator(",");
      const Target name = name_to_assign("the name of a parameter");
      Parameter parameter{name.name, name.place, nullptr, -1};
      const auto same = [&](const Parameter& other) { return other.name == parameter.name; };
      if (std::ranges::any_of(function.parameters, same)) {
        refuse(name.place, fmt::format("expected each parameter once, got '{}' twice", printable(name.name)));
      }
      if (take_operator("=")) {
        parameter.fallback = expression();
      } else if (!function.parameters.empty() && function.parameters.back().fallback) {
        refuse(name.place, "expected a default for each parameter behind one that has one, got none");
      }
      function.parameters.push_back(std::move(parameter));
    }
  }

  std::unique_ptr<Statement> macro_statement(Place place) {
    auto out = made(Kind::kMacro, place);
    const Target name = name_to_assign("the name of the macro");
    out->targets.push_back(name);
    out->function = std::make_unique<FunctionBody>();
    out->function->name = name.name;
    signature(*out->function);
    in_function([&] { out->function->body = body_through("endmacro"); });
    return out;
  }

  std::unique_ptr<Statement> call_statement(Place place) {
    auto out = made(Kind::kCall, place);
    out->function = std::make_unique<FunctionBody>();
    if (now().is_operator("(")) signature(*out->function);
    out->exprs.push_back(expression());
    if (out->exprs[0]->kind != ExprKind::kCall)
      refuse(place, "expected the call of a macro in {% call %}, got another expression");
    in_function([&] { out->function->body = body_through("endcall"); });
    return out;
  }

  std::unique_ptr<Statement> filter_statement(Place place) {
    auto out = made(Kind::kFilter, place);
    out->exprs.push_back(filters(nullptr, true));
    out->bodies.push_back(body_through("endfilter"));
    return out;
  }

  std::unique_ptr<Statement> with_statement(Place place) {
    auto out = made(Kind::kWith, place);
    while (!now().is(TokenKind::kBlockEnd) && !now().is(TokenKind::kEnd)) {
      if (!out->targets.empty()) expect_operator(",");
      out->targets.push_back(target("", false));
      expect_operator("=");
      out->exprs.push_back(expression());
    }
    out->bodies.push_back(body_through("endwith"));
    return out;
  }

  std::unique_ptr<Statement> print_statement(Place place) {
    auto out = made(Kind::kOutput, place);
    while (!now().is(TokenKind::kBlockEnd) && !now().is(TokenKind::kEnd)) {
      if (!out->exprs.empty()) expect_operator(",");
      out->exprs.push_back(expression());
    }
    return out;
  }

  std::unique_ptr<Statement> generation_statement(Place place) {
    auto out = made(Kind::kGeneration, place);
    out->function = std::make_unique<FunctionBody>();
    in_function([&] { out->function->body = body_through("endgeneration"); });
    return out;
  }

  std::unique_ptr<Statement> jump_statement(Place place, std::string_view word) {
    if (loops_ == 0)
      refuse(place, fmt::format("expected '{{% {} %}}' in a loop, got it outside of one", word));
    return made(word == "break" ? Kind::kBreak : Kind::kContinue, place);
  }

  const Settings& settings_;
  int loops_ = 0;  // that a break could leave
};

}  // namespace

Program parsed(std::string_view source, std::string name, const Settings& settings) {
  Program program;
  program.name = std::move(name);
  program.settings = settings;
  program.body = StatementParser(tokens_of(source, program.name, settings), program.name, settings).whole();
  resolve_names(program);
  return program;
}

}  // namespace refocus::jinja
