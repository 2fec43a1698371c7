/** Which language the page speaks, for its head and its sign-in. */

import { settings } from "../settings";
import { language, languages, nameOf, say } from "../words/say";

/** There is something to choose only where the monitor offers drafts; another choice loads the page again. */
export function Language() {
  if (languages.length < 2) return null;
  const choose = (name: string): void => {
    settings.change({ language: name });
    window.location.reload();
  };
  return (
    <select
      class="language"
      aria-label={say("languageOfPage")}
      title={language === "en" ? undefined : say("draftOfPage")}
      value={language}
      onChange={(e) => choose(e.currentTarget.value)}
    >
      {languages.map((name) => (
        <option key={name} value={name} lang={name}>
          {nameOf(name)}
        </option>
      ))}
    </select>
  );
}
