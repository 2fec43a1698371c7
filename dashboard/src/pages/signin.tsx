/** Sign-in at the desk's provider or with a token; the monitor answers with a cookie that scripts cannot read. */

import { useEffect, useState } from "preact/hooks";
import { ApiError, served } from "../api";
import icon from "../icon.svg";
import { Language } from "../parts/language";
import { signIn, ways } from "../session";
import { say } from "../words/say";

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
      <Language />
      <form onSubmit={submit}>
        <h1>
          <img src={icon} alt="" width="28" height="28" /> {say("loanMonitor")}
        </h1>
        {provider && (
          <a class="there" href={served("/v1/sign-in")}>
            {provider}
          </a>
        )}
        <label for="token">{provider ? say("orAToken") : say("token")}</label>
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
          {say("theSecretThatThe")}
        </p>
        <button type="submit" class={provider ? "" : "primary"} disabled={busy || !token.trim()}>
          {say("signIn")}
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
  if (e.isAbsent) return say("thisMonitorHasNo");
  if (e.status === 401 || e.status === 403) return say("thisTokenIsNot");
  if (e.status === 429) return say("tooManyWrongTokens");
  return e.message;
}
