/** Sign-in at the desk's provider or with a token; the monitor answers with a cookie that scripts cannot read. */

import { useEffect, useState } from "preact/hooks";
import { ApiError, served } from "../api";
import icon from "../icon.svg";
import { signIn, ways } from "../session";

export function SignIn() {
  const [token, setToken] = useState("");
  const [said, setSaid] = useState("");
  const [busy, setBusy] = useState(false);
  const [provider, setProvider] = useState<string | null>(null);
  useEffect(() => {
    void ways().then((found) => setProvider(found?.provider ?? null));
  }, []);
  const submit = async (e: Event): Promise<void> => {
    e.preventDefault();
    setBusy(true);
    setSaid("");
    try {
      await signIn(token.trim());
    } catch (e) {
      setSaid(told(e));
      setBusy(false);
    }
    setToken("");
  };
  return (
    <main class="signin">
      <form onSubmit={submit}>
        <h1>
          <img src={icon} alt="" width="28" height="28" /> Loan monitor
        </h1>
        {provider && (
          <a class="there" href={served("/v1/sign-in")}>
            {provider}
          </a>
        )}
        <label for="token">{provider ? "Or a token" : "Token"}</label>
        <input
          id="token"
          type="password"
          autocomplete="current-password"
          required
          value={token}
          onInput={(e) => setToken(e.currentTarget.value)}
          aria-describedby="token-help"
        />
        <p id="token-help" class="quiet">
          The secret that the one who runs the monitor gave you. It is sent once, and not kept in this browser.
        </p>
        <button type="submit" class={provider ? "" : "primary"} disabled={busy || !token.trim()}>
          Sign in
        </button>
        {said && (
          <p class="failure" role="alert">
            {said}
          </p>
        )}
      </form>
    </main>
  );
}

function told(e: unknown): string {
  if (!(e instanceof ApiError)) return String(e);
  if (e.isAbsent) return "This monitor has no sign-in for pages. Ask through a proxy that adds the token.";
  if (e.status === 401 || e.status === 403) return "This token is not known here.";
  if (e.status === 429) return "Too many wrong tokens were sent from here. The right one passes at once.";
  return e.message;
}
