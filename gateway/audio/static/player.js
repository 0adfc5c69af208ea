// One player at a time: starting one stops the others, the end of one starts the next, and what the browser
// cannot play says so. Media events do not bubble, so they are caught on their way down.

const playersOf = () => [...document.querySelectorAll("audio")];

document.addEventListener("play", ({ target }) => {
  for (const player of playersOf()) if (player !== target) player.pause();
  document.querySelector(".file.playing")?.classList.remove("playing");
  target.closest(".file")?.classList.add("playing");
}, true);

document.addEventListener("ended", ({ target }) => {
  const players = playersOf();
  players[players.indexOf(target) + 1]?.play();
}, true);

document.addEventListener("error", ({ target }) => {
  const row = target instanceof HTMLAudioElement && target.closest(".file");
  if (!row || row.querySelector(".unplayable")) return;
  const note = document.createElement("span");
  note.className = "unplayable";
  note.setAttribute("role", "status");
  note.textContent = "This browser cannot play it. Download it instead.";
  row.querySelector(".words").append(note);
}, true);

const order = document.querySelector(".find select");
order.addEventListener("change", () => order.form.requestSubmit());
document.documentElement.classList.add("scripted");
