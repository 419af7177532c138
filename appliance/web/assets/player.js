// Live video: fragmented MP4 from a WebSocket into a <video> by Media Source Extensions.
//
// A text message names the format; the next binary message is the initialization segment, the
// following ones are a picture each. The first ones come all at once, from the newest key frame
// on. How closely the picture follows is Pace's to say. A tab that is hidden, and a screen that is
// not to be seen, watch nothing. After a failure the player tries again, later each time. Where
// the browser can't play the camera's main stream it takes the smaller one, and says so.

const KEEP_S = 4;           // played video kept in the buffer
const BURST_S = 0.2;        // the first pictures come this close together
const MAX_QUEUE_BYTES = 16 * 1024 * 1024;
const QUIET_MS = 3000;      // nothing came: say so
const SILENCE_MS = 15000;   // nothing came: connect again
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30000;
const NO_SUB_STREAM = "SG-REC-020";

class Player {
  // `screen` holds a video and the words over it. `stream` is "main" or "sub".
  constructor(screen, stream) {
    this.address = screen.dataset.live;
    this.stream = stream;
    this.video = screen.querySelector("video");
    this.words = screen.querySelector(".screen-words");
    this.note = screen.querySelector(".screen-note");
    this.wanted = true;
    this.pace = new Pace();
    this.retryMs = FIRST_RETRY_MS;
    this.unplayable = new Set();
    this.video.addEventListener("playing", () => this.say(""));
    this.video.addEventListener("waiting", () => {
      if (this.steady && !this.video.seeking) this.pace.stalled();
    });
    this.video.addEventListener("error", () => {
      if (this.socket) this.failed("The picture can't be decoded");
    });
    document.addEventListener("visibilitychange", () => this.watch());
    this.watch();
  }

  // Whether anybody can see the screen.
  show(wanted) {
    this.wanted = wanted;
    this.watch();
  }

  watch() {
    if (this.wanted && !document.hidden) this.start(); else this.stop();
  }

  say(text) {
    if (this.words.textContent === text) return;
    this.words.textContent = text;
    this.words.hidden = text === "";
  }

  start() {
    if (this.socket || this.ended) return;
    clearTimeout(this.retry);
    this.empty();
    const socket = new WebSocket(`wss://${location.host}${this.address}?stream=${this.stream}`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.opened = false;
    socket.onopen = () => { this.opened = true; };
    socket.onmessage = (event) => {
      if (this.socket !== socket) return;
      this.heard();
      if (typeof event.data === "string") this.told(JSON.parse(event.data));
      else this.push(event.data);
    };
    socket.onclose = () => { if (this.socket === socket) this.failed(""); };
    this.heard();
  }

  stop() {
    clearTimeout(this.retry);
    clearTimeout(this.quiet);
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    this.empty();
  }

  empty() {
    this.queue = [];
    this.queued = 0;
  }

  heard() {
    clearTimeout(this.quiet);
    clearTimeout(this.silence);
    this.quiet = setTimeout(() => this.say("No picture comes from the camera"), QUIET_MS);
    this.silence = setTimeout(() => this.failed("No picture comes from the camera"), SILENCE_MS);
  }

  // Ends this attempt and plans the next.
  async failed(why) {
    const refused = this.socket && !this.opened;
    this.stop();
    let text = this.reason ?? why;
    this.reason = null;
    if (refused && !text) {
      const problem = await this.askWhy();
      if (problem.code === NO_SUB_STREAM) {
        if (this.switchStream("main", "")) return;
        this.end("This browser can't play the camera's video, and the camera has no smaller stream. Recording goes on.");
        return;
      }
      text = problem.words;
    }
    // By now it may be hidden, or have been started again.
    if (this.socket || !this.wanted || document.hidden) return;
    this.say(`${text || "The connection was lost"}. Trying again.`.replace("..", "."));
    // Not all viewers at once.
    const wait = this.retryMs * (0.8 + 0.4 * Math.random());
    this.retryMs = Math.min(this.retryMs * 2, LAST_RETRY_MS);
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.watch(), wait);
  }

  // A script can't read why a WebSocket was refused; the same address as a plain request says it.
  async askWhy() {
    try {
      const answer = await fetch(`${this.address}?stream=${this.stream}`, { signal: AbortSignal.timeout(5000) });
      if (answer.status === 401) location.reload();
      const problem = await answer.json();
      const words = problem.code === "SG-API-001" ? "" : `${problem.cause} ${problem.cure}`;
      return { code: problem.code, words };
    } catch {
      return { code: "", words: "The box does not answer" };
    }
  }

