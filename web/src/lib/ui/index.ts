// The shared components in one import.
export { ask } from "./asking.svelte";
export { default as Button } from "./Button.svelte";
export { default as Canopy } from "./Canopy.svelte";
export { default as Dialog } from "./Dialog.svelte";
export { default as Empty } from "./Empty.svelte";
export { default as ErrorState } from "./ErrorState.svelte";
export { default as Field } from "./Field.svelte";
export { default as IconButton } from "./IconButton.svelte";
export { default as Menu, type MenuItem } from "./Menu.svelte";
export { default as PageHeader } from "./PageHeader.svelte";
export { default as Progress } from "./Progress.svelte";
export { default as Select } from "./Select.svelte";
export { default as Slider } from "./Slider.svelte";
export { default as Spinner } from "./Spinner.svelte";
export { toasts } from "./toasts.svelte";
export { tooltip } from "./tooltip.svelte";
