// The time line: a slider over a day or less of what was recorded of one camera.
//
// Arrows move a second, with Shift a minute; plus and minus zoom. A pointer drags the time,
// two fingers or Ctrl and the wheel zoom, the wheel alone moves. It tells what happens by
// events: scrub (while dragged), seek (let go), range (the clip's handles), data (loaded).

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 92, TOP = 24, BASE = 88;
const SHORTEST_MS = 60_000;
const EXPORT_VIEW_MS = 600_000;
const STEPS_MS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600].map((s) => s * 1000);
const LABEL_PX = 76;

const make = (name, attributes, parent) => {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent?.append(node);
  return node;
};

class TimeLine {
  constructor(element) {
    this.element = element;
    const home = element.closest("[data-playback]").dataset;
    this.camera = home.playback;
    this.day = { from: Number(home.from), to: Number(home.to) };
    this.view = { ...this.day };
    this.now = Number(home.now);
    this.at = this.now < this.day.to ? Math.max(this.day.from, this.now - 60_000) : this.day.from;
    this.data = { spans: [], gaps: [], events: [] };
    this.range = null;
    this.pointers = new Map();
    const zone = { timeZone: home.zone, hourCycle: "h23" };
    this.long = new Intl.DateTimeFormat(undefined, { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit", timeZoneName: "short" });
    this.clock = new Intl.DateTimeFormat("en-GB", { ...zone, hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.svg = make("svg", { "aria-hidden": "true", focusable: "false", height: HEIGHT }, null);
    element.append(this.svg);
    element.timeline = this;
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel", "keydown", "wheel"]) {
      element.addEventListener(kind, (event) => this[kind](event), { passive: false });
    }
    new ResizeObserver(() => this.draw()).observe(element);
    this.load();
  }

  say(kind, detail) { this.element.dispatchEvent(new CustomEvent(kind, { detail })); }

  // -- where things are ----------------------------------------------------------

  x(ms) { return (ms - this.view.from) / (this.view.to - this.view.from) * this.width; }

  ms(event) {
    const box = this.element.getBoundingClientRect();
    const share = (event.clientX - box.left) / Math.max(1, box.width);
    return this.inDay(this.view.from + share * (this.view.to - this.view.from));
  }

  inDay(ms) { return Math.round(Math.min(this.day.to - 1, Math.max(this.day.from, ms))); }

  show(from, to) {
    const length = Math.min(this.day.to - this.day.from, Math.max(SHORTEST_MS, to - from));
    from = Math.min(this.day.to - length, Math.max(this.day.from, from));
    this.view = { from, to: from + length };
    this.draw();
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.load(), 200);
  }

  zoom(factor, around = this.at) {
    const { from, to } = this.view;
    const anchor = around >= from && around <= to ? around : (from + to) / 2;
    this.show(anchor - (anchor - from) * factor, anchor + (to - anchor) * factor);
  }

  move(share) {
    const by = (this.view.to - this.view.from) * share;
    this.show(this.view.from + by, this.view.to + by);
  }

  set(ms) {
    this.at = this.inDay(ms);
    const { from, to } = this.view;
    if (this.at < from || this.at > to) this.show(this.at - (to - from) / 2, this.at + (to - from) / 2);
    else this.draw();
  }

  export(on) {
    // Two handles need room between them.
    if (on && this.view.to - this.view.from > 2 * EXPORT_VIEW_MS) this.show(this.at - EXPORT_VIEW_MS / 2, this.at + EXPORT_VIEW_MS / 2);
    const half = Math.min(30_000, (this.view.to - this.view.from) / 6);
    this.range = on ? { from: this.inDay(this.at - half), to: this.inDay(this.at + half) } : null;
    this.draw();
    this.say("range", this.range);
  }

  mark(end, ms) {
    if (!this.range) return;
    this.range[end] = this.inDay(ms);
    if (this.range.from >= this.range.to) {
      if (end === "from") this.range.to = this.inDay(this.range.from + 1000);
      else this.range.from = this.inDay(this.range.to - 1000);
    }
    this.draw();
    this.say("range", this.range);
  }

  // -- what was recorded ---------------------------------------------------------

  async load() {
    const { from, to } = this.view;
    const url = `/api/v1/timeline/${this.camera}?from_utc_ms=${Math.floor(from)}&to_utc_ms=${Math.ceil(to)}`;
    this.loading?.abort();
    this.loading = new AbortController();
    try {
      const answer = await fetch(url, { signal: this.loading.signal });
      if (!answer.ok) throw await answer.json();
      this.data = await answer.json();
      this.draw();
      this.say("data", this.data);
    } catch (problem) {
      if (problem?.cause && problem?.code) this.say("trouble", `${problem.cause} ${problem.cure}`);
    }
  }

  // -- drawing -------------------------------------------------------------------

  draw() {
    this.width = Math.max(1, this.element.clientWidth);
    const { svg, view } = this;
    svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    svg.setAttribute("width", this.width);
    svg.replaceChildren();
    const hatch = make("pattern", { id: "hatch", width: 8, height: 8, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, make("defs", {}, svg));
    make("rect", { width: 8, height: 8, class: "tl-hatch-back" }, hatch);
    make("rect", { width: 2, height: 8, class: "tl-hatch" }, hatch);
    // All is hatched that is past and not recorded.
    const past = Math.min(view.to, this.now + performance.now());
    this.band("tl-gap", view.from, past, 40, "url(#hatch)");
    for (const span of this.data.spans) this.band("tl-rec", span.start_utc_ms, span.end_utc_ms, 40);
    for (const event of this.data.events) {
      const alarm = event.kind !== null && event.kind !== "motion";
      this.band(alarm ? "tl-alarm" : "tl-motion", event.start_utc_ms, Math.max(event.end_utc_ms, event.start_utc_ms + 1000), alarm ? 14 : 26);
    }
    this.hours();
    if (this.range) this.handles();
    const at = this.x(this.at);
    if (at >= 0 && at <= this.width) {
      make("rect", { x: at - 1, y: TOP - 4, width: 2, height: BASE - TOP + 8, class: "tl-at" }, svg);
      make("path", { d: `M${at - 7} ${TOP - 12}h14l-7 9z`, class: "tl-at" }, svg);
    }
    const set = (name, value) => this.element.setAttribute(name, value);
    set("aria-valuemin", this.day.from);
    set("aria-valuemax", this.day.to);
    set("aria-valuenow", this.at);
    set("aria-valuetext", this.words(this.at));
  }

  words(ms) {
    const recorded = this.data.spans.some((span) => span.start_utc_ms <= ms && ms < span.end_utc_ms);
    return `${this.long.format(ms)}${recorded ? "" : ", not recorded"}`;
  }

  band(kind, from, to, height, fill) {
    const left = Math.max(0, this.x(from)), right = Math.min(this.width, this.x(to));
    if (right <= 0 || left >= this.width || right <= left) return;
    const box = { x: left, y: BASE - height, width: Math.max(1, right - left), height, class: kind };
    if (fill) box.fill = fill;
    make("rect", box, this.svg);
  }

  hours() {
    const { from, to } = this.view;
    const least = (to - from) * LABEL_PX / this.width;
    const step = STEPS_MS.find((step) => step >= least) ?? STEPS_MS.at(-1);
    // From midnight, so that labels are full hours in every zone but where clocks change.
    for (let ms = this.day.from + Math.ceil((from - this.day.from) / step) * step; ms <= to; ms += step) {
      const x = this.x(ms);
      make("rect", { x, y: TOP - 6, width: 1, height: BASE - TOP + 6, class: "tl-tick" }, this.svg);
      if (x > this.width - LABEL_PX / 2) continue;
      const label = make("text", { x: x + 4, y: 12, class: "tl-label" }, this.svg);
      label.textContent = step < 60_000 ? this.clock.format(ms) : this.clock.format(ms).slice(0, 5);
    }
  }

  handles() {
    const [from, to] = [this.x(this.range.from), this.x(this.range.to)];
    make("rect", { x: from, y: TOP, width: Math.max(1, to - from), height: BASE - TOP, class: "tl-range" }, this.svg);
    for (const x of [from, to]) {
      make("rect", { x: x - 5, y: TOP - 2, width: 10, height: BASE - TOP + 6, rx: 4, class: "tl-handle" }, this.svg);
    }
  }

  // -- hands ---------------------------------------------------------------------

  grip(event) {
    if (!this.range) return null;
    const x = event.clientX - this.element.getBoundingClientRect().left;
    const reach = event.pointerType === "touch" ? 24 : 12;
    const far = (end) => Math.abs(x - this.x(this.range[end]));
    const end = far("from") < far("to") ? "from" : "to";
    return far(end) <= reach ? end : null;
  }

  pointerdown(event) {
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event.clientX);
    this.element.focus({ preventScroll: true });
    event.preventDefault();
    if (this.pointers.size === 2) {
      this.held = null;
      this.spread = this.span();
    } else {
      this.held = this.grip(event) ?? "at";
      this.pointermove(event);
    }
  }

  span() {
    const [one, other] = [...this.pointers.values()];
    return Math.max(20, Math.abs(one - other));
  }

  pointermove(event) {
    if (!this.pointers.has(event.pointerId)) return;
    this.pointers.set(event.pointerId, event.clientX);
    if (this.pointers.size === 2) {
      const spread = this.span();
      this.zoom(this.spread / spread, this.ms(event));
      this.spread = spread;
    } else if (this.held === "at") {
      this.set(this.ms(event));
      this.say("scrub", this.at);
    } else if (this.held) {
      this.mark(this.held, this.ms(event));
    }
  }

  pointerup(event) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.held === "at") this.say("seek", this.at);
    this.held = null;
  }

  pointercancel(event) { this.pointers.delete(event.pointerId); this.held = null; }

  wheel(event) {
    event.preventDefault();
    if (event.ctrlKey) this.zoom(event.deltaY > 0 ? 1.25 : 0.8, this.ms(event));
    else this.move((event.deltaX || event.deltaY) / 1000);
  }

  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 60_000 : 1000;
    const by = { ArrowLeft: -step, ArrowDown: -step, ArrowRight: step, ArrowUp: step, PageUp: 600_000, PageDown: -600_000 }[event.key];
    if (by) this.go(this.at + by);
    else if (event.key === "Home") this.go(this.view.from);
    else if (event.key === "End") this.go(this.view.to);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5);
    else if (event.key === "-") this.zoom(2);
    else return;
    event.preventDefault();
  }

  // By keys: the picture follows, and plays on once the keys rest.
  go(ms) {
    this.set(ms);
    this.say("scrub", this.at);
    clearTimeout(this.rest);
    this.rest = setTimeout(() => this.say("seek", this.at), 400);
  }
}

for (const element of document.querySelectorAll("[data-timeline]")) new TimeLine(element);
