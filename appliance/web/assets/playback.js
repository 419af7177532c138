// Plays recordings: fragmented MP4 from a WebSocket into a <video> by Media Source
// Extensions, as much as is asked for. While the time is dragged, single pictures.
//
// Parts are put one behind the other, so time that was not recorded takes none; a list of
// marks says which moment each place in the video is.

const AHEAD_S = 20;        // asked for in advance
const BEHIND_S = 20;       // kept after it was played
const AT_ONCE = 4;         // parts asked for together
const STILL_MS = 250;      // between two single pictures
const STILL_TRIES = 5;
const STILL_AGAIN_MS = 1500;
const MOST_EVENTS = 60;

class Playback {
  constructor(root) {
    this.root = root;
    this.camera = root.dataset.playback;
    this.film = root.querySelector(".film");
    this.still = root.querySelector(".still");
    this.words = root.querySelector(".screen-words");
    this.line = root.querySelector("[data-timeline]").timeline;
    this.playing = false;
    root.hidden = false;
    this.line.draw();
    const line = this.line.element;
    line.addEventListener("scrub", () => this.scrub());
    line.addEventListener("seek", () => this.start(this.playing));
    line.addEventListener("data", (event) => this.list(event.detail.events));
    line.addEventListener("trouble", (event) => this.say(event.detail));
    line.addEventListener("range", (event) => this.ranged(event.detail));
    this.film.addEventListener("timeupdate", () => this.follow());
    this.film.addEventListener("playing", () => this.say(""));
    this.film.addEventListener("error", () => this.failed("The picture can't be decoded"));
    this.still.addEventListener("loadeddata", () => { this.still.hidden = false; this.say(""); });
    this.still.addEventListener("error", () => {
      this.still.hidden = true;
      if (!this.playing) this.say("No picture was recorded at this time");
    });
    for (const button of root.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.command(button.dataset.do));
    }
    root.querySelector("[data-speed]").addEventListener("change", (event) => {
      this.speed = Number(event.target.value);
      this.film.playbackRate = this.speed;
    });
    root.querySelector("[data-jump]").addEventListener("submit", (event) => this.jump(event));
    root.addEventListener("keydown", (event) => {
      if (event.key !== " " || event.target.closest("button, input, select, a")) return;
      event.preventDefault();
      this.command("play");
    });
    this.speed = 1;
    this.picture();
  }

  say(text) {
    this.words.textContent = text;
    this.words.hidden = text === "";
  }

  command(what) {
    const { line } = this;
    switch (what) {
      case "play": return this.playing ? this.pause() : this.start(true);
      case "back": return this.seek(line.at - 10_000);
      case "on": return this.seek(line.at + 10_000);
      case "zoom-in": return line.zoom(0.5);
      case "zoom-out": return line.zoom(2);
      case "earlier": return line.move(-0.5);
      case "later": return line.move(0.5);
      case "export": return line.export(!line.range);
      case "mark-from": return line.mark("from", line.at);
      case "mark-to": return line.mark("to", line.at);
      case "make": return this.make();
      case "event-before": return this.event((events) => events.findLast((event) => event.start_utc_ms < line.at - 2000));
      case "event-after": return this.event((events) => events.find((event) => event.start_utc_ms > line.at + 1000));
    }
  }

  event(choose) {
    const event = choose(this.line.data.events);
    if (event) this.seek(event.start_utc_ms);
    else this.say("No further event in the time shown");
  }

  seek(ms) {
    this.line.set(ms);
    this.start(this.playing);
  }

  // The time typed, on the day shown: the moment whose clock reads so.
  jump(event) {
    event.preventDefault();
    event.stopImmediatePropagation();
    delete event.target.dataset.sent;
    const [hours, minutes, seconds = 0] = event.target.querySelector("input").value.split(":").map(Number);
    const { day, clock } = this.line;
    const wanted = (hours * 60 + minutes) * 60 + seconds;
    let ms = day.from + wanted * 1000;
    // Twice, as the clocks may change between midnight and then.
    for (let turn = 0; turn < 2; turn++) {
      const [h, m, s] = clock.format(ms).split(":").map(Number);
      let off = wanted - ((h * 60 + m) * 60 + s);
      if (off > 43_200) off -= 86_400;
      if (off < -43_200) off += 86_400;
      ms += off * 1000;
    }
    this.seek(ms);
  }

  // -- single pictures ------------------------------------------------------------

  scrub() {
    this.close();
    clearTimeout(this.next);
    const wait = Math.max(0, (this.shown ?? 0) + STILL_MS - performance.now());
    this.next = setTimeout(() => this.picture(), wait);
  }

  picture() {
    this.shown = performance.now();
    this.still.src = `/api/v1/still/${this.camera}?at_utc_ms=${Math.round(this.line.at)}`;
  }

  // -- playing ----------------------------------------------------------------------

  pause() {
    this.playing = false;
    this.film.pause();
    this.button();
  }

  button() {
    const label = this.root.querySelector('[data-do="play"] span');
    label.textContent = this.playing ? "Pause" : "Play";
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }

  // Plays from the time shown on, or shows its picture.
  start(play) {
    clearTimeout(this.next);
    this.close();
    this.playing = play;
    this.button();
    if (!play) return this.picture();
    if (!window.MediaSource) return this.failed("This browser can't play recordings; save them as files");
    this.from = this.line.at;
    this.marks = [];
    this.queue = [];
    this.asked = 0;
    this.buffer = null;
    this.begun = false;
    this.ended = false;
    this.say("Waiting for the picture");
    const socket = new WebSocket(`wss://${location.host}/api/v1/play/${this.camera}?from_utc_ms=${Math.round(this.from)}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let opened = false;
    socket.onopen = () => { opened = true; this.ask(AT_ONCE); };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      if (typeof event.data === "string") this.told(JSON.parse(event.data));
      else this.came(event.data);
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.ended = true;
      if (!opened) this.askWhy();
      this.pump();
    };
  }

  ask(parts) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.asked += parts;
    this.socket.send(String(parts));
  }

  // A script can't read why a WebSocket was refused; the same address as a plain request says it.
  async askWhy() {
    try {
      const answer = await fetch(`/api/v1/play/${this.camera}?from_utc_ms=${Math.round(this.from)}`);
      if (answer.status === 401) location.reload();
      const problem = await answer.json();
      this.failed(`${problem.cause} ${problem.cure}`);
    } catch {
      this.failed("The box does not answer");
    }
  }

  failed(why) {
    this.close();
    this.playing = false;
    this.button();
    this.say(why);
  }

  told(message) {
    if (message.problem) this.failed(`${message.problem.cause} ${message.problem.cure}`);
    if (message.mime_type) this.format = message.mime_type;
    if (message.utc_ms !== undefined) this.utcMs = message.utc_ms;
  }

  came(bytes) {
    if (this.format) {
      const format = this.format;
      this.format = null;
      if (!MediaSource.isTypeSupported(format)) {
        return this.failed("This browser can't play the camera's video format; save the recording as a file");
      }
      if (this.buffer) this.queue.push({ bytes, format });
      else this.open(bytes, format);
    } else {
      this.asked -= 1;
      this.queue.push({ bytes, utcMs: this.utcMs });
    }
    this.pump();
  }

  open(bytes, format) {
    const source = new MediaSource();
    this.source = source;
    this.queue = [{ bytes }];
    if (this.address) URL.revokeObjectURL(this.address);
    this.address = URL.createObjectURL(source);
    this.film.src = this.address;
    source.addEventListener("sourceopen", () => {
      if (this.source !== source) return;
      this.buffer = source.addSourceBuffer(format);
      this.buffer.mode = "sequence";
      this.buffer.addEventListener("updateend", () => this.appended());
      this.pump();
    }, { once: true });
  }

  edge() {
    const ranges = this.buffer.buffered;
    return ranges.length ? ranges.end(ranges.length - 1) : 0;
  }

  pump() {
    const { buffer } = this;
    if (!buffer || buffer.updating || this.source.readyState !== "open") return;
    const { film } = this;
    if (buffer.buffered.length && film.currentTime - buffer.buffered.start(0) > 2 * BEHIND_S) {
      return buffer.remove(buffer.buffered.start(0), film.currentTime - BEHIND_S);
    }
    const next = this.queue.shift();
    if (!next) {
      if (this.ended) this.source.endOfStream();
      else if (this.asked < AT_ONCE / 2 && this.edge() - film.currentTime < AHEAD_S) this.ask(AT_ONCE);
      return;
    }
    try {
      if (next.format) buffer.changeType(next.format);
      if (next.utcMs !== undefined) this.marks.push({ at: this.edge(), utcMs: next.utcMs });
      buffer.appendBuffer(next.bytes);
    } catch (error) {
      this.failed(error.name === "QuotaExceededError" ? "The browser's buffer is full" : "The picture can't be decoded");
    }
  }

  appended() {
    // The first part begins at the key frame before the time that was asked for.
    if (this.marks.length && this.film.currentTime === 0 && !this.begun) {
      const off = (this.from - this.marks[0].utcMs) / 1000;
      if (this.edge() > off || this.marks.length > 1) {
        this.begun = true;
        this.film.currentTime = Math.max(this.buffer.buffered.start(0), Math.min(off, this.edge() - 0.05));
        this.film.playbackRate = this.speed;
        this.still.hidden = true;
        this.film.play().catch(() => this.failed("The browser does not start the video by itself"));
      }
    }
    this.pump();
  }

  // Where the video is, as a moment.
  follow() {
    if (!this.playing || !this.marks?.length || !this.begun) return;
    const at = this.film.currentTime;
    const mark = this.marks.findLast((mark) => mark.at <= at + 0.001) ?? this.marks[0];
    this.line.set(mark.utcMs + (at - mark.at) * 1000);
    while (this.marks.length > 2 && this.marks[1].at < at - 2 * BEHIND_S) this.marks.shift();
    if (this.ended && this.film.ended) {
      this.pause();
      this.say("The recording ends here");
    }
    this.pump();
  }

  // -- events and clips ----------------------------------------------------------------

  list(events) {
    const list = this.root.querySelector("[data-events]");
    this.root.querySelector("[data-no-events]").hidden = events.length > 0;
    this.seen ??= new IntersectionObserver((entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || target.src) continue;
        target.src = target.dataset.src;
      }
    });
    list.replaceChildren(...events.slice(-MOST_EVENTS).map((event) => {
      const item = document.createElement("li");
      const button = document.createElement("button");
      const film = document.createElement("video");
      const words = document.createElement("span");
      button.type = "button";
      button.className = "event";
      film.muted = true;
      film.dataset.src = `/api/v1/still/${this.camera}?at_utc_ms=${event.start_utc_ms}`;
      // The picture of what happens now is on disk a moment later.
      let tries = 0;
      film.addEventListener("error", () => {
        if (++tries <= STILL_TRIES) setTimeout(() => film.isConnected && film.load(), STILL_AGAIN_MS);
      });
      const length = Math.max(1, Math.round((event.end_utc_ms - event.start_utc_ms) / 1000));
      words.textContent = `${event.kind ?? "event"}, ${this.line.clock.format(event.start_utc_ms)}, ${length} s`;
      button.append(film, words);
      button.addEventListener("click", () => this.seek(event.start_utc_ms));
      this.seen.observe(film);
      item.append(button);
      return item;
    }));
  }

  ranged(range) {
    const panel = this.root.querySelector("[data-export]");
    panel.hidden = !range;
    this.root.querySelector("[data-export-files]").hidden = true;
    if (!range) return;
    const seconds = Math.round((range.to - range.from) / 1000);
    const length = seconds < 120 ? `${seconds} s` : `${(seconds / 60).toFixed(1)} min`;
    const put = (name, text) => { panel.querySelector(`[data-range-${name}]`).textContent = text; };
    put("from", this.line.clock.format(range.from));
    put("to", this.line.clock.format(range.to));
    put("length", length);
    this.root.querySelector("[data-export-words]").textContent = "";
  }

  async make() {
    const { range } = this.line;
    if (!range) return;
    const words = this.root.querySelector("[data-export-words]");
    const files = this.root.querySelector("[data-export-files]");
    const button = this.root.querySelector('[data-do="make"]');
    button.disabled = true;
    files.hidden = true;
    words.textContent = "The clip is made and signed";
    try {
      const answer = await fetch("/api/v1/clips", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ camera: this.camera, from_utc_ms: range.from, to_utc_ms: range.to }),
      });
      const clip = await answer.json();
      if (!answer.ok) {
        words.textContent = `${clip.cause} ${clip.cure}`;
        return;
      }
      words.textContent = `${clip.file_name}, ${(clip.size_bytes / 1e6).toFixed(1)} MB, can be fetched for an hour.`
        + (clip.continues_utc_ms ? " The picture format changed in between: the rest is another clip." : "");
      files.querySelector("[data-file]").href = `/api/v1/clips/${clip.id}`;
      const statement = files.querySelector("[data-statement]");
      statement.href = `/api/v1/clips/${clip.id}/statement`;
      statement.hidden = !clip.signed;
      files.hidden = false;
    } catch {
      words.textContent = "The box does not answer. Try again.";
    } finally {
      button.disabled = false;
    }
  }
}

for (const root of document.querySelectorAll("[data-playback]")) new Playback(root);
