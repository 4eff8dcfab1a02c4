// The router in one import.
export { fill, match, type Params } from "./match";
export { router } from "./router.svelte";
