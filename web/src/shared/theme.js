// The button that changes between light and dark. Without a choice the page follows the system.

const kKey = "refocus-theme";

function stored() {
  try {
    return localStorage.getItem(kKey);
  } catch {
    return null; // a file in a browser that keeps nothing for files
  }
}

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Puts the button into `place` and applies the last choice. */
export function addThemeButton(place) {
  const chosen = stored();
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "theme screen";
  const tell = () => (button.textContent = isDark() ? "Light theme" : "Dark theme");
  button.addEventListener("click", () => {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem(kKey, theme);
    } catch {
      // not kept then
    }
    tell();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", tell);
  tell();
  place.append(button);
}
