// The system: what it does now, and what this machine can do.
import Gauge from "@lucide/svelte/icons/gauge";
import type { Room } from "../room";

export const room: Room = {
  id: "system",
  title: "System",
  icon: Gauge,
  order: 80,
  place: "foot",
  home: "/system",
  routes: [{ pattern: "/system", load: () => import("./SystemPage.svelte") }],
};
