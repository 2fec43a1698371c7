import { defineConfig } from "vite";

// What is built is a part of the Python package. Nothing is inlined: the policy of the page forbids it.
// Its addresses are relative, so that a proxy may show the page below a path of its own.
export default defineConfig({
  base: "./",
  build: {
    outDir: "../monitor/web/static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // `npm run dev` beside a running monitor: the page from source, everything else from the monitor.
  server: { proxy: { "/v1": "http://127.0.0.1:8080", "/readyz": "http://127.0.0.1:8080" } },
});
