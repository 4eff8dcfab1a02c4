// How the studio is built, served while it is written, and tested.
import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";

const server = process.env.PARASOL_SERVER ?? "http://127.0.0.1:11435";

export default defineConfig(({ mode }) => ({
  base: "/studio/",
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
      "/api": { target: server, changeOrigin: true },
      "/openapi.json": { target: server, changeOrigin: true },
    },
  },
  test: {
    environment: "jsdom",
    include: ["tests/**/*.test.ts"],
    restoreMocks: true,
  },
}));
