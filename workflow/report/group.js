"use strict";
// Sorting, filtering and rating of the page of a study. It reads and changes this page alone.
const table = document.querySelector("#scans"), body = table.tBodies[0], said = document.querySelector("#said");
const rows = () => [...body.rows], shown = () => rows().filter(row => !row.hidden);
const rating = row => row.querySelector("select"), reason = row => row.querySelector(".reason");
let saved = true;

function sort(head) {
  const down = head.getAttribute("aria-sort") === "ascending", column = head.cellIndex, sign = down ? -1 : 1;
  const key = row => row.cells[column].dataset.sort ?? row.cells[column].textContent;
  const order = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (x === "" || y === "") return (x === "") - (y === "");  // what was not measured comes last either way
    return sign * (head.classList.contains("n") ? x - y : x.localeCompare(y, "en", {numeric: true}));
  };
  for (const other of table.tHead.rows[0].cells) if (other.hasAttribute("aria-sort")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  body.append(...rows().sort(order));
}

function filter(text) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of rows()) {
    const chosen = rating(row).value, told = [row.dataset.text, chosen && "rated " + chosen, reason(row).value].join(" ").toLowerCase();
    row.hidden = !words.every(word => told.includes(word));
  }
  said.textContent = `${shown().length} of ${rows().length} scans shown`;
}

function changed() {
  saved = false;
  const rated = rows().filter(row => rating(row).value).length;
  document.querySelector("#rated").textContent = `${rated} of ${rows().length} scans rated, not saved`;
}

function move(row, step) {
  const among = shown(), next = among[among.indexOf(row) + step];
  if (next) rating(next).focus();
}

function save() {
  const plain = text => text.replace(/\s+/g, " ").replace(/"/g, "'").trim() || "n/a";
  const rater = plain(document.querySelector("#rater").value);
  const lines = rows().filter(row => rating(row).value).map(row => [
    row.dataset.participant, row.dataset.session, row.dataset.run, rating(row).value, plain(reason(row).value), rater]);
  lines.sort((a, b) => a.slice(0, 3).join("_").localeCompare(b.slice(0, 3).join("_"), "en"));
  lines.unshift(["participant_id", "session_id", "run_id", "rating", "reason", "rater"]);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([lines.map(cells => cells.join("\t") + "\n").join("")], {type: "text/tab-separated-values"}));
  link.download = "ratings.tsv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  saved = true;
  document.querySelector("#rated").textContent = `${lines.length - 1} of ${rows().length} scans rated, saved as ratings.tsv`;
}

for (const button of table.tHead.querySelectorAll("button")) button.addEventListener("click", () => sort(button.closest("th")));
document.querySelector("#filter").addEventListener("input", event => filter(event.target.value));
document.querySelector("#save").addEventListener("click", save);
body.addEventListener("input", changed);
body.addEventListener("keydown", event => {  // only where a rating or its reason has the focus
  const row = event.target.closest("tr"), choice = event.target === rating(row);
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const words = {p: "pass", l: "look", f: "fail", u: ""}, steps = {j: 1, k: -1}, key = event.key.toLowerCase();
  if (choice && key in words) { rating(row).value = words[key]; changed(); if (key === "f") reason(row).focus(); }
  else if (choice && key in steps) move(row, steps[key]);
  else if (choice && key === "r") reason(row).focus();
  else if (event.target === reason(row) && event.key === "Enter") move(row, 1);
  else if (event.target === reason(row) && event.key === "Escape") rating(row).focus();
  else return;
  event.preventDefault();
});
window.addEventListener("beforeunload", event => { if (!saved) event.preventDefault(); });
