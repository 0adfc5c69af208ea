// The page of URL checks comes to life: its task if it shows one, and its form once it is open.

import { $ } from "../web/dom.js";

const start = (name) => import(`./${name}.js`).then((part) => part.begin());
const around = $("paste")?.closest("details");
const { task, retry } = $("content").dataset;

if (task) start("task");
if (retry) start("retry");
if (around) around.addEventListener("toggle", () => start("paste"), { once: true });
else if ($("paste")) start("paste");
