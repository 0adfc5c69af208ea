// The page as a script finds it: the path that it is below, and its elements by their id.

/** The path below which all of this is served; nothing where it has a name of its own. */
export const { root } = document.body.dataset;

export const $ = (id) => document.getElementById(id);
