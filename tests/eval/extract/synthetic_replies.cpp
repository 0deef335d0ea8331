#include "eval/extract/synthetic_replies.h"

#include <fmt/format.h>

#include <array>

namespace refocus::testing {

namespace {

char other_letter(const Item& item, char target, std::mt19937& random) {
  char letter = target;
  while (letter == target) letter = static_cast<char>('A' + random() % item.choices.size());
  return letter;
}

std::string reason_against(std::mt19937& random) {
  static const std::array<const char*, 6> reasons = {
      "This is incorrect because it contradicts what the question says.",
      "This option is not right, since it confuses the cause with the effect.",
      "A careful reading shows that this does not follow.",
      "It may look like the answer, but it leaves out the main point.",
      "This is correct in that the term exists, but it is not what is asked.",
      "While plausible, this isn't the best choice."};
  return reasons[random() % reasons.size()];
}

std::string reason_for(std::mt19937& random) {
  static const std::array<const char*, 4> reasons = {
      "This agrees with the definition.",
      "A textbook would put it the same way, so this is a strong candidate.",
      "This follows from the facts given.", "Nothing in the question speaks against it."};
  return reasons[random() % reasons.size()];
}

std::string list_of_options(const Item& item, std::string_view mark) {
  std::string out;
  for (std::size_t i = 0; i < item.choices.size(); ++i) {
    out += fmt::format("{}{} {}\n", static_cast<char>('A' + i), mark, item.choices[i]);
  }
  return out;
}

std::string discuss(const Item& item, char target, int style, std::mt19937& random) {
  std::string out;
  if (style == 3) {
    out =
        fmt::format("Analysis:\n{}\n\n{}\nAt first sight the answer is {}. On reflection it is not.\n",
                    item.fields.at(0).second, list_of_options(item, "."), other_letter(item, target, random));
  } else if (style == 4) {
    out = "Let's consider which answer is correct:\n\n" + list_of_options(item, ")") + "\n";
  } else if (style == 5) {
    out = "Analysis: ";
  } else {
    out = style == 1 ? "**Analysis:**\n\n" : "Analysis:\n";
  }
  for (std::size_t i = 0; i < item.choices.size(); ++i) {
    const char letter = static_cast<char>('A' + i);
    const std::string& text = item.choices[i];
    const bool right = letter == target;
    const std::string reason = right ? reason_for(random) : reason_against(random);
    switch (style) {
      case 0:
        out += fmt::format("Option {}: {}. {}\n", letter, text, reason);
        break;
      case 1:
        out += fmt::format("- **{}. {}** – {}\n", letter, text, reason);
        break;
      case 2:
        out += fmt::format("{}. {}: {}\n\n", letter, text, reason);
        break;
      case 3:
        out += right ? fmt::format("Option {} deserves attention. {} ", letter, reason)
                     : fmt::format("Option {} is incorrect because of the facts above. ", letter);
        break;
      case 4:
        out += right ? fmt::format("As for \"{}\": {} ", text, reason)
                     : fmt::format("Choice {} ({}) is wrong. {} ", letter, text, reason);
        break;
      default:
        out += fmt::format("({}) {}; {} ", letter, text, reason);
    }
  }
  return out + "\n\n";
}

std::string conclude(const Item& item, char c, int style, std::mt19937& random) {
  const std::string& text = item.choices[static_cast<std::size_t>(c - 'A')];
  switch (style) {
    case 0:
      return fmt::format("Response: {}", c);
    case 1:
      return fmt::format("**Response:** {}", c);
    case 2:
      return fmt::format("Response: ({})", c);
    case 3:
      return fmt::format("Response:\nThe correct answer is option {}.", c);
    case 4:
      return fmt::format("Response: {}. {}", c, text);
    case 5:
      return fmt::format("Response: {}) {}", c, text);
    case 6:
      return fmt::format("**Response: {}**", c);
    case 7:
      return fmt::format("Response: The answer is {}, because the other options do not fit.", c);
    case 8:
      return fmt::format("Therefore, the correct answer is {}.", c);
    case 9:
      return fmt::format("### Response\n\n{}\n", c);
    case 10:
      return fmt::format("Final answer: $\\boxed{{{}}}$", c);
    case 11:
      return fmt::format("Based on this analysis, I would choose option {}.", c);
    case 12:
      return fmt::format("Response: The answer is not {} but {}.", other_letter(item, c, random), c);
    case 13:
      return fmt::format("Response: Option {}: {}", c, text);
    case 14:
      return fmt::format("The best choice here would be {}, since {}", c, text);
    case 15:
      return fmt::format("So the answer is **{}**.", c);
    case 16:
      return fmt::format("Response: A careful look at all of them shows that {} is right.", c);
    case 17:
      return fmt::format("Response: ({})", static_cast<char>(c - 'A' + 'a'));
    case 18:
      return fmt::format("Response: Based on the analysis above, {} is the best answer.", c);
    case 19:
      return fmt::format("The correct answer is:\n\n{}. {}", c, text);
    case 20:
      return fmt::format("Response: {}, as the discussion of the options shows.", c);
    default:
      return fmt::format("Response: {}", text);
  }
}

}  // namespace

std::string synthetic_reply(const Item& item, char target, int discussion, int conclusion,
                            std::mt19937& random) {
  return discuss(item, target, discussion, random) + conclude(item, target, conclusion, random);
}

}  // namespace refocus::testing
