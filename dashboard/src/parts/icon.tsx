/** Small drawings of our own, so that none depends on the fonts of a machine. */

const SHAPES = {
  bell: "M3 11h10M4.5 11V7a3.5 3.5 0 0 1 7 0v4M7 13.5h2M8 3.5V2",
  "bell-off": "M3 11h10M4.5 11V7a3.5 3.5 0 0 1 7 0v4M7 13.5h2M8 3.5V2M2.5 2.5l11 11",
  notice: "M2.5 3.5h11v8h-6l-3 2.5v-2.5h-2zM5.5 6.5h5M5.5 8.5h3",
  "notice-off": "M2.5 3.5h11v8h-6l-3 2.5v-2.5h-2zM3 2l10.5 11.5",
  auto: "M8 2.5a5.5 5.5 0 1 0 0 11a5.5 5.5 0 1 0 0-11zM8 2.5v11M10 3.4v9.2M12 5v6",
  light: "M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  dark: "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z",
  help: "M5.5 6a2.5 2.5 0 1 1 3.5 2.3c-.8.4-1 .8-1 1.7M8 12.7v.3",
} as const;

export function Icon({ name }: { name: keyof typeof SHAPES }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
      <path
        d={SHAPES[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.4"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  );
}
