// What was spent: answers of providers, what they took and cost, and what may still be spent.
import Coins from "@lucide/svelte/icons/coins";
import type { Room } from "../room";

export const room: Room = {
  id: "usage",
  title: "Usage",
  icon: Coins,
  order: 70,
  place: "foot",
  home: "/usage",
  routes: [{ pattern: "/usage", load: () => import("./UsagePage.svelte") }],
};
