// Speech: texts are read aloud, and what is said is written down.
import AudioLines from "@lucide/svelte/icons/audio-lines";
import type { Room } from "../room";

export const room: Room = {
  id: "voices",
  title: "Voices",
  icon: AudioLines,
  order: 15,
  home: "/voices",
  routes: [{ pattern: "/voices", load: () => import("./VoicesPage.svelte") }],
};
