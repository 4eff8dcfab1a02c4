// Collects the rooms and finds the page of an address.
import { match, type Params } from "$lib/router";
import type { Room, Route } from "./room";

const found = import.meta.glob<{ room: Room }>("./*/room.ts", { eager: true });

export const rooms: Room[] = Object.values(found)
  .map((module) => module.room)
  .sort((a, b) => a.order - b.order);

export interface Place {
  room: Room;
  route: Route;
  params: Params;
}

export function find(pathname: string, among: Room[] = rooms): Place | null {
  for (const room of among) {
    for (const route of room.routes) {
      const params = match(route.pattern, pathname);
      if (params) return { room, route, params };
    }
  }
  return null;
}
