// Files that are dragged over the window and dropped on it.

/**
 * While files are over the window `element` has the class `dragging`; `take` has what is dropped.
 * @param {Element} element
 * @param {(dropped: DataTransfer) => void} take
 */
export function takeDrops(element, take) {
  let depth = 0;
  const drag = (by) => {
    depth = Math.max(depth + by, 0);
    element.classList.toggle("dragging", depth > 0);
  };
  const on = (name, call) =>
    window.addEventListener(name, (event) => event.dataTransfer.types.includes("Files") && call(event));
  on("dragenter", () => drag(1));
  on("dragleave", () => drag(-1));
  on("dragover", (event) => event.preventDefault());
  on("drop", (event) => {
    event.preventDefault();
    drag(-depth);
    take(event.dataTransfer);
  });
}
