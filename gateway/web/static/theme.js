// The theme that was chosen in this browser, before the first paint; without one it is that of the system.

(() => {
  const { dataset } = document.documentElement;
  try {
    dataset.theme = localStorage.getItem("theme") ?? "";
  } catch { /* storage is forbidden */ }
  document.addEventListener("click", ({ target }) => {
    if (target.id !== "theme") return;
    const dark = dataset.theme ? dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    dataset.theme = dark ? "light" : "dark";
    try {
      localStorage.setItem("theme", dataset.theme);
    } catch { /* for this page only */ }
  });
})();