  // Nothing more can be done.
  end(text) {
    this.ended = true;
    this.stop();
    this.say(text);
  }

  // Goes on with the other stream, unless it was found to be no use.
  switchStream(stream, note) {
    this.unplayable.add(this.stream);
    if (this.unplayable.has(stream)) return false;
    this.stream = stream;
    if (this.note) {
      this.note.textContent = note;
      this.note.hidden = note === "";
    }
    this.stop();
    this.watch();
    return true;
  }

  told(message) {
    if (message.problem) this.reason = `${message.problem.cause} ${message.problem.cure}`;
    if (message.mime_type) this.open(message.mime_type);
    if (message.skipped_ms) this.pace.reset();
  }

  open(mimeType) {
    if (!window.MediaSource || !MediaSource.isTypeSupported(mimeType)) {
      const codec = /hvc1|hev1/.test(mimeType) ? "H.265" : "this";
      const other = this.stream === "main" ? "sub" : "main";
      const note = other === "sub"
        ? `This browser can't play ${codec} video, so the camera's smaller stream is shown. Recording goes on as before.`
        : "";
      if (!this.switchStream(other, note)) {
        this.end(`This browser can't play ${codec} video. Recording goes on; another browser may show it.`);
      }
      return;
    }
    this.empty();
    this.buffer = null;
    this.steady = false;
    this.began = null;
    this.pace.reset();
    const source = new MediaSource();
    this.source = source;
    if (this.objectAddress) URL.revokeObjectURL(this.objectAddress);
    this.objectAddress = URL.createObjectURL(source);
    this.video.src = this.objectAddress;
    this.video.dispatchEvent(new CustomEvent("format", { detail: { sound: mimeType.includes(",") } }));
    source.addEventListener("sourceopen", () => {
      if (this.source !== source) return;
      this.buffer = source.addSourceBuffer(mimeType);
      this.buffer.addEventListener("updateend", () => { this.follow(); this.pump(); });
      this.pump();
    }, { once: true });
  }

  push(bytes) {
    this.queue.push({ bytes, now: performance.now() / 1000 });
    this.queued += bytes.byteLength;
    if (this.queued > MAX_QUEUE_BYTES) this.failed("This browser can't keep up");
    else this.pump();
  }

  pump() {
    const buffer = this.buffer;
    if (!buffer || buffer.updating || this.queue.length === 0 || this.source.readyState !== "open") return;
    const ranges = buffer.buffered;
    const oldest = ranges.length ? ranges.start(0) : 0;
    if (this.video.currentTime - oldest > 2 * KEEP_S) {
      buffer.remove(oldest, this.video.currentTime - KEEP_S);
      return;
    }
    const { bytes, now } = this.queue.shift();
    this.queued -= bytes.byteLength;
    if (ranges.length) {
      this.began ??= now;
      // What comes at once at the start is not late, it is old.
      if (now - this.began > BURST_S) this.pace.arrived(now, ranges.end(ranges.length - 1));
    }
    try {
      buffer.appendBuffer(bytes);
    } catch (error) {
      this.failed(error.name === "QuotaExceededError" ? "The browser's buffer is full" : "The picture can't be decoded");
    }
  }

  // After each piece: stay close behind the newest picture.
  follow() {
    const { video, buffer, pace } = this;
    if (!buffer || this.source.readyState !== "open" || buffer.buffered.length === 0) return;
    if (this.queue.length > 0) return;
    const ranges = buffer.buffered;
    const start = ranges.start(ranges.length - 1);
    const end = ranges.end(ranges.length - 1);
    const now = performance.now() / 1000;
    const shown = video.currentTime;
    const advice = pace.advise(now, shown);
    const jump = advice.jump ?? (shown < start || shown > end + 1 ? end - 0.1 : undefined);
    if (!this.steady && pace.late.length > 0) {
      // All that was old is there: to the newest of it.
      this.steady = true;
      video.currentTime = Math.max(start, Math.min(end, pace.target(now)));
    } else if (jump !== undefined) {
      video.currentTime = Math.max(start, Math.min(end, jump));
    }
    if (video.playbackRate !== advice.rate) video.playbackRate = advice.rate;
    if (video.paused) {
      video.play().catch(() => this.say("The browser does not start the video by itself"));
    } else if (video.readyState >= 3) {
      this.say("");
    }
    this.retryMs = FIRST_RETRY_MS;
  }
}
