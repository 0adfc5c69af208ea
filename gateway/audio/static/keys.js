// The keys of the page.

import { listen } from "../web/keys.js";
import { dismiss } from "../web/notices.js";
import { reach, remove, undo } from "./deletions.js";
import { focused, move } from "./list.js";
import { skip, step, toggle } from "./player.js";
import { rename } from "./rename.js";
import { clear, pick, pickAll, removePicked } from "./selection.js";

const SKIP_S = 5;

const down = () => move(1);

export const begin = () => listen({
  " ": ({ target }) => !target.matches("button, [type='checkbox'], #file") && toggle(),
  ArrowLeft: ({ shiftKey, repeat }) => (shiftKey ? repeat || step(-1) : skip(-SKIP_S)),
  ArrowRight: ({ shiftKey, repeat }) => (shiftKey ? repeat || step(1) : skip(SKIP_S)),
  ArrowUp: () => move(-1),
  ArrowDown: down,
  Tab: ({ shiftKey }) => !shiftKey && reach(),
  Delete: () => removePicked() || (Boolean(focused()) && remove(focused())),
  F2: () => Boolean(focused()) && rename(focused()),
  x: () => Boolean(focused()) && pick(focused()),
  "^a": () => pickAll(),
  Escape: () => clear() || dismiss(),
  u: () => undo(),
  "^z": ({ shiftKey }) => !shiftKey && undo(),
}, { ArrowDown: down, Enter: down });
