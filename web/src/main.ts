// Starts the studio: styles, the theme, the page.
import { mount } from "svelte";
import "./styles/fonts.css";
import "./styles/tokens.css";
import "./styles/base.css";
import "./styles/figures.css";
import "./styles/floating.css";
import "./styles/prose.css";
import App from "./App.svelte";
import { palette } from "$lib/palette/open.svelte";
import { display } from "$lib/prefs/display.svelte";
import { theme } from "$lib/prefs/theme.svelte";

theme.apply();
display.apply();
palette.listen();
const target = document.getElementById("app");
if (!target) throw new Error("index.html has no element #app.");
mount(App, { target });
