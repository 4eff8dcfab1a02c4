// How the studio is built, served while it is written, and tested.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const server = process.env.PARASOL_SERVER ?? "http://127.0.0.1:11435";

export default defineConfig(({ command, mode }) => ({
  // While it is written, the page itself is served by vite, which answers addresses below its base only.
  base: command === "build" ? "/studio/" : "/",
  plugins: [svelte()],
  // Tests import the browser's side of Svelte.
  resolve: {
    alias: { "$lib": new URL("./src/lib", import.meta.url).pathname },
    ...(mode === "test" ? { conditions: ["browser"] } : {}),
  },
  build: {
    target: "es2022",
    // The server's policy allows no inline data for scripts or styles, so nothing is folded into the page.
    assetsInlineLimit: 0,
    manifest: true,
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/api": {
        target: server,
        changeOrigin: true,
        // The server refuses what another site's page asks for; this one's origin is only vite's.
        configure: (proxy) => proxy.on("proxyReq", (request) => request.removeHeader("origin")),
      },
    },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    restoreMocks: true,
    // Machines that test are busy with other things too.
    testTimeout: 60_000,
  },
}));
