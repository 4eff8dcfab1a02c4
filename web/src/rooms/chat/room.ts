// The chat: a new one at `/`, an old one at `/c/:id`.
import MessageCircle from "@lucide/svelte/icons/message-circle";
import type { Room } from "../room";

const load = () => import("./ChatPage.svelte");

/** The chat room. */
export const room: Room = {
  id: "chat",
  title: "Chat",
  icon: MessageCircle,
  order: 10,
  home: "/",
  routes: [
    { pattern: "/", load },
    { pattern: "/c/:id", load },
  ],
};
