// The page as the server made it comes to life: every part begins here.

import * as deletions from "./deletions.js";
import { listen } from "./feed.js";
import * as keys from "./keys.js";
import * as list from "./list.js";
import * as playable from "./playable.js";
import * as player from "./player.js";
import * as rename from "./rename.js";
import * as selection from "./selection.js";
import * as uploads from "./uploads.js";

for (const part of [list, playable, deletions, player, rename, selection, uploads, keys]) part.begin();
listen(list.revision, list.refresh);
