// Draws the plan of recording: half hours painted with mouse, finger or keys. What is
// painted goes into each day's hidden word; the day's own choice still paints a whole day.

const LETTERS = { a: "always", m: "with motion", "-": "never" };
const DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

const time = (half) => `${String(half >> 1).padStart(2, "0")}:${half & 1 ? "30" : "00"}`;

class Plan {
  constructor(root) {
    this.rows = [...root.querySelectorAll("tbody tr")].map((row) => ({
      cells: [...row.querySelectorAll("td[data-mode]")],
      word: row.querySelector("input"),
      choice: row.querySelector("select"),
    }));
    this.words = root.querySelector("[data-plan-words]");
    this.brushes = [...root.querySelectorAll("[data-brush]")];
    this.brush = "a";
    this.mark = null;
    for (const part of root.querySelectorAll("[data-plan-brushes], [data-plan-help]")) part.hidden = false;
    for (const button of this.brushes) {
      button.addEventListener("click", () => this.choose(button.dataset.brush));
    }
    this.rows.forEach((row, day) => {
      row.choice.addEventListener("change", () => this.wholeDay(day));
      row.cells.forEach((cell, half) => {
        cell.tabIndex = day === 0 && half === 0 ? 0 : -1;
        cell.dataset.day = day;
        cell.dataset.half = half;
        this.name(cell);
      });
    });
    const table = root.querySelector("table");
    table.setAttribute("role", "grid");
    table.addEventListener("pointerdown", (event) => this.begin(event));
    table.addEventListener("keydown", (event) => this.key(event));
    table.addEventListener("focusin", (event) => this.tell(event.target));
    document.addEventListener("pointermove", (event) => this.drag(event));
    document.addEventListener("pointerup", () => this.end());
    document.addEventListener("pointercancel", () => this.end());
  }

  choose(brush) {
    this.brush = brush;
    for (const button of this.brushes) button.setAttribute("aria-checked", String(button.dataset.brush === brush));
  }

  wholeDay(day) {
    const row = this.rows[day];
    const letter = { always: "a", motion: "m", never: "-" }[row.choice.value];
    if (letter) for (const cell of row.cells) this.paint(cell, letter);
  }

  place(cell) { return { day: Number(cell.dataset.day), half: Number(cell.dataset.half) }; }

  name(cell) {
    const { day, half } = this.place(cell);
    cell.setAttribute("role", "gridcell");
    cell.setAttribute("aria-label", `${DAYS[day]} ${time(half)}, ${LETTERS[cell.dataset.mode]}`);
  }

  paint(cell, letter) {
    if (cell.dataset.mode === letter) return;
    cell.dataset.mode = letter;
    this.name(cell);
    const row = this.rows[this.place(cell).day];
    row.word.value = row.cells.map((other) => other.dataset.mode).join("");
    const all = row.cells.every((other) => other.dataset.mode === letter);
    row.choice.value = all ? { a: "always", m: "motion", "-": "never" }[letter] : "drawn";
  }

  // Everything between two cells, as a rectangle of days and half hours.
  between(one, other, each) {
    const [from, to] = [this.place(one), this.place(other)];
    const [top, bottom] = [Math.min(from.day, to.day), Math.max(from.day, to.day)];
    const [left, right] = [Math.min(from.half, to.half), Math.max(from.half, to.half)];
    for (let day = top; day <= bottom; day++) {
      for (let half = left; half <= right; half++) each(this.rows[day].cells[half]);
    }
    const days = top === bottom ? DAYS[top] : `${DAYS[top]} to ${DAYS[bottom]}`;
    return `${days}, ${time(left)} to ${time(right + 1)}`;
  }

  begin(event) {
    const cell = event.target.closest("td[data-half]");
    if (!cell || event.button !== 0) return;
    event.preventDefault();
    this.first = cell;
    this.before = this.rows.map((row) => row.word.value);
    cell.releasePointerCapture?.(event.pointerId);
    this.stroke(cell);
    this.focus(cell);
  }

  drag(event) {
    if (!this.first) return;
    const under = document.elementFromPoint(event.clientX, event.clientY)?.closest("td[data-half]");
    if (under) this.stroke(under);
  }

  stroke(last) {
    // What the rectangle no longer covers is as it was before the stroke.
    this.rows.forEach((row, day) => row.cells.forEach((cell, half) => this.paint(cell, this.before[day][half])));
    const what = this.between(this.first, last, (cell) => this.paint(cell, this.brush));
    this.words.textContent = `${what}: ${LETTERS[this.brush]}`;
  }

  end() { this.first = null; }

  focus(cell) {
    for (const row of this.rows) for (const other of row.cells) other.tabIndex = -1;
    cell.tabIndex = 0;
    cell.focus({ preventScroll: true });
  }

  tell(cell) {
    if (cell.matches("td[data-half]") && !this.first) this.words.textContent = cell.getAttribute("aria-label");
  }

  key(event) {
    const cell = event.target.closest("td[data-half]");
    if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
    const { day, half } = this.place(cell);
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
    const letter = { a: "a", m: "m", n: "-", "-": "-" }[event.key.toLowerCase()] ?? (event.key === " " || event.key === "Enter" ? this.brush : null);
    if (step) {
      const next = this.rows[Math.min(6, Math.max(0, day + step[0]))].cells[Math.min(47, Math.max(0, half + step[1]))];
      this.mark = event.shiftKey ? this.mark ?? cell : null;
      this.focus(next);
      if (this.mark) this.words.textContent = `Marked: ${this.between(this.mark, next, () => {})}`;
    } else if (letter) {
      const what = this.between(this.mark ?? cell, cell, (other) => this.paint(other, letter));
      this.words.textContent = `${what}: ${LETTERS[letter]}`;
      this.mark = null;
    } else return;
    event.preventDefault();
  }
}

for (const root of document.querySelectorAll("[data-plan]")) new Plan(root);
