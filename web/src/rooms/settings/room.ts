// The settings of this browser and of the server.
import Settings from "@lucide/svelte/icons/settings";
import type { Room } from "../room";

export const room: Room = {
  id: "settings",
  title: "Settings",
  icon: Settings,
  order: 90,
  place: "foot",
  home: "/settings",
  routes: [{ pattern: "/settings", load: () => import("./SettingsPage.svelte") }],
};
