"use strict";
// Sorts and filters the table of cells, and opens what is folded for printing. Without it the page shows everything.
const table = document.getElementById("every-cell");
if (table) {
  const rows = [...table.tBodies[0].rows];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const words = document.getElementById("words"), outcome = document.getElementById("outcome");
  const shown = document.getElementById("shown");
  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    rows.forEach((row, i) => {
      row.hidden = !(wanted.every((word) => texts[i].includes(word))
        && (!outcome.value || row.className === outcome.value));
      count += row.hidden ? 0 : 1;
    });
    shown.textContent = `${count} of ${rows.length} cells`;
  };
  words.addEventListener("input", filter);
  outcome.addEventListener("change", filter);
  const number = (text) => parseFloat(text.replace("\u2212", "-").replaceAll(",", ""));
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const keys = new Map(rows.map((row, i) => {
        const text = row.cells[column].textContent.trim(), value = number(text);
        return [row, [Number.isNaN(value) ? null : value, text, i]];
      }));
      const numeric = head.classList.contains("right");
      const order = (a, b) => {
        const [x, s, i] = keys.get(a), [y, t, j] = keys.get(b);
        if (!numeric) return (down ? t.localeCompare(s) : s.localeCompare(t)) || i - j;
        if (x === null || y === null) return (x === null) - (y === null) || i - j;  // what has no number stands last
        return (down ? y - x : x - y) || i - j;
      };
      table.tBodies[0].append(...[...rows].sort(order));
    });
  });
  document.getElementById("filter").hidden = false;
  filter();
}
const folded = () => [...document.querySelectorAll("details:not([open])")];
let opened = [];
addEventListener("beforeprint", () => { opened = folded(); opened.forEach((one) => { one.open = true; }); });
addEventListener("afterprint", () => { opened.forEach((one) => { one.open = false; }); });
