/** Sound and desktop notice for critical alerts, for readers who asked for them. */

import type { AlertItem } from "./answers.generated";
import { to } from "./router";
import { settings } from "./settings";
import { say, titleOf } from "./words/say";

/** Many alerts of one moment are one sound. */
const REST_MS = 2000;
let audio: AudioContext | null = null;
let last = 0;

export async function enableSound(on: boolean): Promise<void> {
  settings.change({ sound: on });
  // Browsers let a page sound only after somebody touched it: the switch itself is that touch.
  if (on) await ring();
}

export async function enableNotices(on: boolean): Promise<string | null> {
  if (!on) {
    settings.change({ notices: false });
    return null;
  }
  if (!("Notification" in window)) return say("thisBrowserHasNo");
  const answer = await Notification.requestPermission();
  settings.change({ notices: answer === "granted" });
  return answer === "granted" ? null : say("theBrowserDoesNot");
}

export function announce(alert: AlertItem): void {
  if (alert.data.severity !== "critical") return;
  const { sound, notices } = settings.get();
  const now = Date.now();
  if (sound && now - last > REST_MS) {
    last = now;
    void ring();
  }
  if (notices && "Notification" in window && Notification.permission === "granted") {
    const group = alert.data.group?.id;
    const notice = new Notification(group ?? alert.data.subject ?? say("loanMonitor"), {
      body: titleOf(alert.type) ?? alert.type,
      tag: alert.data.id,
    });
    notice.onclick = () => {
      window.focus();
      location.hash = group ? to.group(group) : to.alerts;
    };
  }
}

/** Two short tones, falling: heard across a room, and not mistaken for a message. */
async function ring(): Promise<void> {
  audio ??= new AudioContext();
  if (audio.state === "suspended") await audio.resume().catch(() => null);
  const start = audio.currentTime;
  for (const [hertz, after] of [
    [880, 0],
    [660, 0.22],
  ] as const) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.0001, start + after);
    volume.gain.exponentialRampToValueAtTime(0.25, start + after + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, start + after + 0.2);
    tone.connect(volume).connect(audio.destination);
    tone.start(start + after);
    tone.stop(start + after + 0.22);
  }
}
