// The models: what there is, what is here, what is loaded.
import Box from "@lucide/svelte/icons/box";
import type { Room } from "../room";

export const room: Room = {
  id: "models",
  title: "Models",
  icon: Box,
  order: 20,
  home: "/models",
  routes: [
    { pattern: "/models", load: () => import("./ModelsPage.svelte") },
    { pattern: "/models/*name", load: () => import("./DetailsPage.svelte") },
  ],
};
