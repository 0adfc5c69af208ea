// The page as the server made it comes to life: every part begins here.

import * as deletions from "./deletions.js";
import { $, keep } from "./dom.js";
import { listen } from "./feed.js";
import * as keys from "./keys.js";
import * as list from "./list.js";
import * as player from "./player.js";
import * as uploads from "./uploads.js";

for (const part of [list, deletions, player, uploads, keys]) part.begin();
listen(list.revision, () => list.refresh().then(player.mark));

$("theme").onclick = () => {
  const { dataset } = document.documentElement;
  const dark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  dataset.theme = dark ? "light" : "dark";
  keep("theme", dataset.theme);
};
